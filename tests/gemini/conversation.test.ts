/** Waits of a conversation, on a clock that the test moves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation, type HeldCount, STALLED_MS } from "../../src/gemini/conversation.ts";
import { GEMINI_LIMIT_DEFAULTS as LIMITS } from "../../src/gemini/options.ts";
import { ManualClock, memoryPair } from "../support/memory/memory.ts";
import type { TlsConnection } from "../../src/runtime/tls.ts";
import { untilIdle } from "../support/idle.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** A conversation and the client's end of it. */
function begin(capacity?: number, memory?: HeldCount) {
  const [client, server] = memoryPair(capacity === undefined ? {} : { capacity });
  const clock = new ManualClock();
  const connection: TlsConnection = Object.assign(server, {
    peer: { host: "127.0.0.1", port: 1 },
    serverName: "a",
    version: "TLSv1.3",
    cipher: "none",
    certificate: undefined,
    intermediates: [],
  });
  const conversation = new Conversation(connection, clock, LIMITS, memory);
  return { client, server, clock, conversation };
}

test("A request line that does not come in time ends the conversation", async () => {
  const { client, server, clock, conversation } = begin();
  await client.writable.getWriter().write(bytesOf("gemini://a/"));
  const line = conversation.readLine();
  await untilIdle();
  clock.advance(LIMITS.requestTimeoutMs - 1);
  await untilIdle();
  assert.ok(!server.destroyed);
  clock.advance(1);
  assert.equal(await line, "timeout");
  assert.ok(server.destroyed);
  assert.equal(clock.timerCount, 0);
});

test("A client that leaves before its line is no timeout", async () => {
  const { client, server, clock, conversation } = begin();
  await client.writable.getWriter().close();
  assert.equal(await conversation.readLine(), "left");
  assert.ok(server.destroyed, "nobody is left to read");
  assert.equal(clock.timerCount, 0);
});

test("A client that does not read its response is cut", async () => {
  const { server, clock, conversation } = begin(16);
  const header = { code: 20, meta: "text/plain" };
  const delivered = conversation.reply({ header, body: new Uint8Array(100) });
  await untilIdle();
  clock.advance(LIMITS.sendTimeoutMs);
  assert.equal((await delivered).failure, "send_timeout");
  assert.ok(server.destroyed);
});

test("A client that does not close after its response is cut, and has all of it", async () => {
  const { client, server, clock, conversation } = begin();
  const header = { code: 20, meta: "text/plain" };
  const delivered = conversation.reply({ header, body: bytesOf("body") });
  await untilIdle();
  assert.ok(!server.destroyed);
  clock.advance(LIMITS.closeTimeoutMs);
  assert.deepEqual(await delivered, { bytes: 19, failure: undefined });
  assert.ok(server.destroyed);
  assert.equal(clock.timerCount, 0);
  assert.equal(await new Response(client.readable).text(), "20 text/plain\r\nbody");
});

test("A body that errors is cut, one whose client leaves is cancelled", async () => {
  const header = { code: 20, meta: "text/plain" };
  const broken = begin();
  const failing = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("lost")),
  });
  const first = await broken.conversation.reply({ header, body: failing });
  assert.equal(first.failure, "broken");
  assert.ok(broken.server.destroyed);

  const left = begin();
  const cancelled = Promise.withResolvers<void>();
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(10)),
    cancel: () => cancelled.resolve(),
  });
  const delivered = left.conversation.reply({ header, body: endless });
  left.client.break();
  assert.equal((await delivered).failure, "client_gone");
  await cancelled.promise;
});

test("What waits for a slow client counts as memory, and where that is full it has less time", async () => {
  const memory = { isFull: false, held: 0, count: (more: number) => void (memory.held += more) };
  const { server, clock, conversation } = begin(16, memory);
  const header = { code: 20, meta: "text/plain" };
  const delivered = conversation.reply({ header, body: new Uint8Array(1_000) });
  await untilIdle();
  assert.ok(memory.held >= 1_000, `${memory.held}`);
  clock.advance(STALLED_MS);
  await untilIdle();
  assert.ok(!server.destroyed, "there is room for slow clients");
  memory.isFull = true;
  clock.advance(STALLED_MS);
  assert.equal((await delivered).failure, "send_timeout");
  assert.ok(server.destroyed);
  assert.equal(memory.held, 0);
  assert.equal(clock.timerCount, 0);
});
