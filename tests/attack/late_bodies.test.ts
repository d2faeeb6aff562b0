/**
 * Bodies that the application does not read: an upload to a handler that is late, or that never
 * reads, stops the connection it is on (Go's net/http/fcgi waits in the middle of the connection for
 * its handler). Nobody else may wait for it as long as another connection may be made; beyond that,
 * waits end, and nothing of the others is lost.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LOOK_MS, STALL_MS } from "../../src/upstream/untaken_bodies.ts";
import type { ScriptedRequest } from "../support/scripted_application.ts";
import { bodyOf, codeOf, fedBody, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const MIB = 1024 * 1024;

/** A request that has begun, and whose connection the application reads no more. */
async function stuck(world: UpstreamWorld, length: number): Promise<{
  application: Awaited<ReturnType<UpstreamWorld["application"]>>;
  late: Promise<unknown>;
  request: ScriptedRequest;
}> {
  const application = await world.application();
  const late = world.send({ method: "POST", body: bodyOf("x".repeat(length), length) });
  const request = await application.next();
  request.connection.stopReading();
  await world.settle();
  return { application, late, request };
}

for (const multiplex of ["on", "auto"] as const) {
  for (const length of [1, 1_000, 3 * MIB]) {
    test(`A handler that does not read ${length} bytes holds up nobody (multiplex ${multiplex})`, async () => {
      const world = new UpstreamWorld({ multiplex });
      const { application, late, request } = await stuck(world, length);
      for (let count = 0; count < 5; count++) {
        const other = world.send();
        const next = await application.next();
        assert.notEqual(next.connection, request.connection);
        next.answer("at once");
        assert.equal(await textOf(await other), "at once");
        await world.advance(200);
      }
      assert.ok(world.connectionCount <= 3, "one for the body, one for the others, one stale");
      request.connection.readOn();
      await request.stdin;
      request.answer("late");
      await late;
      await world.close();
    });
  }
}

test("A second upload does not wait for one that is not read either", async () => {
  const world = new UpstreamWorld({ multiplex: "on" });
  const { application, late, request } = await stuck(world, 3 * MIB);
  const other = world.send({ method: "POST", body: bodyOf("small") });
  const next = await application.next();
  assert.equal(await next.stdin, "small");
  next.answer("at once");
  assert.equal(await textOf(await other), "at once");
  request.connection.readOn();
  await request.stdin;
  request.answer();
  await late;
  await world.close();
});

test("A request that begins together with an upload does not go behind it", async () => {
  const world = new UpstreamWorld({ multiplex: "on" });
  const application = await world.application();
  const responses = [
    world.send({ method: "POST", body: bodyOf("x") }),
    ...Array.from({ length: 20 }, () => world.send()),
  ];
  const requests = [];
  for (let count = 0; count < 21; count++) requests.push(await application.next());
  const upload = requests.find(({ params }) => params.get("CONTENT_LENGTH") === "1")!;
  for (const { connection, id } of requests) {
    assert.ok(connection !== upload.connection || id <= upload.id, "it was sent before the upload");
  }
  assert.ok(world.connectionCount <= 2, "all others share one");
  for (const request of requests) request.answer();
  await Promise.all(responses);
  await world.close();
});

test("A body that was read frees its connection before its request has ended", async () => {
  const world = new UpstreamWorld({ multiplex: "auto" });
  const application = await world.application();
  const first = world.send();
  (await application.next()).answer();
  await first;
  // A response that goes on for long, to a body that was read at once.
  const stream = world.send({ method: "POST", body: bodyOf("prompt") });
  const request = await application.next();
  assert.equal(await request.stdin, "prompt");
  request.stdout("A: 1\n\n");
  await stream;
  await world.advance(2 * LOOK_MS);
  const beside = world.send();
  const next = await application.next();
  assert.equal(next.connection, request.connection, "it was asked, and has read everything");
  next.answer();
  request.end();
  await beside;
  await world.close();
});

test("A slow upload is asked about only after something was sent", async () => {
  const world = new UpstreamWorld({ multiplex: "auto" });
  const application = await world.application();
  const first = world.send();
  (await application.next()).answer();
  await first;
  const { body, feed } = fedBody(10);
  const response = world.send({ method: "PUT", body });
  feed.enqueue(new Uint8Array(5));
  const request = await application.next();
  let asked = 0;
  const { send } = request.connection;
  request.connection.send = (say) => {
    send.call(request.connection, (server) => {
      const before = server.outputLength;
      say(server);
      if (server.outputLength > before) asked++;
    });
  };
  await world.advance(20 * LOOK_MS);
  assert.equal(asked, 1);
  feed.enqueue(new Uint8Array(5));
  feed.close();
  assert.equal((await request.stdin).length, 10);
  request.answer();
  await response;
  await world.close();
});

test("With connections.max used up by bodies that are read, others share with them", async () => {
  const world = new UpstreamWorld({ multiplex: "on", connections: { max: 2 } });
  const application = await world.application();
  const uploads = [1, 2].map(() => {
    const { body, feed } = fedBody(10);
    const response = world.send({ method: "PUT", body });
    return { feed, sent: response };
  });
  const requests = [await application.next(), await application.next()];
  assert.notEqual(requests[0]!.connection, requests[1]!.connection);
  await world.advance(1_000);
  const others = [world.send(), world.send()];
  const next = [await application.next(), await application.next()];
  assert.notEqual(next[0]!.connection, next[1]!.connection, "spread over both");
  for (const request of next) request.answer();
  await Promise.all(others);
  for (const { feed } of uploads) {
    feed.enqueue(new Uint8Array(10));
    feed.close();
  }
  for (const request of requests) request.answer();
  await Promise.all(uploads.map(({ sent: response }) => response));
  await world.close();
});

test("With connections.max 1 a stuck body makes others wait in the queue, bounded, and none is lost", async () => {
  const world = new UpstreamWorld({
    multiplex: "on",
    connections: { max: 1 },
    queue: { lengthMax: 2, timeoutMs: 3_000 },
  });
  const application = await world.application();
  const early = world.send();
  const before = await application.next();
  const late = world.send({ method: "POST", body: bodyOf("x".repeat(3 * MIB), 3 * MIB) });
  const request = await application.next();
  request.connection.stopReading();
  await world.advance(STALL_MS + 100);
  // What the application has is not held up: responses are read on.
  before.answer("not lost");
  assert.equal(await textOf(await early), "not lost");
  const waiting = [world.send(), world.send()];
  const surplus = world.send();
  await world.settle();
  assert.equal(world.upstream.queueLength, 2);
  assert.equal(await codeOf(surplus), "queue_full");
  await world.advance(3_000 + 100);
  for (const response of waiting) assert.equal(await codeOf(response), "queue_timeout");
  const patient = world.send();
  await world.settle();
  request.connection.readOn();
  await request.stdin;
  request.answer();
  await late;
  (await application.next()).answer("as soon as it goes on");
  assert.equal(await textOf(await patient), "as soon as it goes on");
  await world.close();
});

test("With connections.max 1 a small body that is not read is found out by the question", async () => {
  const world = new UpstreamWorld({
    multiplex: "auto",
    connections: { max: 1 },
    queue: { lengthMax: 2, timeoutMs: 3_000 },
  });
  const { application, late, request } = await stuck(world, 10);
  await world.advance(LOOK_MS + STALL_MS + 100);
  const waiting = world.send();
  await world.settle();
  assert.equal(world.upstream.queueLength, 1);
  request.connection.readOn();
  await request.stdin;
  const next = await application.next();
  assert.equal(next.connection, request.connection);
  next.answer("once it was read");
  assert.equal(await textOf(await waiting), "once it was read");
  request.answer();
  await late;
  await world.close();
});

test("A client that leaves its upload behind does not make its connection look free", async () => {
  const world = new UpstreamWorld({ multiplex: "on" });
  const application = await world.application();
  const leaving = new AbortController();
  const late = world.send({
    method: "POST",
    body: bodyOf("x".repeat(MIB), MIB),
    signal: leaving.signal,
  });
  const request = await application.next();
  request.connection.stopReading();
  await world.advance(100);
  leaving.abort();
  assert.equal(await codeOf(late), "client_gone");
  const other = world.send();
  const next = await application.next();
  assert.notEqual(next.connection, request.connection);
  next.answer();
  await other;
  await world.close();
});
