/** Draining: nothing new, what has begun may finish within the grace, and at the end nothing is left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import { ADDRESS } from "../support/scripted_application.ts";
import { codeOf, errorOf, fedBody, textOf, UpstreamWorld } from "../support/upstream_world.ts";

/** Whether the promise has settled by now. */
async function isSettled(world: UpstreamWorld, promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  await world.settle();
  return settled;
}

test("Draining an upstream that never did anything ends at once", async () => {
  const world = new UpstreamWorld();
  await world.upstream.drain(10_000);
  await world.close();
});

test("Draining closes idle connections and refuses what comes after", async () => {
  const world = new UpstreamWorld();
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  request.answer();
  await response;
  await world.upstream.drain(10_000);
  await request.connection.closed;
  assert.equal(await codeOf(world.send()), "draining");
  assert.deepEqual(world.seen, ["error draining"]);
  await world.close();
});

test("What is in flight and in the queue finishes within the grace", async () => {
  const world = new UpstreamWorld({ multiplex: "off", connections: { max: 1 } });
  const application = await world.application({ multiplex: false });
  const [first, second] = [world.send(), world.send()];
  const request = await application.next();
  const drained = world.upstream.drain(10_000);
  assert.equal(await isSettled(world, drained), false);
  request.answer("first");
  assert.equal(await textOf(await first), "first");
  (await application.next()).answer("second");
  assert.equal(await textOf(await second), "second");
  await drained;
  await world.close();
});

test("What is not done within the grace is cut: waiting, in flight and half answered", async () => {
  const world = new UpstreamWorld({ multiplex: "on", connections: { max: 1, streamsMax: 2 } });
  const application = await world.application();
  const responses = [world.send(), world.send(), world.send()];
  const request = await application.next();
  await application.next();
  request.stdout("A: 1\n\nhalf");
  const text = textOf(await responses[0]!);
  text.catch(() => {});
  const drained = world.upstream.drain(2_000);
  await world.advance(1_900);
  assert.equal(await isSettled(world, drained), false);
  await world.advance(100);
  await drained;
  assert.equal(await codeOf(text), "draining");
  for (const response of responses.slice(1)) assert.equal(await codeOf(response), "draining");
  await request.connection.closed;
  await world.close();
});

test("What a drain cuts says how far it had got, and nothing of a grace that others waited", async () => {
  const world = new UpstreamWorld({ multiplex: "on", connections: { max: 1, streamsMax: 1 } });
  const application = await world.application();
  const [sent, waiting] = [world.send(), world.send()];
  await application.next();
  await world.upstream.drain(0);
  for (const [response, phase] of [[sent, "first_byte"], [waiting, "queue"]] as const) {
    const error = await errorOf(response);
    assert.equal(error.phase, phase);
    assert.match(error.message, /^Upstream ".*" was stopped before its response was whole$/);
  }
  await world.close();
});

test("Draining again with less grace cuts what the first would have waited for", async () => {
  const world = new UpstreamWorld({ multiplex: "on" });
  const application = await world.application();
  const response = world.send();
  await application.next();
  const first = world.upstream.drain(60_000);
  await world.settle();
  await world.upstream.drain(0);
  await first;
  assert.equal(await codeOf(response), "draining");
  await world.close();
});

test("Draining cuts a body that is being gathered, and its temporary file", async () => {
  const world = new UpstreamWorld({ multiplex: "off" });
  const { body, feed } = fedBody();
  const response = world.send({ method: "POST", body: { ...body, memoryMax: 1 } });
  feed.enqueue(new Uint8Array(10));
  await world.settle();
  assert.equal(world.runtime.files.temporaryCount, 1);
  await world.upstream.drain(0);
  assert.equal(await codeOf(response), "draining");
  await world.close();
});

test("A body that is being gathered when the drain begins may finish, and so may its request", async () => {
  const world = new UpstreamWorld({ multiplex: "off" });
  const application = await world.application({ multiplex: false });
  const { body, feed } = fedBody();
  const response = world.send({ method: "POST", body });
  feed.enqueue(new TextEncoder().encode("upload"));
  await world.settle();
  const drained = world.upstream.drain(10_000);
  feed.close();
  const request = await application.next();
  assert.equal(await request.stdin, "upload");
  request.answer("stored");
  assert.equal(await textOf(await response), "stored");
  await drained;
  await world.close();
});

test("Draining cuts a request that waits for its next attempt", async () => {
  const world = new UpstreamWorld({ multiplex: "on", retry: { delayMs: 60_000 } });
  const response = world.send();
  await world.settle();
  assert.deepEqual(world.seen, ["retry connect_failed"]);
  await world.upstream.drain(0);
  assert.equal(await codeOf(response), "draining");
  await world.close();
});

test("Draining ends the question whether an application multiplexes, at every point of it", async () => {
  for (const isSilent of [true, false]) {
    const world = new UpstreamWorld();
    await world.application({ values: "silence" });
    if (isSilent) world.runtime.network.silence(parseAddress(ADDRESS));
    const response = world.send();
    await world.settle();
    assert.equal(world.upstream.servers[0]!.mode, "asking");
    await world.upstream.drain(0);
    assert.equal(await codeOf(response), "draining");
    await world.close();
  }
});

test("Draining ends connections that are being made", async () => {
  const world = new UpstreamWorld({ multiplex: "on" });
  world.runtime.network.silence(parseAddress(ADDRESS));
  const response = world.send();
  await world.settle();
  assert.equal(world.connectionCount, 1);
  await world.upstream.drain(0);
  assert.equal(await codeOf(response), "draining");
  await world.close();
});

test("Draining does not wait for an aborted request that the application never ends", async () => {
  const world = new UpstreamWorld({ multiplex: "on" });
  const application = await world.application();
  const leaving = new AbortController();
  const response = world.send({ signal: leaving.signal });
  const request = await application.next();
  leaving.abort();
  await world.advance(100);
  assert.equal(await codeOf(response), "client_gone");
  await world.upstream.drain(60_000);
  await request.connection.closed;
  await world.close();
});
