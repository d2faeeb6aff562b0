/** A connection that is one too many: how it ends, and that nothing of it is left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedConnection } from "../../src/http1/refused_connection.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";

function world() {
  const clock = new ManualClock();
  const socket = new MemoryCallbackSocket();
  let gone = 0;
  const connection = new RefusedConnection(socket, clock, () => void gone++);
  socket.events = connection;
  return { clock, socket, connection, gone: () => gone };
}

test("A refused client is told so, and has a second to read it", () => {
  const { clock, socket } = world();
  assert.ok(socket.text.startsWith("HTTP/1.1 503 "));
  assert.equal(socket.ended, "end");
  clock.advance(999);
  assert.equal(socket.ended, "end");
  clock.advance(1);
  assert.equal(socket.ended, "destroy");
});

test("A refused client that leaves, however it does, leaves no timer and is told of once", () => {
  for (const how of ["closes", "is destroyed", "ends"] as const) {
    const { clock, connection, gone } = world();
    connection.received();
    if (how === "ends") connection.peerEnded();
    if (how === "is destroyed") connection.destroy();
    connection.closed();
    assert.deepEqual([clock.timerCount, gone()], [0, 1], how);
  }
});
