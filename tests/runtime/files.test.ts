import { test } from "node:test";
import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { openFileBody, READ_AT_ONCE_MAX } from "../../src/runtime/file_body.ts";
import { freshPath, patternBytes, readAll, runtime } from "./support.ts";
import { until } from "../support/idle.ts";

const { files } = runtime;

test("stat tells files, directories and others apart, with size and time", () => {
  const path = freshPath();
  mkdirSync(path);
  writeFileSync(`${path}/file`, "12345");
  utimesSync(`${path}/file`, 1_000_000, 1_234_567);
  const found = files.stat(`${path}/file`);
  assert.deepEqual([found?.kind, found?.size, found?.modifiedMs], ["file", 5, 1_234_567_000]);
  assert.equal(files.stat(path)?.kind, "directory");
  assert.equal(files.stat("/dev/null")?.kind, "other");
});

test("stat follows links", () => {
  const path = freshPath();
  writeFileSync(path, "target");
  symlinkSync(path, `${path}-link`);
  assert.equal(files.stat(`${path}-link`)?.size, 6);
});

for (
  const [what, path] of [
    ["nothing", "/no/such/file"],
    ["a path below a file", "/dev/null/below"],
    ["a NUL in the path", "/dev/\0null"],
    ["a name that is too long", `/${"x".repeat(300)}`],
    ["an empty path", ""],
  ] as const
) {
  test(`stat and realPath find nothing at ${what}`, () => {
    assert.equal(files.stat(path), undefined);
    if (path !== "") assert.equal(files.realPath(path), undefined);
  });
}

test("A loop of symlinks is nothing", () => {
  const path = freshPath();
  symlinkSync(path, `${path}-other`);
  symlinkSync(`${path}-other`, path);
  assert.equal(files.stat(path), undefined);
  assert.equal(files.realPath(path), undefined);
});

test("realPath resolves symlinks and dots", () => {
  const path = files.realPath(tmpdir()) + freshPath().slice(tmpdir().length);
  mkdirSync(path);
  writeFileSync(`${path}/file`, "");
  symlinkSync(`${path}/file`, `${path}/link`);
  assert.equal(files.realPath(`${path}/link`), `${path}/file`);
  assert.equal(files.realPath(`${path}/./x/../file`.replace("x/../", "")), `${path}/file`);
});

test("readText reads a file, and says what is wrong with one that is not there", async () => {
  const path = freshPath();
  writeFileSync(path, "grüße");
  assert.equal(await files.readText(path), "grüße");
  await assert.rejects(files.readText(`${path}-missing`), /ENOENT/);
});

for (const [start, end] of [[0, 300_000], [0, 0], [5, 6], [65_535, 65_537], [299_999, 300_000]]) {
  test(`A body of the bytes ${start} to ${end} is exactly these`, async () => {
    const path = freshPath();
    const content = patternBytes(300_000);
    writeFileSync(path, content);
    const range = { start: start ?? 0, end: end ?? 0 };
    const body = openFileBody(files.openNow(path)!, range.start, range.end);
    assert.equal(body instanceof ReadableStream, range.end - range.start > READ_AT_ONCE_MAX);
    const bytes = new Uint8Array(await new Response(body).arrayBuffer());
    assert.deepEqual(bytes, content.subarray(start, end));
    const stream = files.openNow(path)!.stream([range]);
    assert.deepEqual(await readAll(stream), content.subarray(start, end));
  });
}

test("A stream of a file that was cut meanwhile errors", async () => {
  const path = freshPath();
  writeFileSync(path, new Uint8Array(200_000));
  const stream = files.openNow(path)!.stream([{ start: 0, end: 200_000 }]);
  truncateSync(path, 100_000);
  await assert.rejects(readAll(stream), /it was cut meanwhile/);
});

test("A stream of a file closes it when its reader leaves", async () => {
  const path = freshPath();
  writeFileSync(path, new Uint8Array(200_000));
  const open = () => readdirSync("/dev/fd").length;
  const stream = files.openNow(path)!.stream([{ start: 0, end: 200_000 }]);
  const before = open();
  const reader = stream.getReader();
  void reader.read();
  await reader.cancel();
  await until(() => open() < before, "the file to be closed");
});

test("A temporary file gives back what was appended, at any offset", async () => {
  const file = await files.temporary();
  const content = patternBytes(200_000);
  // Not awaited one by one: they still land in order.
  await Promise.all([
    file.append([content.subarray(0, 70_000)]),
    file.append([content.subarray(70_000, 70_001), content.subarray(70_001, 150_000)]),
    file.append([]),
    file.append([content.subarray(150_000)]),
  ]);
  assert.deepEqual(await file.read(0, 200_000), content);
  assert.deepEqual(await file.read(69_999, 3), content.subarray(69_999, 70_002));
  assert.deepEqual(await file.read(199_999, 100), content.subarray(199_999));
  assert.deepEqual(await file.read(200_000, 100), new Uint8Array());
  assert.deepEqual(await file.read(500_000, 100), new Uint8Array());
  file.close();
});

test("A temporary file takes more pieces than one call of the operating system does", async () => {
  const file = await files.temporary();
  const content = patternBytes(6000);
  await file.append(Array.from({ length: 3000 }, (_, n) => content.subarray(2 * n, 2 * n + 2)));
  assert.deepEqual(await file.read(0, 6001), content);
  file.close();
});

test("A temporary file has no name", async () => {
  // Not by a look into its directory, where other processes put theirs.
  const opened = () =>
    readdirSync("/proc/self/fd").flatMap((name) => {
      try {
        const path = readlinkSync(`/proc/self/fd/${name}`);
        return path.startsWith(`${tmpdir()}/afcgi-`) ? [path] : [];
      } catch {
        return []; // The directory that was just read.
      }
    });
  const before = opened();
  const file = await files.temporary();
  await file.append([new Uint8Array([1])]);
  const fresh = opened().filter((path) => !before.includes(path));
  assert.equal(fresh.length, 1);
  assert.match(fresh[0]!, / \(deleted\)$/);
  file.close();
});

test("A temporary file that was closed takes nothing more", async () => {
  const file = await files.temporary();
  const underWay = file.append([new Uint8Array(1000)]);
  await underWay;
  file.close();
  file.close();
  await assert.rejects(file.append([new Uint8Array(1)]), /once it is closed/);
});

test("A log file is appended to, not replaced", async () => {
  const path = freshPath();
  writeFileSync(path, "old\n");
  const sink = await files.appendStream(path);
  sink.write("one\n");
  sink.write("two\n");
  await sink.flush();
  assert.equal(readFileSync(path, "utf8"), "old\none\ntwo\n");
});

test("A log file in a directory that does not exist is an error", async () => {
  await assert.rejects(files.appendStream(`${freshPath()}/log`), /ENOENT/);
});

test("stat tells a file from one that took its place, and from itself before a change", () => {
  const path = freshPath();
  writeFileSync(path, "12345");
  const before = files.stat(path)!;
  assert.deepEqual(files.stat(path), before);
  // The old file stays, so that its number is not given out again.
  renameSync(path, `${path}.old`);
  writeFileSync(path, "12345");
  assert.notEqual(files.stat(path)?.inode, before.inode);
  assert.ok(files.stat(`${path}.old`)!.changedMs >= before.changedMs);
});

test("A stream of a file gives its pieces in order, of the file that was there at first", async () => {
  const path = freshPath();
  writeFileSync(path, "0123456789");
  const bytes = new TextEncoder().encode("--");
  const stream = files.openNow(path)!.stream([
    { start: 8, end: 10 },
    bytes,
    { start: 3, end: 3 },
    { start: 0, end: 2 },
  ]);
  renameSync(path, `${path}.old`);
  writeFileSync(path, "abcdefghij");
  assert.equal(new TextDecoder().decode(await readAll(stream)), "89--01");
});

test("A short body of a file that was cut meanwhile is an error, and closes it", () => {
  const path = freshPath();
  writeFileSync(path, "0123456789");
  const open = () => readdirSync("/dev/fd").length;
  const before = open();
  const file = files.openNow(path)!;
  truncateSync(path, 5);
  assert.throws(() => openFileBody(file, 0, 10), { name: "FileError", code: "ESTALE" });
  assert.equal(open(), before);
});

test("openNow tells what the open file is, and where it lies", () => {
  const path = files.realPath(tmpdir()) + freshPath().slice(tmpdir().length);
  writeFileSync(path, "0123456789");
  const file = files.openNow(path)!;
  assert.deepEqual(file.info, files.stat(path));
  if (process.platform === "linux") assert.equal(file.path, path);
  renameSync(path, `${path}.old`);
  writeFileSync(path, "another");
  const bytes = new Uint8Array(20);
  assert.equal(file.read(bytes, 4), 6);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 6)), "456789");
  file.close();
  file.close();
});

test("openNow opens nothing but a regular file, and waits for none", () => {
  const path = freshPath();
  mkdirSync(path);
  writeFileSync(`${path}/file`, "x");
  symlinkSync("file", `${path}/link`);
  symlinkSync("loop", `${path}/loop`);
  execFileSync("mkfifo", [`${path}/fifo`]);
  const names = ["", "/none", "/link", "/loop", "/fifo", "/file/below", `/${"x".repeat(300)}`];
  for (const name of [...names, "/a\0b"]) {
    assert.equal(files.openNow(path + name), undefined, JSON.stringify(name));
  }
  assert.equal(files.openNow("/dev/null"), undefined);
});

test("A text is read of a regular file alone, and through a link", async () => {
  const path = freshPath();
  mkdirSync(path);
  writeFileSync(`${path}/file`, "text");
  symlinkSync("file", `${path}/link`);
  execFileSync("mkfifo", [`${path}/fifo`]);
  assert.equal(await files.readText(`${path}/link`), "text");
  for (const name of ["", "/none", "/fifo"]) {
    await assert.rejects(files.readText(path + name), { name: "FileError", code: "ENOENT" });
  }
});

test("list names what is in a directory, up to a limit", async () => {
  const path = freshPath();
  mkdirSync(`${path}/b/inner`, { recursive: true });
  for (const name of ["a", ".c"]) writeFileSync(`${path}/${name}`, "");
  const all = await files.list(path, 3);
  assert.deepEqual([[...all.names].sort(), all.hasMore], [[".c", "a", "b"], false]);
  const some = await files.list(path, 2);
  assert.deepEqual([some.names.length, some.hasMore], [2, true]);
  await assert.rejects(files.list(`${path}/a`, 3), /ENOTDIR|Not a directory/);
});
