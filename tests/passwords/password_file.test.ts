/** A file of users: when it is looked at, what it admits, and what cannot be read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FileError } from "../../src/runtime/file_error.ts";
import type { FileInfo } from "../../src/runtime/file_info.ts";
import {
  admitsUser,
  loadPasswordFile,
  PasswordFile,
  readPasswordEntries,
} from "../../src/passwords/password_file.ts";
import type { PasswordHash } from "../../src/passwords/password_hash.ts";
import type { VerificationGate } from "../../src/passwords/verification_gate.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const INFO: FileInfo = {
  kind: "file",
  size: 1,
  modifiedMs: 0,
  changedMs: 0,
  inode: 1,
  device: 1,
};
/** Any hash that can be read; the gate of the tests asks its text alone. */
const HASH = "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";

/** A gate for which a password is the name of its user, and that counts what it is asked. */
function gate() {
  const asked: string[] = [];
  const check = (user: string, password: string, { text }: PasswordHash) => {
    asked.push(text);
    return Promise.resolve(password === user);
  };
  return { asked, gate: { check } as unknown as VerificationGate };
}

function world() {
  const said = { info: INFO as FileInfo | undefined, text: `anna:${HASH}`, error: false };
  const counts = { looks: 0, reads: 0 };
  const files = {
    stat: () => (counts.looks++, said.info),
    readText: (path: string) => {
      counts.reads++;
      return said.error
        ? Promise.reject(new FileError("read", path, "EIO"))
        : Promise.resolve(said.text);
    },
  };
  const clock = new ManualClock();
  const file = new PasswordFile("/users", files, clock);
  const admits = (user: string) => file.admits(user, user, gate().gate);
  return { said, counts, files, clock, admits };
}

test("A file that was changed less than two seconds ago is read at each look until it was not", async () => {
  for (const [ageMs, reads] of [[2_000, 1], [1_999, 2], [0, 3]] as const) {
    const { said, counts, clock, admits } = world();
    said.info = { ...INFO, changedMs: clock.wallMs() - ageMs };
    for (let look = 0; look < 4; look++) {
      await admits("anna");
      clock.advance(1_000);
    }
    assert.equal(counts.reads, reads, `changed ${ageMs} ms ago`);
  }
});

test("A read that fails late takes nothing away from the one that came after it", async () => {
  const { said, counts, files, clock } = world();
  const late = Promise.withResolvers<string>();
  const readText = files.readText.bind(files);
  files.readText = (path) => {
    const read = readText(path);
    return counts.reads === 1 ? late.promise : read;
  };
  const file = new PasswordFile("/users", files, clock);
  const admits = (user: string) => file.admits(user, user, gate().gate);
  const first = admits("anna");
  clock.advance(1_000);
  said.info = { ...INFO, size: 2 };
  assert.equal(await admits("anna"), true);
  late.reject(new FileError("read", "/users", "EIO"));
  await assert.rejects(first, FileError);
  assert.equal(await admits("anna"), true);
  assert.equal(counts.reads, 2, "what was read stays");
});

test("A file of users is looked at once a second, and read again once it has changed", async () => {
  const { said, counts, clock, admits } = world();
  assert.equal(await admits("anna"), true);
  assert.equal(await admits("otto"), false);
  assert.deepEqual(counts, { looks: 2, reads: 1 });
  said.text = `otto:${HASH}`;
  said.info = { ...INFO, size: 2 };
  clock.advance(999);
  assert.equal(await admits("anna"), true);
  assert.equal(counts.looks, 2);
  clock.advance(1);
  assert.deepEqual([await admits("anna"), await admits("otto")], [false, true]);
  assert.equal(counts.reads, 2);
  clock.advance(1000);
  assert.equal(await admits("otto"), true);
  assert.equal(counts.reads, 2, "nothing has changed");
});

test("Any change of what a file of users is has it read again", async () => {
  for (const change of [{ size: 2 }, { changedMs: 2 }, { inode: 2 }, { device: 2 }]) {
    const { said, counts, clock, admits } = world();
    await admits("anna");
    clock.advance(1000);
    await admits("anna");
    assert.equal(counts.reads, 1);
    said.info = { ...INFO, ...change };
    clock.advance(1000);
    await admits("anna");
    assert.equal(counts.reads, 2, JSON.stringify(change));
  }
});

test("A file of users that cannot be read lets nobody in, and is read anew by the next one", async () => {
  const { said, counts, admits } = world();
  said.error = true;
  await assert.rejects(admits("anna"), FileError);
  said.error = false;
  assert.equal(await admits("anna"), true);
  assert.equal(counts.reads, 2);
});

test("A file of users that is gone is read at each look, whatever it was before", async () => {
  const { said, counts, clock, admits } = world();
  await admits("anna");
  said.info = undefined;
  said.text = "";
  clock.advance(1000);
  assert.equal(await admits("anna"), false);
  clock.advance(1000);
  await admits("anna");
  assert.equal(counts.reads, 3);
});

test("A file of users has four mebibytes at most", async () => {
  const size = 4 * 1024 * 1024;
  const files = (info: FileInfo | undefined) => ({
    stat: () => info,
    readText: () => Promise.resolve(`anna:${HASH}`),
  });
  for (const info of [{ ...INFO, size }, undefined]) {
    assert.equal((await loadPasswordFile(files(info), "/users")).hashes.size, 1);
  }
  await assert.rejects(
    loadPasswordFile(files({ ...INFO, size: size + 1 }), "/users"),
    /it has 4194305 bytes of 4194304 at most/,
  );
});

test("For a name that is not there another hash is asked, which admits nobody", async () => {
  const { hashes } = readPasswordEntries(`anna:${HASH}`);
  const { asked, gate: one } = gate();
  assert.equal(await admitsUser(hashes, "anna", "anna", one), true);
  assert.equal(await admitsUser(hashes, "anna", "otto", one), false);
  assert.equal(await admitsUser(hashes, "otto", "otto", one), false);
  assert.equal(asked.length, 3);
  assert.equal(await admitsUser(new Map(), "otto", "otto", one), false);
  assert.equal(asked.length, 3);
});

test("A line of a faulty hash takes its name, and of two good ones the first counts", () => {
  const other = HASH.replace("abcdefgh", "another");
  const entries = (...lines: readonly string[]) => {
    const { hashes, errors } = readPasswordEntries(lines.join("\n"));
    return [[...hashes].map(([name, { text }]) => `${name}:${text}`), errors.length];
  };
  assert.deepEqual(entries(`a:${HASH}`, `a:${other}`), [[`a:${HASH}`], 0]);
  assert.deepEqual(entries("a:x", `a:${other}`), [[], 1]);
  assert.deepEqual(entries(`a:${HASH}`, "a:x"), [[`a:${HASH}`], 1]);
  assert.deepEqual(entries(" ", "#a:x", `a:${HASH}\r`, "a", ":"), [[`a:${HASH}`], 2]);
});
