/**
 * A file of users that changes under a running server, in each way that a file can: what stands there
 * now counts, a second later at most, and where nobody can read it no password is good.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PasswordHash } from "../../src/passwords/password_hash.ts";
import { LOOKED_AT_MS, PasswordFile } from "../../src/passwords/password_file.ts";
import {
  TooManyChecksError,
  VerificationGate,
  WAITING_MAX,
} from "../../src/passwords/verification_gate.ts";
import { FileError } from "../../src/runtime/file_error.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";

const PATH = "/etc/users";

/** As `openssl passwd -apr1` makes them. */
const RIGHT = "$apr1$abcdefgh$tPMe7lknrFZeX55XJF00t0";
const OTHER = "$apr1$abcdefgh$Z2c9NiKlv6d.KgXK4n2DD/";

const CHANGES: Readonly<Record<string, (runtime: MemoryRuntime) => void>> = {
  "is removed"({ files }) {
    files.remove(PATH);
  },
  "has another password"({ files, clock }) {
    files.write(PATH, `alice:${OTHER}\n`, clock.wallMs() + 1);
  },
  // Within a tick of the file system's clock, and no longer than it was.
  "has had another password at the same moment"({ files, clock }) {
    files.write(PATH, `alice:${OTHER}\n`, clock.wallMs());
  },
  "has another user"({ files }) {
    files.write(PATH, `bob:${RIGHT}\n`);
  },
  "is empty"({ files }) {
    files.write(PATH, "");
  },
};

for (const [change, apply] of Object.entries(CHANGES)) {
  test(`A file of users that ${change} lets nobody in who was in it before`, async () => {
    const runtime = new MemoryRuntime();
    const { files, clock } = runtime;
    const text = `alice:${RIGHT}\n`;
    files.write(PATH, text, clock.wallMs());
    const gate = new VerificationGate(clock);
    const file = new PasswordFile(PATH, files, clock);
    const admits = () =>
      file.admits("alice", "right", gate).catch((error) => {
        assert.ok(error instanceof FileError, String(error));
        return false;
      });
    assert.equal(await admits(), true);
    apply(runtime);
    clock.advance(LOOKED_AT_MS);
    assert.equal(await admits(), false);
    // It is asked again, and by now it is what it was.
    files.write(PATH, text);
    clock.advance(LOOKED_AT_MS);
    assert.equal(await admits(), true);
  });
}

test("Checks that fail take nobody's place, however many there were", async () => {
  const { clock } = new MemoryRuntime();
  const gate = new VerificationGate(clock);
  const broken: PasswordHash = {
    text: "broken",
    matches: () => Promise.reject(new Error("The hash cannot be computed")),
  };
  const good: PasswordHash = {
    text: "good",
    matches: (password) => Promise.resolve(password === "right"),
  };
  for (let count = 0; count <= WAITING_MAX; count++) {
    await assert.rejects(gate.check("alice", "right", broken), (error) => {
      assert.ok(!(error instanceof TooManyChecksError), `after ${count}`);
      return true;
    });
  }
  assert.equal(await gate.check("alice", "right", good), true);
});
