/** A socket behind a proxy, from its first byte to its end: who is told of what, and how often. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProxiedConnection } from "../../src/http1/proxied_socket.ts";
import type { AcceptedSocket, SocketEvents } from "../../src/runtime/callback_socket.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { fragmentations } from "../support/fragments.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";

const HEADER = "PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\n";
const TIMEOUT_MS = 5_000;

function world() {
  const clock = new ManualClock();
  const socket = new MemoryCallbackSocket("10.0.0.1", 99);
  const seen: string[] = [];
  let client: AcceptedSocket | undefined;
  let received = "";
  const events: SocketEvents = {
    received: (bytes) => {
      assert.ok(bytes.length > 0);
      received += fromLatin1(bytes);
    },
    drained: () => seen.push("drained"),
    peerEnded: () => seen.push("ended"),
    closed: (error) => seen.push(`closed ${error?.message}`),
  };
  const connection = new ProxiedConnection(socket, {
    clock,
    timeoutMs: TIMEOUT_MS,
    open: (opened) => {
      client = opened;
      seen.push(`open ${opened.host} ${opened.port}`);
      return events;
    },
    onRefused: (host, why) => seen.push(`refused ${host}: ${why}`),
    onGone: (gone) => {
      assert.equal(gone, connection);
      seen.push("gone");
    },
  });
  socket.events = connection;
  return { clock, socket, seen, connection, client: () => client!, received: () => received };
}

test("What follows the header is the client's, to the byte, however it is cut", () => {
  for (const behind of ["", "GET / HTTP/1.1\r\n"]) {
    for (const { how, pieces } of fragmentations(latin1(HEADER + behind))) {
      const { socket, seen, clock, received } = world();
      assert.equal(clock.timerCount, 1);
      for (const piece of pieces) if (piece.length > 0) socket.send(piece);
      assert.deepEqual(seen, ["open 198.51.100.7 4711", "gone"], how);
      assert.equal(received(), behind, how);
      assert.equal(clock.timerCount, 0, how);
    }
  }
});

test("A proxy that speaks for itself is the client, on its own socket", () => {
  const { socket, seen, client } = world();
  socket.send("PROXY UNKNOWN\r\n");
  assert.deepEqual(seen, ["open 10.0.0.1 99", "gone"]);
  assert.equal(client(), socket);
});

test("What is no header is cut at once, and nobody hears of what follows", () => {
  const { socket, seen, clock, connection } = world();
  socket.send("GET / HTTP/1.1\r\n");
  const refused = ["refused 10.0.0.1: What came is no PROXY header", "gone"];
  assert.deepEqual([seen, socket.ended, clock.timerCount], [refused, "reset", 0]);
  // Some of it may have been on its way already.
  connection.received(latin1(HEADER));
  connection.drained();
  connection.destroy();
  socket.close();
  clock.advance(2 * TIMEOUT_MS);
  assert.deepEqual([seen, socket.ended], [refused, "reset"]);
});

test("A header that does not come in time is refused then, and not before", () => {
  const { socket, seen, clock } = world();
  socket.send(HEADER.slice(0, -1));
  clock.advance(TIMEOUT_MS - 1);
  assert.deepEqual([seen, socket.ended], [[], "no"]);
  clock.advance(1);
  assert.deepEqual(seen, ["refused 10.0.0.1: It did not come in time", "gone"]);
  assert.equal(socket.ended, "reset");
});

test("One that ends, closes or is cut before there is a client goes once", () => {
  const ways: Readonly<Record<string, (one: ReturnType<typeof world>) => void>> = {
    ends: ({ socket }) => socket.events.peerEnded(),
    closes: ({ socket }) => socket.close(),
    "is cut": ({ connection }) => connection.destroy(),
  };
  for (const [way, go] of Object.entries(ways)) {
    const one = world();
    one.socket.send(HEADER.slice(0, 5));
    go(one);
    assert.deepEqual([one.seen, one.socket.ended], [["gone"], "destroy"], way);
    assert.equal(one.clock.timerCount, 0, way);
    one.connection.destroy();
    if (!one.socket.isClosed) one.socket.close();
    assert.deepEqual(one.seen, ["gone"], way);
  }
});

test("Once there is a client all of it is the client's, on the same socket under its address", () => {
  const { socket, seen, connection, client } = world();
  socket.send(HEADER);
  seen.length = 0;
  connection.destroy();
  assert.equal(socket.ended, "no", "that is for the client's connection to do");
  const opened = client();
  assert.equal(opened.write(latin1("a")), true);
  assert.equal(opened.writeLent(latin1("bc"), 1), true);
  assert.equal(opened.writeAhead(latin1("cd"), 1), true);
  assert.deepEqual([socket.text, socket.aheads], ["abc", 1]);
  socket.room = 0;
  assert.equal(opened.write(latin1("def")), false);
  assert.equal(opened.unsentLength, 3);
  assert.equal(opened.isBroken, false);
  socket.isBroken = true;
  assert.equal(opened.isBroken, true);
  opened.pause();
  assert.equal(socket.isPaused, true);
  opened.resume();
  assert.equal(socket.isPaused, false);
  connection.drained();
  connection.peerEnded();
  connection.closed(new Error("broke"));
  assert.deepEqual(seen, ["drained", "ended", "closed broke"]);
  for (
    const [end, ended] of [["end", "end"], ["destroy", "destroy"], ["reset", "reset"]] as const
  ) {
    const one = world();
    one.socket.send(HEADER);
    one.client()[end]();
    assert.equal(one.socket.ended, ended);
    const next: SocketEvents = { received() {}, drained() {}, peerEnded() {}, closed() {} };
    one.client().handOver(next);
    assert.equal(one.socket.events, next);
  }
});
