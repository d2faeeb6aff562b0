/** What may be sent again, how often, when, and what may not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { mayRetry, noAttempts, shouldWait } from "../../src/upstream/attempts.ts";
import { UpstreamError, type UpstreamErrorCode } from "../../src/upstream/errors.ts";
import { fillUpstreamOptions } from "../../src/upstream/options.ts";
import { REPEATABLE_LENGTH_MAX } from "../../src/upstream/request_body.ts";
import { ADDRESS } from "../support/scripted_application.ts";
import { bodyOf, codeOf, fedBody, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const ON = { multiplex: "on" } as const;

function errorWith(code: UpstreamErrorCode, sent: boolean): UpstreamError {
  return new UpstreamError(code, code, { phase: "first_byte", sent });
}

function retried(
  code: UpstreamErrorCode,
  {
    sent = true,
    method = "GET",
    count = 1,
    bodyIsThere = true,
    hasOthers = false,
    attemptsMax = 2,
    sameServer = false,
  } = {},
): boolean {
  const options = fillUpstreamOptions({
    servers: ["127.0.0.1:9000"],
    retry: { attemptsMax, methods: ["GET"], delayMs: 1, sameServer },
  });
  // The server of the attempt that failed.
  const tried = new Set([new UpstreamWorld().upstream.servers[0]!]);
  const attempts = { ...noAttempts(Infinity), count, tried };
  const error = errorWith(code, sent);
  return mayRetry({ error, attempts, method, bodyIsThere, hasOthers, options });
}

test("A request that was not sent may be repeated whatever its method; one that was, if it is listed", () => {
  assert.equal(retried("connect_failed", { sent: false, method: "POST" }), true);
  assert.equal(retried("connection_lost", { method: "GET", hasOthers: true }), true);
  assert.equal(retried("connection_lost", { method: "POST", hasOthers: true }), false);
});

test("A request that may have run is not repeated where it was lost, unless retry.same_server is set", () => {
  assert.equal(retried("connection_lost", { method: "GET" }), false);
  assert.equal(retried("connection_lost", { method: "GET", sameServer: true }), true);
  assert.equal(retried("connection_lost", { method: "POST", sameServer: true }), false);
  assert.equal(retried("connection_lost", { sent: false, method: "POST" }), true);
});

test("A request that the application refused unseen may be repeated whatever its method", () => {
  assert.equal(retried("overloaded", { method: "POST" }), true);
  assert.equal(retried("cannot_multiplex", { method: "POST" }), true);
});

test("A request without its body, or with its attempts used up, is not repeated", () => {
  assert.equal(retried("connect_failed", { sent: false, bodyIsThere: false }), false);
  assert.equal(retried("connect_failed", { sent: false, count: 2 }), true);
  assert.equal(retried("connect_failed", { sent: false, count: 3 }), false);
  assert.equal(retried("connect_failed", { sent: false, count: 1, attemptsMax: 0 }), false);
});

test("Bytes that are not FastCGI are worth another server, never the same one", () => {
  assert.equal(retried("bad_record"), false);
  assert.equal(retried("bad_record", { hasOthers: true }), true);
});

test("Timeouts, bad responses, bad bodies and clients that left are never repeated", () => {
  const codes = [
    "lookup_failed",
    "servers_down",
    "queue_full",
    "queue_timeout",
    "request_body_timeout",
    "request_body_failed",
    "first_byte_timeout",
    "idle_timeout",
    "total_timeout",
    "bad_answer",
    "answer_too_large",
    "spill_failed",
    "unknown_role",
    "client_gone",
    "draining",
  ] as const;
  for (const code of codes) {
    assert.equal(retried(code, { sent: false, hasOthers: true }), false, code);
  }
});

test("The next attempt waits where the last one failed, not for a stale connection or CANT_MPX", () => {
  const attempts = noAttempts(Infinity);
  assert.equal(shouldWait(errorWith("connect_failed", false), attempts, true), false);
  const [server] = new UpstreamWorld().upstream.servers;
  const tried = { ...attempts, tried: new Set([server!]) };
  assert.equal(shouldWait(errorWith("connect_failed", false), tried, false), true);
  assert.equal(shouldWait(errorWith("connect_failed", false), tried, true), false);
  assert.equal(shouldWait(errorWith("cannot_multiplex", true), tried, false), false);
  const stale = { ...tried, wantsFreshConnection: true };
  assert.equal(shouldWait(errorWith("connection_lost", true), stale, false), false);
});

test("Upstream makes retry.attempts more attempts with retry.delay between, then gives up", async () => {
  const world = new UpstreamWorld({ ...ON, retry: { attemptsMax: 2, delayMs: 400 } });
  const response = world.send({ method: "POST" });
  for (let count = 1; count <= 3; count++) {
    await world.settle();
    assert.equal(world.runtime.network.connectCount(parseAddress(ADDRESS)), count);
    if (count < 3) await world.advance(350);
    assert.equal(world.runtime.network.connectCount(parseAddress(ADDRESS)), count, "too early");
    if (count < 3) await world.advance(50);
  }
  assert.equal(await codeOf(response), "connect_failed");
  assert.deepEqual(world.seen, [
    "retry connect_failed",
    "retry connect_failed",
    "error connect_failed",
  ]);
  await world.close();
});

test("A gathered body is sent again in full", async () => {
  const world = new UpstreamWorld({ multiplex: "off", retry: { delayMs: 10, sameServer: true } });
  const application = await world.application({ multiplex: false });
  const text = "0123456789".repeat(1_000);
  const response = world.send({ method: "PUT", body: { ...bodyOf(text), memoryMax: 100 } });
  const first = await application.next();
  assert.equal(await first.stdin, text);
  first.connection.close();
  await world.advance(50);
  const second = await application.next();
  assert.equal(await second.stdin, text);
  second.answer("done");
  assert.equal(await textOf(await response), "done");
  await world.close();
});

test("A long streamed body of which a piece was read is gone, and its request is not repeated", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const first = world.send();
  (await application.next()).answer();
  await first;
  const { body, feed } = fedBody(REPEATABLE_LENGTH_MAX + 1);
  const response = world.send({ method: "PUT", body });
  feed.enqueue(new Uint8Array(10));
  const request = await application.next();
  await world.settle();
  request.connection.close();
  assert.equal(await codeOf(response), "connection_lost");
  assert.deepEqual(world.seen, ["error connection_lost"]);
  await world.close();
});

for (const status of ["OVERLOADED", "CANT_MPX_CONN"] as const) {
  test(`A short streamed POST is sent again after ${status}, also one that is still being read`, async () => {
    const world = new UpstreamWorld({ ...ON, retry: { delayMs: 10 } });
    const application = await world.application();
    const { body, feed } = fedBody(10);
    const response = world.send({ method: "POST", body });
    feed.enqueue(new TextEncoder().encode("01234"));
    const first = await application.next();
    await world.settle();
    assert.equal(first.stdinLength, 5);
    first.end(ProtocolStatus[status]);
    await world.advance(50);
    const second = await application.next();
    feed.enqueue(new TextEncoder().encode("56789"));
    feed.close();
    assert.equal(await second.stdin, "0123456789");
    second.answer("done");
    assert.equal(await textOf(await response), "done");
    await world.close();
  });
}

test("A short streamed POST is not sent again after a lost connection", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const response = world.send({ method: "POST", body: bodyOf("0123456789") });
  const request = await application.next();
  assert.equal(await request.stdin, "0123456789");
  request.connection.close();
  assert.equal(await codeOf(response), "connection_lost");
  assert.deepEqual(world.seen, ["error connection_lost"]);
  await world.close();
});

test("A short streamed body that is answered early is not read on", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const { body, feed, cancelled } = fedBody(10);
  const response = world.send({ method: "POST", body });
  feed.enqueue(new Uint8Array(5));
  const request = await application.next();
  await world.settle();
  request.answer("no more");
  assert.equal(await textOf(await response), "no more");
  await cancelled;
  await world.close();
});

test("A streamed body that nobody has read yet is there for another attempt", async () => {
  const world = new UpstreamWorld({ ...ON, retry: { delayMs: 100 } });
  const response = world.send({ method: "POST", body: bodyOf("still here") });
  await world.settle();
  assert.deepEqual(world.seen, ["retry connect_failed"]);
  const application = await world.application();
  await world.advance(100);
  const request = await application.next();
  assert.equal(await request.stdin, "still here");
  request.answer();
  await response;
  await world.close();
});

test("Nothing is repeated once the header section of a response was given", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  request.stdout("A: 1\n\nhalf");
  const text = textOf(await response);
  request.connection.close();
  assert.equal(await codeOf(text), "connection_lost");
  await world.advance(1_000);
  assert.equal(application.begun, 0);
  await world.close();
});

test("A client that leaves between two attempts is heard at once", async () => {
  const world = new UpstreamWorld({ ...ON, retry: { delayMs: 60_000 } });
  const leaving = new AbortController();
  const response = world.send({ signal: leaving.signal });
  await world.settle();
  assert.deepEqual(world.seen, ["retry connect_failed"]);
  leaving.abort();
  assert.equal(await codeOf(response), "client_gone");
  await world.close();
});
