/** What a connection holds of bodies, requests and responses is part of what all buffers hold. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { STALLED_MS } from "../../src/http1/held_memory.ts";
import { GET, http1World, settle, whole } from "../support/http1_world.ts";
import { inWorld } from "../support/world_test.ts";

const POST = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n";

test(
  "A body that nobody reads counts as far as it has come, and no further when it is read",
  inWorld(async () => {
    const gate = Promise.withResolvers<void>();
    const { open, memory } = await http1World(async (request) => {
      await gate.promise;
      let length = 0;
      for await (const piece of request.body!) length += piece.length;
      return whole(String(length));
    });
    const client = open();
    client.send(POST + "x".repeat(60));
    await settle();
    assert.equal(memory.used, 60);
    assert.equal(client.isPaused, true);
    gate.resolve();
    await settle();
    assert.equal(memory.used, 0);
    client.send("x".repeat(40));
    await settle();
    assert.match(client.text, /100$/);
    assert.equal(memory.used, 0);
  }),
);

test(
  "A body counts until its client leaves, and until a response that does not want it",
  inWorld(async () => {
    const gate = Promise.withResolvers<void>();
    const { open, memory } = await http1World(async () => {
      await gate.promise;
      return whole("no");
    });
    const leaves = open();
    const stays = open();
    for (const client of [leaves, stays]) client.send(POST + "x".repeat(100));
    await settle();
    assert.equal(memory.used, 200);
    leaves.close();
    await settle();
    assert.equal(memory.used, 100);
    gate.resolve();
    await settle();
    assert.match(stays.text, /no$/);
    assert.equal(memory.used, 0);
  }),
);

test(
  "What the system has not taken counts until it has, and while it takes some",
  inWorld(async () => {
    const { open, memory, clock } = await http1World(() => whole("y".repeat(5_000)));
    const client = open();
    client.room = 1_000;
    client.send(GET);
    await settle();
    const { unsentLength } = client;
    assert.ok(unsentLength > 4_000);
    assert.equal(memory.used, unsentLength);
    client.take(1_000);
    clock.advance(1_001);
    assert.equal(memory.used, unsentLength - 1_000);
    client.take(Infinity);
    assert.equal(memory.used, 0);
    client.room = 0;
    client.send(GET);
    assert.ok(memory.used > 5_000);
    client.close();
    assert.equal(memory.used, 0);
  }),
);

test(
  "Who reads nothing loses the connection soon where buffers hold too much, and not elsewhere",
  inWorld(async () => {
    for (const isFull of [false, true]) {
      const memoryMax = isFull ? 1_000 : 10_000;
      const { open, clock } = await http1World(() => whole("y".repeat(5_000)), { memoryMax });
      const client = open();
      client.room = 1_000;
      client.send(GET);
      await settle();
      for (let ms = 0; ms < STALLED_MS - 1_000; ms += 1_000) clock.advance(1_000);
      assert.equal(client.ended, "no");
      for (let ms = 0; ms < 4_000; ms += 1_000) clock.advance(1_000);
      assert.equal(client.ended, isFull ? "reset" : "no");
    }
  }),
);

test(
  "Beginnings of requests count, and requests that wait for their turn",
  inWorld(async () => {
    const gate = Promise.withResolvers<void>();
    const { open, memory } = await http1World(async () => {
      await gate.promise;
      return whole("x");
    });
    const slow = open();
    slow.send(GET.slice(0, 20));
    assert.equal(memory.used, 20);
    slow.send(GET.slice(20));
    assert.equal(memory.used, 0);
    slow.send(GET + GET);
    assert.equal(memory.used, 2 * GET.length);
    gate.resolve();
    await settle();
    assert.equal(memory.used, 0);
  }),
);
