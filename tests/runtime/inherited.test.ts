/**
 * What stands for an inherited listening socket and is none. Real inherited ones are in
 * `tests/fronts/inherited_socket.test.ts`: they take a program that leaves them behind.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { ListenError } from "../../src/runtime/network.ts";
import { runtime } from "./support.ts";

async function failsWith(descriptor: number, message: string): Promise<void> {
  const listening = runtime.listenInherited(descriptor, () => {});
  await assert.rejects(listening, (error: unknown) => {
    assert.ok(error instanceof ListenError, String(error));
    assert.equal(error.message, `Cannot listen on fd:${descriptor}: ${message}`);
    return true;
  });
}

test("A descriptor that is not open is no listener", async () => {
  await failsWith(65_000, "there is no such descriptor");
});

test("A file is no listener, and stays open", async () => {
  const descriptor = openSync("/dev/null", "r");
  await failsWith(descriptor, "it is not a socket");
  closeSync(descriptor);
});
