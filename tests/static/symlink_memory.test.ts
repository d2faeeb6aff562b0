import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { MemoryFiles } from "../support/memory/memory_files.ts";
import { resolveBelowRoot } from "../../src/static/below_root.ts";
import {
  rememberSymlinks,
  SymlinkMemory,
  SYMLINKS_REMEMBERED_MAX,
  SYMLINKS_REMEMBERED_MS,
} from "../../src/static/symlink_memory.ts";

function world() {
  const files = new MemoryFiles();
  const clock = new ManualClock();
  return { files, clock, memory: new SymlinkMemory(files, clock) };
}

test("SymlinkMemory follows a symlink that was set anew within a second, not before it asks again", () => {
  const { files, clock, memory } = world();
  files.write("/releases/1/a.txt", "one");
  files.write("/releases/2/a.txt", "two");
  files.symlink("/current", "/releases/1");
  assert.equal(memory.realPath("/current/a.txt"), "/releases/1/a.txt");
  files.symlink("/current", "/releases/2");
  clock.advance(SYMLINKS_REMEMBERED_MS - 1);
  assert.equal(memory.realPath("/current/a.txt"), "/releases/1/a.txt");
  clock.advance(1);
  assert.equal(memory.realPath("/current/a.txt"), "/releases/2/a.txt");
});

test("SymlinkMemory does not remember that there was nothing", () => {
  const { files, memory } = world();
  assert.equal(memory.realPath("/new.txt"), undefined);
  files.write("/new.txt", "new");
  assert.equal(memory.realPath("/new.txt"), "/new.txt");
});

test("SymlinkMemory remembers a bounded number of paths", () => {
  const { files, memory } = world();
  for (let index = 0; index <= SYMLINKS_REMEMBERED_MAX; index++) files.write(`/${index}`, "x");
  for (let index = 0; index < SYMLINKS_REMEMBERED_MAX; index++) memory.realPath(`/${index}`);
  assert.equal(memory.size, SYMLINKS_REMEMBERED_MAX);
  memory.realPath(`/${SYMLINKS_REMEMBERED_MAX}`);
  assert.equal(memory.size, 1);
});

test("A file that was deleted is missing at once, though the way to it is remembered", () => {
  const { files, clock } = world();
  files.write("/root/a.txt", "a");
  const remembered = rememberSymlinks(files, clock);
  assert.equal(resolveBelowRoot({ files: remembered, root: "/root" }, "/a.txt").kind, "file");
  files.remove("/root/a.txt");
  assert.equal(resolveBelowRoot({ files: remembered, root: "/root" }, "/a.txt").kind, "missing");
});

test("A root that was set anew is never outside itself, whichever path was looked at before", () => {
  const { files, clock } = world();
  for (const name of ["1/a.css", "1/old.css", "2/a.css", "2/new.css"]) {
    files.write(`/releases/${name}`, name);
  }
  files.write("/secret.txt", "secret");
  files.symlink("/releases/1/out.txt", "/secret.txt");
  files.symlink("/current", "/releases/1");
  const tree = { files: rememberSymlinks(files, clock), root: "/current" };
  const find = (path: string): string => {
    const found = resolveBelowRoot(tree, path);
    if (found.kind === "forbidden") return found.code;
    return found.kind === "file" ? found.realPath : found.kind;
  };
  assert.equal(find("/a.css"), "/releases/1/a.css");
  clock.advance(SYMLINKS_REMEMBERED_MS - 1);
  assert.equal(find("/old.css"), "/releases/1/old.css");
  assert.equal(find("/out.txt"), "outside_root");
  files.symlink("/current", "/releases/2");
  // The root is remembered, the path is new.
  assert.equal(find("/new.css"), "/releases/2/new.css");
  files.symlink("/current", "/releases/1");
  files.symlink("/releases/1/out.txt", "/releases/1/a.css");
  // The path is remembered as outside, and leads back in by now.
  assert.equal(find("/out.txt"), "/releases/1/a.css");
  clock.advance(1);
  files.symlink("/releases/1/out.txt", "/secret.txt");
  clock.advance(SYMLINKS_REMEMBERED_MS);
  assert.equal(find("/out.txt"), "outside_root");
});
