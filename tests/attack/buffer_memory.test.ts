/**
 * Clients that read slowly, or send bodies that must be gathered, cannot make buffers hold more memory
 * than `limits.memory`, however many they are; and nobody who does not is kept out by them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TICK_MS } from "../../src/upstream/deadlines.ts";
import { MEMORY_TIMEOUT_MS } from "../../src/upstream/memory_wait.ts";
import { codeOf, errorOf, fedBody, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const MEMORY_MAX = 20_000;
const encoder = new TextEncoder();

test("A hundred slow readers hold half of limits.memory, and all get all of their bytes", async () => {
  const limits = { responseBufferMax: 1_000, spillMax: 100_000 };
  const world = new UpstreamWorld({ multiplex: "on", limits }, { memoryMax: MEMORY_MAX });
  const application = await world.application();
  const readers = [];
  for (let count = 0; count < 100; count++) {
    const sent = world.send();
    const request = await application.next();
    request.stdout("A: 1\n\n");
    readers.push({ request, response: await sent });
  }
  for (let round = 0; round < 10; round++) {
    for (const { request } of readers) request.stdout("x".repeat(700));
    await world.settle();
    assert.ok(world.memory.used <= MEMORY_MAX / 2, `${world.memory.used} bytes in memory`);
  }
  assert.ok(world.memory.used > MEMORY_MAX / 4);
  const upload = fedBody();
  const uploaded = world.send({ method: "POST", body: upload.body });
  upload.feed.enqueue(encoder.encode("a body"));
  upload.feed.close();
  const request = await application.next();
  request.answer("uploaded");
  assert.equal(await textOf(await uploaded), "uploaded", "others are not kept out");
  for (const { request } of readers) request.end();
  for (const { response } of readers) assert.equal((await textOf(response)).length, 7_000);
  assert.deepEqual(world.seen.filter((text) => text === "memory full"), []);
  await world.close();
});

test("Bodies that are gathered at once hold half of limits.memory, and come whole", async () => {
  const world = new UpstreamWorld({ multiplex: "off" }, { memoryMax: MEMORY_MAX });
  const application = await world.application();
  const bodies = Array.from({ length: 50 }, () => fedBody());
  const sent = bodies.map(({ body }) =>
    world.send({ method: "POST", body: { ...body, memoryMax: 5_000 } })
  );
  for (let round = 0; round < 4; round++) {
    for (const { feed } of bodies) feed.enqueue(encoder.encode("y".repeat(1_000)));
    await world.settle();
    assert.ok(world.memory.used <= MEMORY_MAX / 2, `${world.memory.used} bytes in memory`);
  }
  for (const { feed } of bodies) feed.close();
  for (const _ of bodies) {
    const request = await application.next();
    assert.equal((await request.stdin).length, 4_000);
    request.answer("ok");
  }
  for (const response of sent) assert.equal(await textOf(await response), "ok");
  await world.close();
});

/** Where no response may have a file, slow clients bring the memory over its limit. */
async function overLimit() {
  const limits = { responseBufferMax: 15_000, spillMax: 0 };
  const world = new UpstreamWorld({ multiplex: "on", limits }, { memoryMax: MEMORY_MAX });
  const application = await world.application();
  const sent = world.send();
  const request = await application.next();
  request.stdout(`A: 1\n\n${"x".repeat(100_000)}`);
  const response = await sent;
  await world.settle();
  assert.ok(world.memory.used > MEMORY_MAX);
  return { world, application, request, response };
}

test("A body waits while buffers hold more than limits.memory, and goes on when they do not", async () => {
  const { world, application, request, response } = await overLimit();
  const upload = fedBody();
  const uploaded = world.send({ method: "POST", body: upload.body });
  await world.settle();
  assert.equal(world.memory.waiting, 1);
  assert.ok(world.seen.includes("memory full"));
  request.end();
  assert.equal((await textOf(response)).length, 100_000);
  upload.feed.enqueue(encoder.encode("a body"));
  upload.feed.close();
  const next = await application.next();
  next.answer("uploaded");
  assert.equal(await textOf(await uploaded), "uploaded");
  assert.equal(world.memory.waiting, 0);
  await world.close();
});

test("A body that waits too long is refused, and one whose client leaves is forgotten", async () => {
  const { world, request, response } = await overLimit();
  const refused = world.send({ method: "POST", body: fedBody().body });
  const leaving = new AbortController();
  const left = world.send({ method: "POST", body: fedBody().body, signal: leaving.signal });
  await world.settle();
  assert.equal(world.memory.waiting, 2);
  leaving.abort();
  assert.equal(await codeOf(left), "client_gone");
  assert.equal(world.memory.waiting, 1);
  await world.advance(MEMORY_TIMEOUT_MS - 1);
  assert.equal(world.memory.waiting, 1);
  await world.advance(2 * TICK_MS + 1);
  const error = await errorOf(refused);
  assert.deepEqual([error.code, error.fault, error.sent], ["memory_full", "local", false]);
  request.end();
  await textOf(response);
  await world.close();
});
