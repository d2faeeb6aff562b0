import { test } from "node:test";
import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { fileRangeStream } from "../../src/runtime/node_file_stream.ts";
import { bodyOf, freshPath, patternBytes, rawHttp, readAll, runtime, serve } from "./support.ts";

const { files } = runtime;

test("stat tells files, folders and others apart, with size and time", () => {
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

test("A loop of links is nothing", () => {
  const path = freshPath();
  symlinkSync(path, `${path}-other`);
  symlinkSync(`${path}-other`, path);
  assert.equal(files.stat(path), undefined);
  assert.equal(files.realPath(path), undefined);
});

test("realPath resolves links and dots", () => {
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
    const body = await files.body(path, start ?? 0, end ?? 0);
    const bytes = new Uint8Array(await new Response(body).arrayBuffer());
    assert.deepEqual(bytes, content.subarray(start, end));
    const stream = await fileRangeStream(path, start ?? 0, end ?? 0);
    assert.deepEqual(await readAll(stream), content.subarray(start, end));
  });
}

test("A file's body goes out over HTTP", async () => {
  const path = freshPath();
  writeFileSync(path, "x".repeat(1000) + "range" + "x".repeat(1000));
  const server = await serve(async () => new Response(await files.body(path, 1000, 1005)));
  const answer = await rawHttp(
    server.address,
    "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
  );
  assert.match(bodyOf(answer), /^(range|5\r\nrange\r\n0\r\n\r\n)$/);
  await server.stop();
});

test("A stream of a file that was cut meanwhile errors", async () => {
  const path = freshPath();
  writeFileSync(path, new Uint8Array(200_000));
  const stream = await fileRangeStream(path, 0, 200_000);
  truncateSync(path, 100_000);
  await assert.rejects(readAll(stream), /it was cut meanwhile/);
});

test("A stream of a file closes it when its reader leaves", async () => {
  const path = freshPath();
  writeFileSync(path, new Uint8Array(200_000));
  const open = () => readdirSync("/dev/fd").length;
  const stream = await fileRangeStream(path, 0, 200_000);
  const before = open();
  const reader = stream.getReader();
  void reader.read();
  await reader.cancel();
  for (let turns = 0; open() >= before && turns < 1000; turns++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.equal(open(), before - 1);
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
  const names = () => readdirSync(tmpdir()).filter((name) => name.startsWith("afcgi-"));
  const before = names().filter((name) => !name.startsWith("afcgi-runtime-"));
  const file = await files.temporary();
  await file.append([new Uint8Array([1])]);
  const after = names().filter((name) => !name.startsWith("afcgi-runtime-"));
  assert.deepEqual(after, before);
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

test("A log file in a folder that does not exist is an error", async () => {
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
  const stream = await files.stream(path, [
    { start: 8, end: 10 },
    bytes,
    { start: 3, end: 3 },
    { start: 0, end: 2 },
  ]);
  renameSync(path, `${path}.old`);
  writeFileSync(path, "abcdefghij");
  assert.equal(new TextDecoder().decode(await readAll(stream)), "89--01");
});

test("A file that cannot be opened is an error of its stream", async () => {
  await assert.rejects(files.stream(freshPath(), [{ start: 0, end: 1 }]), /ENOENT/);
});

test("readNow reads a file's beginning, and nothing where there is none", () => {
  const path = freshPath();
  writeFileSync(path, "0123456789");
  const read = (length: number) => new TextDecoder().decode(files.readNow(path, length));
  assert.equal(read(4), "0123");
  assert.equal(read(20), "0123456789");
  assert.equal(files.readNow(`${path}.none`, 4), undefined);
  assert.equal(files.readNow("/", 4), undefined);
});

test("list names what is in a folder, up to a limit", async () => {
  const path = freshPath();
  mkdirSync(`${path}/b/inner`, { recursive: true });
  for (const name of ["a", ".c"]) writeFileSync(`${path}/${name}`, "");
  const all = await files.list(path, 3);
  assert.deepEqual([[...all.names].sort(), all.hasMore], [[".c", "a", "b"], false]);
  const some = await files.list(path, 2);
  assert.deepEqual([some.names.length, some.hasMore], [2, true]);
  await assert.rejects(files.list(`${path}/a`, 3), /ENOTDIR|Not a directory/);
});
