/** Files that are written below a directory and found only once they are whole. */
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { currentRuntime } from "../../src/runtime/current.ts";
import { copyNameOf } from "../../src/runtime/file_copy.ts";
import { HeldFiles } from "../support/descriptors.ts";
import { temporaryDirectory } from "../support/places.ts";

const { files } = currentRuntime();
const MODE = 0o640;
const bytes = (text: string) => new TextEncoder().encode(text);

test("A copy has its name once it is whole, its mode, and directories on the way", async () => {
  const directory = temporaryDirectory();
  const held = new HeldFiles();
  const copy = files.createCopy(directory, ["a", "b c", "d.txt"], MODE);
  await copy.append([bytes("one "), bytes("two ")]);
  await copy.append([bytes("three")]);
  const path = join(directory, "a/b c/d.txt");
  assert.equal(existsSync(path), false);
  await copy.commit();
  assert.equal(readFileSync(path, "utf8"), "one two three");
  assert.equal(statSync(path).mode & 0o777, MODE);
  assert.equal(statSync(join(directory, "a")).mode & 0o707, 0o700);
  assert.deepEqual(readdirSync(join(directory, "a/b c")), ["d.txt"]);
  await copy.commit();
  copy.discard();
  assert.ok(existsSync(path));
  await held.untilClosed();
});

test("A copy replaces a file at once, and one that is discarded leaves nothing", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "f.txt"), "old");
  const held = new HeldFiles();
  const dropped = files.createCopy(directory, ["f.txt"], MODE);
  await dropped.append([bytes("half")]);
  dropped.discard();
  dropped.discard();
  await dropped.commit();
  assert.deepEqual(readdirSync(directory), ["f.txt"]);
  assert.equal(readFileSync(join(directory, "f.txt"), "utf8"), "old");
  const copy = files.createCopy(directory, ["f.txt"], MODE);
  await copy.append([bytes("new")]);
  assert.equal(readFileSync(join(directory, "f.txt"), "utf8"), "old");
  await copy.commit();
  assert.equal(readFileSync(join(directory, "f.txt"), "utf8"), "new");
  await held.untilClosed();
});

test("No symlink on the way to a copy is followed, and one at its name is replaced", async () => {
  const directory = temporaryDirectory();
  const elsewhere = temporaryDirectory();
  const held = new HeldFiles();
  symlinkSync(elsewhere, join(directory, "out"));
  mkdirSync(join(directory, "deep"));
  symlinkSync(elsewhere, join(directory, "deep/out"));
  writeFileSync(join(directory, "file"), "");
  for (const name of [["out", "x"], ["deep", "out", "x"], ["out", "new", "x"], ["file", "x"]]) {
    assert.throws(() => files.createCopy(directory, name, MODE), /^FileError: Cannot write/);
  }
  writeFileSync(join(elsewhere, "secret"), "secret");
  symlinkSync(join(elsewhere, "secret"), join(directory, "name"));
  const copy = files.createCopy(directory, ["name"], MODE);
  await copy.append([bytes("mine")]);
  await copy.commit();
  assert.equal(readFileSync(join(elsewhere, "secret"), "utf8"), "secret");
  assert.ok(lstatSync(join(directory, "name")).isFile());
  assert.deepEqual(readdirSync(elsewhere), ["secret"]);
  await held.untilClosed();
});

test("The directory itself may be a symlink, as a deployment has it", async () => {
  const directory = temporaryDirectory();
  const place = join(temporaryDirectory(), "current");
  symlinkSync(directory, place);
  const copy = files.createCopy(place, ["a.txt"], MODE);
  await copy.commit();
  assert.deepEqual(readdirSync(directory), ["a.txt"]);
});

test("A directory that is exchanged meanwhile leads a copy nowhere else", {
  skip: process.platform !== "linux",
}, async () => {
  const directory = temporaryDirectory();
  const elsewhere = temporaryDirectory();
  const copy = files.createCopy(directory, ["sub", "x.txt"], MODE);
  await copy.append([bytes("mine")]);
  renameSync(join(directory, "sub"), join(directory, "moved"));
  symlinkSync(elsewhere, join(directory, "sub"));
  await copy.commit();
  assert.deepEqual(readdirSync(elsewhere), []);
  assert.deepEqual(readdirSync(join(directory, "moved")), ["x.txt"]);
});

test("A copy whose name is a directory fails and leaves nothing", async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "name"));
  const held = new HeldFiles();
  const copy = files.createCopy(directory, ["name"], MODE);
  await assert.rejects(copy.commit());
  assert.deepEqual(readdirSync(directory), ["name"]);
  const other = files.createCopy(directory, ["gone", "x"], MODE);
  rmSync(join(directory, "gone"), { recursive: true });
  await assert.rejects(other.commit());
  await held.untilClosed();
});

test("What a copy may be called has no hidden, empty or odd name in it", () => {
  const good: Readonly<Record<string, readonly string[]>> = {
    "/a": ["a"],
    "/a/b.c": ["a", "b.c"],
    "/ü/x y": ["ü", "x y"],
    "/a..b": ["a..b"],
  };
  for (const [path, name] of Object.entries(good)) assert.deepEqual(copyNameOf(path), name);
  const long = "ü".repeat(130);
  for (const path of ["/", "/a/", "//a", "/.env", "/a/.b/c", "/..", "/a/../b", "/.", "/a\\b"]) {
    assert.equal(copyNameOf(path), undefined, path);
  }
  for (const path of ["/a\0", "/a\n", "/C:", `/${long}`, "/\x7f"]) {
    assert.equal(copyNameOf(path), undefined, path);
  }
});
