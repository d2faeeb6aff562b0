/** What lies at a path and what is opened there, however it is asked. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileSystemCalls, PATH_LENGTH_MAX } from "../../src/runtime/bun_file_calls.ts";
import { createNodeFiles } from "../../src/runtime/node_files.ts";
import { freshPath, onBun } from "./support.ts";
import { until } from "../support/idle.ts";

const slow = createNodeFiles();

const canBeFast = onBun && process.platform === "linux";

/** Asks until the slow way is not asked any more; it always is where there is no other. */
async function fastCalls() {
  let asked = 0;
  const counted = <Result>(ask: (path: string) => Result) => (path: string): Result => {
    asked++;
    return ask(path);
  };
  const slowly = { stat: counted(slow.stat), openNow: counted(slow.openNow) };
  const { stat, openNow } = canBeFast ? fileSystemCalls(slowly) : slowly;
  const isFast = (): boolean => {
    const before = asked;
    stat("/");
    return asked === before;
  };
  await until(() => !canBeFast || isFast(), "the fast way");
  return { stat, openNow, asked: () => asked };
}

test("The system call tells what node:fs tells, of files, directories, links and others", async () => {
  const { stat, asked } = await fastCalls();
  const path = freshPath();
  mkdirSync(`${path}/Öffentlich`, { recursive: true });
  writeFileSync(`${path}/file`, "12345");
  writeFileSync(`${path}/Öffentlich/日本.txt`, "");
  utimesSync(`${path}/file`, 1_000_000, 1_234_567.875);
  chmodSync(`${path}/file`, 0o4751);
  utimesSync(`${path}/Öffentlich/日本.txt`, 5, -86_400);
  symlinkSync("file", `${path}/link`);
  symlinkSync("nowhere", `${path}/dangling`);
  const server = createServer().listen(`${path}/socket`);
  await new Promise((resolve) => server.once("listening", resolve));
  const before = asked();
  const names = ["", "/", "/file", "/file/", "/Öffentlich", "/Öffentlich/日本.txt", "/link"];
  names.push("/dangling", "/socket", "/missing", "/file/below", "/a\0b", "\0", "/\ud800");
  for (const name of names) {
    assert.deepEqual(stat(path + name), slow.stat(path + name), JSON.stringify(name));
  }
  assert.equal(stat(`${path}/link`)?.size, 5);
  assert.equal(stat("/dev/null")?.kind, "other");
  assert.equal(stat(""), undefined);
  if (canBeFast) assert.equal(asked(), before);
  server.close();
});

test("A path that is too long for the system call is left to node:fs", async () => {
  const { stat, asked } = await fastCalls();
  const before = asked();
  const long = `/tmp${"/.".repeat(PATH_LENGTH_MAX)}`;
  assert.equal(stat(long), undefined);
  const within = `/tmp${"/.".repeat(PATH_LENGTH_MAX / 3)}`;
  assert.equal(stat(within)?.kind, "directory");
  assert.equal(asked(), before + 2);
});

test("What a system call opens is what node:fs opens, says so, and lies where the path says", async () => {
  const { openNow, asked } = await fastCalls();
  const path = freshPath();
  mkdirSync(`${path}/directory`, { recursive: true });
  writeFileSync(`${path}/file`, "12345");
  writeFileSync(`${path}/directory/日本.txt`, "x");
  symlinkSync("file", `${path}/link`);
  symlinkSync("directory", `${path}/way`);
  const before = asked();
  for (const name of ["/file", "/directory/日本.txt"]) {
    const fast = openNow(path + name)!;
    const other = slow.openNow(path + name)!;
    assert.deepEqual([fast.info, fast.path], [other.info, path + name], name);
    const bytes = new Uint8Array(8);
    assert.equal(fast.read(bytes, 0), other.read(new Uint8Array(8), 0));
    fast.close();
    other.close();
  }
  for (const name of ["", "/directory", "/missing", "/file/below", "/a\0b"]) {
    assert.equal(openNow(path + name), undefined, name);
  }
  if (canBeFast) assert.equal(asked(), before);
  assert.equal(openNow(`${path}/link`), undefined);
  const through = openNow(`${path}/way/日本.txt`)!;
  assert.equal(through.path, `${path}/directory/日本.txt`, "a symlink on the way is told");
  through.close();
  if (canBeFast) assert.equal(asked(), before + 2);
});

test("What a system call reads is there after the garbage was collected", async () => {
  const { stat, openNow, asked } = await fastCalls();
  const path = freshPath();
  writeFileSync(path, "12345");
  const before = asked();
  for (let round = 0; round < 20; round++) {
    if (canBeFast) Bun.gc(true);
    const others = Array.from({ length: 2_000 }, () => new Uint8Array(24).fill(255));
    const file = openNow(path)!;
    assert.deepEqual([file.path, file.info.size, stat(path)?.size], [path, 5, 5]);
    file.close();
    assert.equal(others.length, 2_000);
  }
  if (canBeFast) assert.equal(asked(), before);
});
