import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { MemoryFiles } from "../support/memory/memory_files.ts";
import type { FileInfo } from "../../src/runtime/file_info.ts";
import type { Files } from "../../src/runtime/files.ts";
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

/** Files of which a test sets what they say, and sees which ways were followed. */
function scripted() {
  const info: FileInfo = {
    kind: "file",
    size: 1,
    modifiedMs: 0,
    changedMs: 0,
    inode: 1,
    device: 1,
  };
  const said = { info: info as FileInfo | undefined, realPath: "/real" as string | undefined };
  const followed: string[] = [];
  const files = {
    stat: () => said.info,
    realPath: (path: string) => (followed.push(path), said.realPath),
  };
  const clock = new ManualClock();
  return { info, said, followed, clock, memory: new SymlinkMemory(files, clock) };
}

test("A file that grew is told as it is now, and the way to it is not followed anew", () => {
  const { info, said, followed, clock, memory } = scripted();
  assert.equal(memory.locate("/a")?.info.size, 1);
  clock.advance(SYMLINKS_REMEMBERED_MS - 1);
  for (const size of [2, 3]) {
    said.info = { ...info, size };
    assert.equal(memory.locate("/a")?.info.size, size);
  }
  assert.deepEqual(followed, ["/a"]);
  clock.advance(1);
  memory.locate("/a");
  assert.deepEqual(followed, ["/a", "/a"]);
});

test("Where another file lies by now, on another file system too, the way is followed anew", () => {
  for (const change of [{ inode: 2 }, { device: 2 }]) {
    const { info, said, followed, memory } = scripted();
    memory.locate("/a");
    said.info = { ...info, ...change };
    said.realPath = "/elsewhere";
    assert.equal(memory.locate("/a")?.realPath, "/elsewhere");
    assert.equal(memory.realPath("/a"), "/elsewhere");
    assert.deepEqual(followed, ["/a", "/a"]);
  }
});

test("A way that is gone is forgotten, and one that goes while it is followed is not remembered", () => {
  const { info, said, memory } = scripted();
  memory.locate("/a");
  said.info = undefined;
  assert.equal(memory.locate("/a"), undefined);
  assert.equal(memory.size, 0);
  assert.equal(memory.realPath("/a"), undefined);
  said.info = info;
  said.realPath = undefined;
  assert.equal(memory.locate("/a"), undefined);
  assert.equal(memory.realPath("/a"), undefined);
  assert.equal(memory.size, 0);
});

test("A path that is known is followed anew without a word to the others", () => {
  const { files, clock, memory } = world();
  for (let index = 0; index < SYMLINKS_REMEMBERED_MAX; index++) {
    files.write(`/${index}`, "x");
    memory.realPath(`/${index}`);
  }
  clock.advance(SYMLINKS_REMEMBERED_MS);
  assert.equal(memory.realPath("/0"), "/0");
  assert.equal(memory.size, SYMLINKS_REMEMBERED_MAX);
});

test("Everything but the way to a file is handed on as it is", () => {
  const names = [
    ...["stat", "access", "readText", "openNow", "list", "temporary", "createCopy"],
    ...["appendStream", "createText"],
  ];
  const handedOn = new Proxy({}, {
    get: (_target, name) => (...given: unknown[]) => [name, ...given],
  }) as Files;
  const files = rememberSymlinks(handedOn, new ManualClock()) as unknown as Record<
    string,
    (...given: unknown[]) => unknown
  >;
  for (const name of names) {
    const given = ["/a", "b", 3].slice(0, files[name]!.length);
    assert.deepEqual(files[name]!(...given), [name, ...given], name);
  }
  const own = ["realPath", "followAnew", "locate"];
  assert.deepEqual(Object.keys(files).sort(), [...names, ...own].sort());
});
