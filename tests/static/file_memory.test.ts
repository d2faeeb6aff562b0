import assert from "node:assert/strict";
import { renameSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { MemoryFiles } from "../support/memory/memory_files.ts";
import type { FileInfo } from "../../src/runtime/file_info.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";
import type { FoundFile } from "../../src/static/below_root.ts";
import {
  FileMemory,
  KEPT_FILE_LENGTH_MAX,
  KEPT_FILE_MS,
  KEPT_FILES_MAX,
  SETTLED_MS,
} from "../../src/static/file_memory.ts";
import { readyFile } from "../../src/static/file_response.ts";
import { serveStatic } from "../../src/static/static_files.ts";
import { type Directory, fetched, files, SECRET, withDirectory } from "./directory.ts";

const HOUR_MS = 3_600_000;

/** A memory for which every file has lain still for an hour. */
function memory(): FileMemory {
  return new FileMemory(files, { nowMs: () => 0, wallMs: () => Date.now() + HOUR_MS });
}

/** An open file with as many bytes. */
function fileOf(length: number): OpenFile {
  const memory = new MemoryFiles();
  memory.write("/a", new Uint8Array(length));
  return memory.openNow("/a")!;
}

async function ask(directory: Directory, kept: FileMemory, path: string): Promise<Response> {
  const options = { files, root: directory.root, index: ["index.html"], never: () => false };
  const request = new Request("http://h/");
  const response = await fetched(
    serveStatic({ ...options, memory: kept }, request, { path, query: "" }),
  );
  return response instanceof Response ? response : new Response(null, { status: response.status });
}

test("A kept file is sent again as it was sent at first", async () => {
  await withDirectory(async (directory) => {
    const kept = memory();
    for (const path of ["/hello.txt", "/", "/empty.txt"]) {
      const first = await ask(directory, kept, path);
      const second = await ask(directory, kept, path);
      assert.deepEqual([...second.headers], [...first.headers]);
      assert.equal(await second.text(), await first.text());
    }
    assert.equal(kept.size, 3);
  });
});

test("A change of a kept file is seen with the next request, of the same size and time too", async () => {
  await withDirectory(async (directory) => {
    const kept = memory();
    const path = join(directory.root, "hello.txt");
    const read = async () => (await ask(directory, kept, "/hello.txt")).text();
    assert.equal(await read(), "0123456789");
    const { modifiedMs } = files.stat(path)!;
    renameSync(path, `${path}.old`);
    writeFileSync(path, "abcdefghij");
    utimesSync(path, modifiedMs / 1000, modifiedMs / 1000);
    assert.equal(await read(), "abcdefghij");
    renameSync(path, `${path}.older`);
    assert.equal((await ask(directory, kept, "/hello.txt")).status, 404);
  });
});

test("A kept path that becomes a symlink out of the root is refused", async () => {
  await withDirectory(async (directory) => {
    const kept = memory();
    assert.equal((await ask(directory, kept, "/docs/index.html")).status, 200);
    renameSync(join(directory.root, "docs"), join(directory.root, "docs-old"));
    renameSync(join(directory.root, "link-folder"), join(directory.root, "docs"));
    const response = await ask(directory, kept, "/docs/index.html");
    assert.equal(response.status, 403);
    assert.notEqual(await response.text(), SECRET);
  });
});

test("The way to a kept file is followed anew once a second", async () => {
  await withDirectory(async (directory) => {
    let nowMs = 0;
    const clock = { nowMs: () => nowMs, wallMs: () => Date.now() + HOUR_MS };
    const kept = new FileMemory(files, clock);
    assert.equal((await ask(directory, kept, "/docs/index.html")).status, 200);
    // The very same file, but its directory lies outside now.
    renameSync(join(directory.root, "docs"), join(directory.base, "docs"));
    symlinkSync(join(directory.base, "docs"), join(directory.root, "docs"));
    nowMs = KEPT_FILE_MS - 1;
    assert.equal((await ask(directory, kept, "/docs/index.html")).status, 200);
    nowMs = KEPT_FILE_MS;
    assert.equal((await ask(directory, kept, "/docs/index.html")).status, 403);
    assert.equal(kept.size, 0);
  });
});

test("A kept file is another one with any of what is said of it changed", () => {
  const info: FileInfo = {
    kind: "file",
    size: 1,
    modifiedMs: 0,
    changedMs: 0,
    inode: 1,
    device: 1,
  };
  const changes: readonly Partial<FileInfo>[] = [
    { kind: "other" },
    { size: 2 },
    { modifiedMs: 1 },
    { changedMs: 1 },
    { inode: 2 },
    { device: 2 },
  ];
  const found: FoundFile = { kind: "file", path: "/a", realPath: "/a", isOutside: false, info };
  for (const change of changes) {
    let now = info;
    const clock = { nowMs: () => 0, wallMs: () => HOUR_MS };
    const kept = new FileMemory({ stat: () => now }, clock);
    kept.keep("/a", readyFile(found), fileOf(1));
    assert.ok(kept.find("/a") !== undefined);
    now = { ...info, ...change };
    assert.equal(kept.find("/a"), undefined, JSON.stringify(change));
    assert.equal(kept.size, 0);
  }
});

test("A file that changed a moment ago is sent and not kept", async () => {
  await withDirectory(async (directory) => {
    const kept = new FileMemory(files, { nowMs: () => 0, wallMs: () => Date.now() });
    const path = join(directory.root, "hello.txt");
    for (const content of ["aaa", "bbb", "ccc"]) {
      writeFileSync(path, content);
      assert.equal(await (await ask(directory, kept, "/hello.txt")).text(), content);
    }
    assert.equal(kept.size, 0);
  });
});

test("A file is kept once it has lain still for long enough", () => {
  const changedMs = HOUR_MS;
  const info: FileInfo = { kind: "file", size: 1, modifiedMs: 0, changedMs, inode: 1, device: 1 };
  const found: FoundFile = { kind: "file", path: "/a", realPath: "/a", isOutside: false, info };
  const reader = { stat: () => info };
  for (const [stillMs, size] of [[SETTLED_MS - 1, 0], [SETTLED_MS, 1]] as const) {
    const kept = new FileMemory(reader, { nowMs: () => 0, wallMs: () => changedMs + stillMs });
    kept.keep("/a", readyFile(found), fileOf(1));
    assert.equal(kept.size, size);
  }
});

test("A file over the limit is sent and not kept", async () => {
  await withDirectory(async (directory) => {
    const kept = memory();
    const path = join(directory.root, "hello.txt");
    writeFileSync(path, "x".repeat(KEPT_FILE_LENGTH_MAX + 1));
    assert.equal((await (await ask(directory, kept, "/hello.txt")).text()).length, 16 * 1024 + 1);
    assert.equal(kept.size, 0);
    writeFileSync(path, "x".repeat(KEPT_FILE_LENGTH_MAX));
    assert.equal((await (await ask(directory, kept, "/hello.txt")).text()).length, 16 * 1024);
    assert.equal(kept.size, 1);
  });
});

test("No more files are kept than the limit", () => {
  const info: FileInfo = {
    kind: "file",
    size: 1,
    modifiedMs: 0,
    changedMs: 0,
    inode: 1,
    device: 1,
  };
  const reader = { stat: () => info };
  const kept = new FileMemory(reader, { nowMs: () => 0, wallMs: () => HOUR_MS });
  for (let index = 0; index <= KEPT_FILES_MAX; index++) {
    const path = `/${index}`;
    const found: FoundFile = { kind: "file", path, realPath: path, isOutside: false, info };
    kept.keep(found.path, readyFile(found), fileOf(1));
    assert.ok(kept.size <= KEPT_FILES_MAX);
  }
  assert.equal(kept.size, 1);
});

test("A file that cannot be read, or changes while it is read, is left to be sent otherwise", () => {
  const info: FileInfo = {
    kind: "file",
    size: 2,
    modifiedMs: 0,
    changedMs: 0,
    inode: 1,
    device: 1,
  };
  const found: FoundFile = { kind: "file", path: "/a", realPath: "/a", isOutside: false, info };
  const changed = { ...info, changedMs: 1 };
  const readers = [[info, 1], [info, 3], [changed, 2], [undefined, 2]] as const;
  for (const [after, length] of readers) {
    const reader = { stat: () => after };
    const kept = new FileMemory(reader, { nowMs: () => 0, wallMs: () => HOUR_MS });
    assert.equal(kept.keep("/a", readyFile(found), fileOf(length)).bytes, undefined);
    assert.equal(kept.size, 0);
  }
});
