/** Connections that carry one request at a time (php-fpm), and the queue for them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import { ADDRESS } from "../support/scripted_application.ts";
import { codeOf, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const OFF = { multiplex: "off" } as const;

test("A connection that cannot be shared carries one request after the other", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  for (let count = 0; count < 3; count++) {
    const response = world.send();
    const request = await application.next();
    assert.equal(request.id, 1);
    request.answer(`${count}`);
    assert.equal(await textOf(await response), `${count}`);
  }
  assert.equal(application.connections.length, 1);
  assert.equal(application.questions, 0, "multiplex: off asks nothing");
  await world.close();
});

test("Requests wait first come first served while connections.max are busy", async () => {
  const world = new UpstreamWorld({ ...OFF, connections: { max: 2 } });
  const application = await world.application({ multiplex: false });
  const responses = Array.from(
    { length: 6 },
    (_, index) => world.send({ params: [["N", `${index}`]] }),
  );
  const order: (string | undefined)[] = [];
  const busy = [await application.next(), await application.next()];
  await world.settle();
  assert.equal(world.upstream.queueLength, 4);
  while (busy.length > 0) {
    const request = busy.shift()!;
    order.push(request.params.get("N"));
    request.answer();
    if (order.length <= 4) busy.push(await application.next());
  }
  assert.deepEqual(order, ["0", "1", "2", "3", "4", "5"]);
  assert.equal(application.connections.length, 2);
  await Promise.all(responses);
  await world.close();
});

test("A request that finds the queue full fails at once, and is counted", async () => {
  const world = new UpstreamWorld({ ...OFF, connections: { max: 1 }, queue: { lengthMax: 1 } });
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const request = await application.next();
  const second = world.send();
  await world.settle();
  assert.equal(await codeOf(world.send()), "queue_full");
  assert.deepEqual(world.seen, ["queue rejected", "error queue_full"]);
  request.answer();
  (await application.next()).answer();
  await Promise.all([first, second]);
  await world.close();
});

test("A queue of length 0 refuses every request that cannot begin at once", async () => {
  const world = new UpstreamWorld({ ...OFF, connections: { max: 1 }, queue: { lengthMax: 0 } });
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const request = await application.next();
  assert.equal(await codeOf(world.send()), "queue_full");
  request.answer();
  await first;
  await world.close();
});

test("A request waits in the queue for queue.timeout and no longer", async () => {
  const world = new UpstreamWorld({
    ...OFF,
    connections: { max: 1 },
    queue: { timeoutMs: 2_000 },
  });
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const request = await application.next();
  const second = world.send();
  await world.advance(1_900);
  assert.equal(world.upstream.queueLength, 1);
  await world.advance(250);
  assert.equal(await codeOf(second), "queue_timeout");
  assert.equal(world.upstream.queueLength, 0);
  request.answer();
  await first;
  await world.close();
});

test("A client that leaves is taken out of the queue, and the application never hears of it", async () => {
  const world = new UpstreamWorld({ ...OFF, connections: { max: 1 } });
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const request = await application.next();
  const leaving = new AbortController();
  const second = world.send({ signal: leaving.signal, params: [["N", "2"]] });
  const third = world.send({ params: [["N", "3"]] });
  await world.settle();
  leaving.abort();
  assert.equal(await codeOf(second), "client_gone");
  assert.equal(await codeOf(world.send({ signal: AbortSignal.abort() })), "client_gone");
  assert.equal(world.upstream.queueLength, 1);
  request.answer();
  const next = await application.next();
  assert.equal(next.params.get("N"), "3");
  next.answer();
  await Promise.all([first, third]);
  assert.deepEqual(world.seen, ["error client_gone", "error client_gone"]);
  await world.close();
});

test("A client that had left before it sent is noticed within two ticks, and its request aborted", async () => {
  const world = new UpstreamWorld(OFF);
  await world.application();
  const response = world.send({ signal: AbortSignal.abort() });
  await world.advance(100);
  assert.equal(await codeOf(response), "client_gone");
  assert.equal(world.connectionCount, 0);
  await world.close();
});

test("An abort closes a connection that is not shared", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  const leaving = new AbortController();
  const response = world.send({ signal: leaving.signal });
  const request = await application.next();
  leaving.abort();
  await world.advance(100);
  assert.equal(await codeOf(response), "client_gone");
  await request.connection.closed;
  assert.equal(request.isAborted, false, "php-fpm ignores ABORT_REQUEST: closing is all there is");
  assert.equal(world.connectionCount, 0);
  await world.close();
});

test("A kept connection that the application closed at rest is noticed before it is used", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const request = await application.next();
  request.answer();
  await first;
  request.connection.close();
  await world.settle();
  assert.equal(world.connectionCount, 0);
  const second = world.send();
  (await application.next()).answer();
  await second;
  assert.deepEqual(world.seen, []);
  await world.close();
});

test("A request that is lost on a kept connection is not sent again: it may have run", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const { connection } = await application.next().then((request) => (request.answer(), request));
  await first;
  const second = world.send();
  await application.next();
  connection.close();
  assert.equal(await codeOf(second), "connection_lost");
  await world.settle();
  assert.equal(application.begun, 0);
  await world.close();
});

test("With retry.same_server, one that meets a stale kept connection goes to a fresh one at once", async () => {
  const world = new UpstreamWorld({ ...OFF, retry: { sameServer: true } });
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const { connection } = await application.next().then((request) => (request.answer(), request));
  await first;
  // The child is recycled the moment it is given the next request.
  const second = world.send();
  await application.next();
  connection.close();
  const again = await application.next();
  assert.notEqual(again.connection, connection);
  again.answer("fresh");
  assert.equal(await textOf(await second), "fresh");
  assert.deepEqual(world.seen, ["retry connection_lost"]);
  await world.close();
});

test("A request that cannot be repeated gets a fresh connection, never a kept one", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const kept = await application.next();
  kept.answer();
  await first;
  const second = world.send({ method: "POST" });
  const posted = await application.next();
  assert.notEqual(posted.connection, kept.connection);
  posted.answer();
  await second;
  await world.close();
});

test("A request that cannot be repeated takes the place of a kept connection at connections.max", async () => {
  const world = new UpstreamWorld({ ...OFF, connections: { max: 1 } });
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const kept = await application.next();
  kept.answer();
  await first;
  const second = world.send({ method: "POST" });
  await kept.connection.closed;
  (await application.next()).answer();
  await second;
  assert.equal(world.connectionCount, 1);
  await world.close();
});

test("An idle connection that is not shared is closed after 5 s, or what is configured", async () => {
  for (const [idleTimeoutMs, expectedMs] of [[undefined, 5_000], [2_000, 2_000]] as const) {
    const world = new UpstreamWorld({ ...OFF, connections: { idleTimeoutMs } });
    const application = await world.application({ multiplex: false });
    const response = world.send();
    const { connection } = await application.next().then((request) => (request.answer(), request));
    await response;
    await world.advance(expectedMs - 50);
    assert.equal(connection.isClosed, false);
    await world.advance(200);
    await connection.closed;
    await world.close();
  }
});

test("Without reuse each request has a connection of its own, without KEEP_CONN", async () => {
  const world = new UpstreamWorld({ connections: { reuse: false } });
  const application = await world.application({ multiplex: false });
  for (let count = 0; count < 2; count++) {
    const response = world.send();
    const request = await application.next();
    // The application closes by itself where it was not asked to keep the connection.
    request.answer();
    await response;
    await request.connection.closed;
  }
  assert.equal(application.connections.length, 2);
  assert.equal(application.questions, 0);
  await world.close();
});

test("A body that was not taken whole closes the connection: its rest would stand before the next", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  const stream = new Blob([new Uint8Array(600_000)]).stream();
  const body = { stream, length: 600_000, memoryMax: 1_000_000 };
  const response = world.send({ method: "PUT", body });
  const request = await application.next();
  request.connection.stopReading();
  request.answer("early");
  assert.equal(await textOf(await response), "early");
  await world.settle();
  assert.equal(world.connectionCount, 0);
  await world.close();
});

test("A server whose backlog is full is not down: requests on their way do not suffer", async () => {
  const world = new UpstreamWorld({ ...OFF, connections: { max: 2 }, retry: { delayMs: 100 } });
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const request = await application.next();
  world.runtime.network.fail(parseAddress(ADDRESS), "full");
  const second = world.send();
  await world.settle();
  assert.equal(world.upstream.servers[0]!.isEjected, false);
  world.runtime.network.fail(parseAddress(ADDRESS));
  await world.advance(100);
  (await application.next()).answer();
  request.answer();
  await Promise.all([first, second]);
  assert.deepEqual(world.seen, ["retry connect_failed"]);
  await world.close();
});

test("An idle connection gives way to one that the application never answered on", async () => {
  const world = new UpstreamWorld(OFF);
  const application = await world.application({ multiplex: false });
  const first = world.send();
  const quick = await application.next();
  const second = world.send();
  const waiting = await application.next();
  quick.answer();
  await first;
  assert.equal(quick.connection.isClosed, false, "not before it has waited longer than a response");
  await world.advance(200);
  await quick.connection.closed;
  waiting.answer("taken");
  assert.equal(await textOf(await second), "taken");
  await world.settle();
  assert.equal(world.connectionCount, 1, "the other one is kept");
  await world.close();
});
