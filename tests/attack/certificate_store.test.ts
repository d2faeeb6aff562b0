/**
 * Who else has an account on the machine tries to get at keys, or to make us keep his: by the
 * directory's owner and mode, by symlinks, by names that lead out of it.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { CertificateStore } from "../../src/certificates/store.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { PRIVATE_FILE_LENGTH_MAX } from "../../src/runtime/private_directory.ts";
import { freshPath } from "../runtime/support.ts";

const runtime = currentRuntime();
const open = (path: string) => CertificateStore.open(path, runtime);
const isRoot = process.getuid?.() === 0;
/** Debian's "nobody", or whoever has this number. */
const ANOTHER = 65_534;

for (const mode of [0o720, 0o702, 0o777, 0o1777]) {
  test(`A store of mode ${mode.toString(8)} is refused`, () => {
    const path = freshPath();
    mkdirSync(path);
    chmodSync(path, mode);
    assert.throws(() => open(path), /Cannot trust ".*": other users may change it/);
  });

  test(`A store below a directory of mode ${mode.toString(8)} is refused unless it is sticky`, () => {
    const path = freshPath();
    mkdirSync(`${path}/store`, { recursive: true });
    chmodSync(path, mode);
    if (mode === 0o1777) open(`${path}/store`);
    else assert.throws(() => open(`${path}/store`), /other users may change it/);
  });
}

test("A store of another user, or below a directory of his, is refused", { skip: !isRoot }, () => {
  const path = freshPath();
  mkdirSync(`${path}/store`, { recursive: true });
  chownSync(`${path}/store`, ANOTHER - 1, ANOTHER);
  assert.throws(() => open(`${path}/store`), /belongs to another user/);
  chownSync(`${path}/store`, 0, 0);
  chownSync(path, ANOTHER - 1, ANOTHER);
  assert.throws(() => open(`${path}/store`), /belongs to another user/);
});

test("A symlink to a directory that others may change is no way around", () => {
  const path = freshPath();
  mkdirSync(path);
  chmodSync(path, 0o777);
  symlinkSync(path, `${path}-link`);
  assert.throws(() => open(`${path}-link`), /other users may change it/);
});

test("Nothing in the store is read or written through a symlink", async () => {
  const path = freshPath();
  const store = open(path);
  await store.write("accounts", "real", "ours");
  const outside = `${path}-outside`;
  writeFileSync(outside, "theirs");
  symlinkSync(outside, `${path}/accounts/link`);
  assert.throws(() => store.read("accounts", "link"), /it is a symlink/);
  assert.equal(store.create("accounts", "link", "ours"), false);
  await store.write("accounts", "link", "ours");
  assert.equal(readFileSync(outside, "utf8"), "theirs", "the symlink was replaced, not followed");
  mkdirSync(`${outside}-directory`);
  symlinkSync(`${outside}-directory`, `${path}/certificates`);
  assert.throws(() => store.read("certificates", "a"), /it is no directory/);
  await assert.rejects(store.write("certificates", "a", "key"), /it is no directory/);
  assert.equal(existsSync(`${outside}-directory/a`), false);
});

test("Neither a FIFO nor a file that never ends keeps a reader", async () => {
  const path = freshPath();
  const store = open(path);
  await store.write("accounts", "large", "x");
  truncateSync(`${path}/accounts/large`, PRIVATE_FILE_LENGTH_MAX + 1);
  assert.throws(() => store.read("accounts", "large"), /it is too large/);
  execFileSync("mkfifo", [`${path}/accounts/fifo`]);
  assert.throws(() => store.read("accounts", "fifo"), /it is no file/);
});

test("A file or directory that others may read is closed to them, one they may change refused", async () => {
  const path = freshPath();
  const store = open(path);
  await store.write("accounts", "key", "text");
  chmodSync(`${path}/accounts`, 0o755);
  chmodSync(`${path}/accounts/key`, 0o644);
  assert.equal(store.read("accounts", "key"), "text");
  assert.equal(statSync(`${path}/accounts`).mode & 0o777, 0o700);
  assert.equal(statSync(`${path}/accounts/key`).mode & 0o777, 0o600);
  chmodSync(`${path}/accounts/key`, 0o666);
  assert.throws(() => store.read("accounts", "key"), /other users may change it/);
  chmodSync(`${path}/accounts`, 0o777);
  assert.throws(() => store.read("accounts", "other"), /other users may change it/);
});

test("No name leads out of the store", async () => {
  const path = freshPath();
  const store = open(path);
  const names = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/etc/passwd",
    "a\0",
    "-a",
    ".hidden",
    "a\nb",
    "a b",
  ];
  for (const name of [...names, "x".repeat(201), "..\\x", "é"]) {
    const shown = JSON.stringify(name);
    assert.throws(() => store.read("accounts", name), /Cannot keep a file/, shown);
    assert.throws(() => store.create("accounts", name, ""), /Cannot keep a file/, shown);
    assert.throws(() => store.remove("accounts", name), /Cannot keep a file/, shown);
    await assert.rejects(store.write("accounts", name, ""), /Cannot keep a file/, shown);
    await assert.rejects(store.lock(name), /Cannot keep a file/, shown);
  }
});

test("A place that cannot be a directory is told with its path", () => {
  const path = freshPath();
  writeFileSync(path, "");
  assert.throws(() => open(path), /Cannot .* ".*": it is no directory/);
  assert.throws(() => open(`${path}/store`), /Cannot open ".*\/store": a part of the path/);
});

test("What root writes for the user it will become is that user's", { skip: !isRoot }, async () => {
  const path = freshPath();
  const store = CertificateStore.open(path, runtime, { user: ANOTHER, group: ANOTHER });
  await store.write("accounts", "key", "text");
  store.create("accounts", "other", "text");
  for (const name of ["", "/accounts", "/accounts/key", "/accounts/other"]) {
    assert.equal(statSync(path + name).uid, ANOTHER, name);
  }
  assert.equal(store.read("accounts", "key"), "text");
});
