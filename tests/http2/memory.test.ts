/** What streams hold is part of what all buffers may hold, and a client that holds too much waits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { STREAM_WINDOW } from "../../src/http2/limits.ts";
import { PING_ANSWER_MS, UNREAD_PING_MS } from "../../src/http2/liveness.ts";
import { STALLED_MS } from "../../src/http1/held_memory.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { StreamResponse } from "../../src/runtime/http_response.ts";
import type { HttpRequest } from "../../src/runtime/http_request.ts";
import { settle, whole } from "../support/http1_world.ts";
import { http2World } from "../support/http2_world.ts";
import { GET_FIELDS, requestFields } from "../support/http2_client.ts";
import { inWorld } from "../support/world_test.ts";

const BODY = new Uint8Array(STREAM_WINDOW - 1000);

/** As much, and the fields of a request, which are held as long as its stream. */
function isAbout(held: number, length: number): void {
  assert.ok(held >= length && held < length + 400, `${held} bytes, not ${length} and some fields`);
}

/** A handler that reads no body before it is told to. */
function unread() {
  const gates: (() => void)[] = [];
  const handler = async (request: HttpRequest) => {
    if (request.method === "GET") return whole("small");
    await new Promise<void>((resolve) => gates.push(resolve));
    let length = 0;
    for await (const piece of request.body!) length += piece.length;
    return whole(String(length));
  };
  return { handler, open: () => gates.splice(0).forEach((open) => open()) };
}

test(
  "Bodies that nobody has read count, whoever sent them",
  inWorld(async () => {
    const { handler, open: readAll } = unread();
    const { open, memory } = await http2World(handler);
    const clients = [open(), open(), open()];
    for (const client of clients) {
      client.data(client.request(requestFields("POST", "/"), false), BODY, true);
    }
    await settle();
    assert.ok(memory.used >= 3 * BODY.length, `${memory.used} bytes`);
    readAll();
    for (const client of clients) {
      assert.equal((await client.settled()).text(1), String(BODY.length));
    }
    assert.equal(memory.used, 0);
  }),
);

test(
  "Over the limit a client whose bodies wait is not read, and others are; then it goes on",
  inWorld(async () => {
    const { handler, open: readAll } = unread();
    const { open, memory, clock } = await http2World(handler, { memoryMax: 4 * BODY.length });
    const greedy = open();
    const uploads: number[] = [];
    for (let count = 0; count < 20 && !greedy.socket.isPaused; count++) {
      const id = greedy.request(requestFields("POST", "/"), false);
      greedy.data(id, BODY, true);
      uploads.push(id);
    }
    assert.ok(uploads.length < 8, `${uploads.length} bodies were taken`);
    assert.ok(memory.used < 6 * BODY.length);
    const modest = open();
    const id = modest.request();
    assert.equal((await modest.settled()).text(id), "small");
    // It is asked whether it is there, for a write tells, and need not reply: nobody would hear it.
    const waitMs = CONNECTION_TIMEOUTS.idleMs + 2 * PING_ANSWER_MS;
    for (let waitedMs = 0; waitedMs < waitMs; waitedMs += 1_000) clock.advance(1_000);
    assert.equal(greedy.read().goaway, undefined);
    assert.ok(greedy.of("PING").length > waitMs / UNREAD_PING_MS - 2);
    assert.ok(greedy.of("PING").length <= waitMs / UNREAD_PING_MS);
    assert.equal(greedy.socket.isPaused, true);
    readAll();
    await settle();
    assert.equal(greedy.socket.isPaused, false);
    greedy.read();
    for (const upload of uploads) assert.equal(greedy.text(upload), String(BODY.length));
  }),
);

test(
  "It goes on by itself where others have made room",
  inWorld(async () => {
    const { handler, open: readAll } = unread();
    const { open, memory, clock } = await http2World(handler, { memoryMax: 2 * BODY.length });
    const client = open();
    client.data(client.request(requestFields("POST", "/"), false), BODY, true);
    memory.count(2 * BODY.length);
    client.data(client.request(requestFields("POST", "/"), false), new Uint8Array(3000), true);
    assert.equal(client.socket.isPaused, true);
    memory.count(-2 * BODY.length);
    clock.advance(1_001);
    assert.equal(client.socket.isPaused, false);
    await settle();
    readAll();
    await settle();
  }),
);

test(
  "What waits for a client counts: of a response, and of what the system has not taken",
  inWorld(async () => {
    const body = "x".repeat(STREAM_WINDOW * 2);
    const { open, memory } = await http2World(() => whole(body));
    const client = open();
    client.socket.room = 10_000;
    client.request(GET_FIELDS);
    await settle();
    const unsent = client.socket.unsentLength;
    assert.ok(unsent > 10_000);
    isAbout(memory.used, unsent + body.length - STREAM_WINDOW);
    client.socket.take(20_000);
    client.socket.take(Infinity);
    await settle();
    isAbout(memory.used, body.length - STREAM_WINDOW);
    client.reset(1);
    assert.equal(memory.used, 0);
  }),
);

test(
  "A response that its client does not read is cancelled soon where buffers hold too much",
  inWorld(async () => {
    const body = "x".repeat(STREAM_WINDOW * 2);
    for (const isFull of [false, true]) {
      const memoryMax = isFull ? STREAM_WINDOW / 2 : 10 * STREAM_WINDOW;
      const { open, clock, memory } = await http2World(() => whole(body), { memoryMax });
      const client = open();
      const id = client.request();
      await settle();
      for (let ms = 0; ms < STALLED_MS - 1_000; ms += 1_000) clock.advance(1_000);
      assert.equal(client.read().response(id).reset, undefined);
      for (let ms = 0; ms < 4_000; ms += 1_000) clock.advance(1_000);
      assert.equal(client.read().response(id).reset, isFull ? "CANCEL" : undefined);
      assert.equal(memory.used > 0, !isFull);
      assert.equal(client.goaway, undefined);
    }
  }),
);

test(
  "Beginnings of frames and of header sections count, until they end",
  inWorld(async () => {
    const { open, memory } = await http2World(() => whole("x"));
    const client = open();
    const block = client.block(GET_FIELDS);
    client.frame("HEADERS", 1, client.nextId(), block);
    assert.ok(memory.used >= block.length);
    client.raw(Uint8Array.of(0, 0, 50, 9, 4));
    assert.ok(memory.used >= block.length + 5);
    client.socket.close();
    assert.equal(memory.used, 0);
  }),
);

test(
  "A streamed response holds the piece that waits for its client",
  inWorld(async () => {
    const piece = new Uint8Array(STREAM_WINDOW + 500);
    const stream = () =>
      new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(piece) });
    const { open, memory } = await http2World(() => new StreamResponse(200, [], stream()));
    const client = open();
    client.request();
    await settle();
    isAbout(memory.used, 500);
    client.socket.close();
    assert.equal(memory.used, 0);
  }),
);
