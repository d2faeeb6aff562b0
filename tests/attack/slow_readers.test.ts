/**
 * Clients that read slowly or not at all. What the buffers do not hold stops the whole connection,
 * so others pay: after some seconds it is the slow client that goes, not everybody else.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PAUSE_FREE_MS, PAUSE_MAX_MS } from "../../src/upstream/reading_pauses.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import type { ScriptedApplication, ScriptedRequest } from "../support/scripted_application.ts";
import { codeOf, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const LIMITS = { responseBufferMax: 1_000, spillMax: 0 } as const;

/** A limit may be noticed two ticks late, and the clock moves in steps. */
const LATE_MS = 150;

interface SlowReader {
  readonly request: ScriptedRequest;
  readonly response: UpstreamResponse;
}

/** One that has filled its buffers, so that its connection is not read. */
async function slowReader(
  world: UpstreamWorld,
  application: ScriptedApplication,
): Promise<SlowReader> {
  const sent = world.send();
  const request = await application.next();
  request.stdout("A: 1\n\n");
  const response = await sent;
  request.stdout("x".repeat(5_000));
  await world.settle();
  return { request, response };
}

test("Eight slow readers on all connections are cut, one by one, as long as somebody waits", async () => {
  const world = new UpstreamWorld({
    multiplex: "on",
    limits: LIMITS,
    queue: { timeoutMs: 30_000 },
  });
  const application = await world.application();
  const readers: SlowReader[] = [];
  for (let count = 0; count < 8; count++) readers.push(await slowReader(world, application));
  assert.equal(world.connectionCount, 8);
  // Alone they harm nobody, for as long as they like.
  await world.advance(20_000);
  assert.equal(world.seen.includes("slow client"), false);
  const waiting = world.send();
  await world.advance(LATE_MS + PAUSE_FREE_MS);
  const next = await application.next();
  next.answer("at last");
  assert.equal(await textOf(await waiting), "at last");
  assert.equal(world.seen.filter((line) => line === "slow client").length, 1, "one was enough");
  const [first] = readers;
  assert.equal(await codeOf(textOf(first!.response)), "slow_client");
  await first!.request.aborted;
  for (const { response } of readers.slice(1)) {
    await (response.body as ReadableStream).cancel();
  }
  await world.close();
});

test("A slow reader beside another request is cut after its time, and not before", async () => {
  const world = new UpstreamWorld({ multiplex: "on", limits: LIMITS });
  const application = await world.application();
  const waiting = world.send();
  const neighbour = await application.next();
  const { response } = await slowReader(world, application);
  neighbour.answer("held up");
  await world.advance(PAUSE_FREE_MS + PAUSE_MAX_MS - LATE_MS);
  assert.equal(world.seen.includes("slow client"), false);
  await world.advance(2 * LATE_MS);
  assert.equal(await textOf(await waiting), "held up");
  assert.equal(await codeOf(textOf(response)), "slow_client");
  await world.close();
});

test("A reader that takes a little just in time is cut as well: what it owes adds up", async () => {
  const world = new UpstreamWorld({ multiplex: "on", limits: LIMITS });
  const application = await world.application();
  const waiting = world.send();
  const neighbour = await application.next();
  const { request, response } = await slowReader(world, application);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  reader.closed.catch(() => {});
  let cut: unknown;
  let elapsedMs = 0;
  while (cut === undefined && elapsedMs < 30_000) {
    await world.advance(2_000);
    elapsedMs += 2_000;
    await reader.read().catch((error: unknown) => cut = error);
    await world.settle();
    request.stdout("x".repeat(5_000));
    await world.settle();
  }
  assert.equal(world.seen.includes("slow client"), true);
  assert.ok(elapsedMs <= 8_000, `${elapsedMs} ms of holding up the others`);
  neighbour.answer("held up");
  assert.equal(await textOf(await waiting), "held up");
  await world.close();
});

test("A reader that makes many short pauses owes nothing", async () => {
  const world = new UpstreamWorld({ multiplex: "on", limits: LIMITS });
  const application = await world.application();
  const waiting = world.send();
  const neighbour = await application.next();
  const { request, response } = await slowReader(world, application);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  for (let count = 0; count < 100; count++) {
    await world.advance(PAUSE_FREE_MS - 100);
    await reader.read();
    await world.settle();
    request.stdout("x".repeat(5_000));
    await world.settle();
  }
  assert.equal(world.seen.includes("slow client"), false);
  neighbour.answer();
  await reader.cancel();
  await waiting;
  await world.close();
});

test("Two slow readers that take turns do not share out the blame", async () => {
  const world = new UpstreamWorld({ multiplex: "on", limits: LIMITS });
  const application = await world.application();
  const waiting = world.send();
  const neighbour = await application.next();
  const first = world.send();
  const firstRequest = await application.next();
  const second = await slowReader(world, application);
  firstRequest.stdout("A: 1\n\n");
  firstRequest.stdout("x".repeat(5_000));
  const cancelled = first.then(({ body }) => (body as ReadableStream).cancel(), () => {});
  neighbour.answer("held up");
  await world.advance(PAUSE_FREE_MS + PAUSE_MAX_MS + 3 * LATE_MS);
  assert.equal(await textOf(await waiting), "held up");
  assert.equal(await codeOf(textOf(second.response)), "slow_client");
  await cancelled;
  await world.close();
});
