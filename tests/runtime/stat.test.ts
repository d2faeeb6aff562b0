/** What lies at a path, however it is asked. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { PATH_LENGTH_MAX, statBySystemCall } from "../../src/runtime/bun_stat.ts";
import { createNodeFiles } from "../../src/runtime/node_files.ts";
import { freshPath, onBun, turn } from "./support.ts";

const slow = createNodeFiles().stat;

const canBeFast = onBun && process.platform === "linux";

/** Asks until the slow way is not asked any more; it always is where there is no other. */
async function fastStat() {
  let asked = 0;
  const counted = (path: string) => {
    asked++;
    return slow(path);
  };
  const stat = canBeFast ? statBySystemCall(counted) : counted;
  const isFast = (): boolean => {
    const before = asked;
    stat("/");
    return asked === before;
  };
  while (canBeFast && !isFast()) await turn();
  return { stat, asked: () => asked };
}

test("The system call tells what node:fs tells, of files, directories, links and others", async () => {
  const { stat, asked } = await fastStat();
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
    assert.deepEqual(stat(path + name), slow(path + name), JSON.stringify(name));
  }
  assert.equal(stat(`${path}/link`)?.size, 5);
  assert.equal(stat("/dev/null")?.kind, "other");
  assert.equal(stat(""), undefined);
  if (canBeFast) assert.equal(asked(), before);
  server.close();
});

test("A path that is too long for the system call is left to node:fs", async () => {
  const { stat, asked } = await fastStat();
  const before = asked();
  const long = `/tmp${"/.".repeat(PATH_LENGTH_MAX)}`;
  assert.equal(stat(long), undefined);
  const within = `/tmp${"/.".repeat(PATH_LENGTH_MAX / 3)}`;
  assert.equal(stat(within)?.kind, "directory");
  assert.equal(asked(), before + 2);
});
