/**
 * A server that is destroyed leaves nothing behind at once, whatever its clients were at: no socket that
 * is open, no timer, no memory, and nobody counts as connected.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Handler } from "../support/http1_world.ts";
import { GET, settle, whole, type WorldOptions } from "../support/http1_world.ts";
import { http2World } from "../support/http2_world.ts";
import { PREFACE } from "../../src/http2/constants.ts";
import { fromLatin1 } from "../../src/protocol/byte_buffer.ts";
import { StreamResponse } from "../../src/runtime/http_response.ts";
import type { MemoryCallbackSocket } from "../support/memory_callback_socket.ts";
import { inWorld } from "../support/world_test.ts";

interface Situation {
  readonly handler?: Handler;
  readonly options?: WorldOptions;
  readonly protocol?: string;
  readonly begin?: (socket: MemoryCallbackSocket) => unknown;
}

const waits: Handler = (request) =>
  new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(whole("late"))));

const POST = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";

const long: Handler = () => whole("x".repeat(100_000));

/** As the source's own client would begin. */
const GREETING = `${fromLatin1(PREFACE)}\0\0\0\x04\0\0\0\0\0`;

const SITUATIONS: Readonly<Record<string, Situation>> = {
  "is silent": {},
  "has sent half a header section": { begin: (socket) => socket.send("GET / HT") },
  "waits for its response": { handler: waits, begin: (socket) => socket.send(GET) },
  "has sent half a body": { handler: waits, begin: (socket) => socket.send(`${POST}body`) },
  "has more requests waiting": {
    handler: waits,
    begin: (socket) => socket.send(GET + GET + GET),
  },
  "reads nothing of its response": {
    handler: long,
    begin(socket) {
      socket.room = 100;
      socket.send(GET);
    },
  },
  "has a stream on its way": {
    handler: () => new StreamResponse(200, [], new ReadableStream({ pull() {} }), {}),
    begin: (socket) => socket.send(GET),
  },
  "was told that nothing more comes": {
    begin: (socket) => socket.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
  },
  "is one too many": { options: { admission: { admit: () => false, leave() {} } } },
  "has a proxy that says nothing": {
    options: { proxyProtocol: { isTrusted: () => true, onRefused() {} } },
  },
  "has half a preface of HTTP/2": {
    protocol: "h2",
    begin: (socket) => socket.send(GREETING.slice(0, 10)),
  },
  "is silent over HTTP/2": { protocol: "h2", begin: (socket) => socket.send(GREETING) },
};

for (const [what, situation] of Object.entries(SITUATIONS)) {
  for (const isStopped of [false, true]) {
    const how = isStopped ? "stopped and then destroyed" : "destroyed";
    test(
      `A server that is ${how} leaves nothing of a client that ${what}`,
      inWorld(async () => {
        const { handler = () => whole("x"), options, protocol, begin } = situation;
        const isTls = protocol !== undefined;
        const tls = { identify: () => undefined, onHandshakeFailed() {} };
        const world = await http2World(handler, {
          ...options,
          ...(isTls && { tls: tls as unknown as NonNullable<WorldOptions["tls"]> }),
        });
        const socket = isTls ? world.openSilent(protocol).socket : world.openSilent().socket;
        begin?.(socket);
        await settle();
        assert.ok(world.clock.timerCount > 0, "it is looked after");
        if (isStopped) void world.server.stop(1_000);
        await settle();
        world.server.destroy();
        await settle();
        assert.match(socket.ended, /^(?:destroy|reset)$/);
        assert.deepEqual(
          { timers: world.clock.timerCount, memory: world.memory.used },
          { timers: 0, memory: 0 },
        );
        assert.equal(world.isListening(), false);
      }),
    );
  }
}
