/** Many requests on one connection: placing, ids, aborts, errors, and what one may do to another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolStatus, RecordType } from "../../src/protocol/constants.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { RETIRED_IDS_MAX } from "../../src/upstream/connection.ts";
import { ADDRESS } from "../support/scripted_application.ts";
import { codeOf, errorOf, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const ON = { multiplex: "on" } as const;
const text = new TextEncoder();

test("Upstream carries 200 requests over one connection and gives each its own response", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const responses = Array.from(
    { length: 200 },
    (_, index) => world.send({ params: [["N", `${index}`]] }),
  );
  const requests = [];
  for (let count = 0; count < 200; count++) requests.push(await application.next());
  assert.equal(application.connections.length, 1);
  assert.deepEqual(
    requests.map(({ id }) => id),
    Array.from({ length: 200 }, (_, index) => index + 1),
  );
  for (const request of requests.reverse()) request.answer(`response ${request.params.get("N")}`);
  const texts = await Promise.all(responses.map(async (response) => await textOf(await response)));
  assert.deepEqual(texts, Array.from({ length: 200 }, (_, index) => `response ${index}`));
  await world.close();
});

test("Upstream fills a connection's streams before it makes the next, up to connections.max", async () => {
  const world = new UpstreamWorld({ ...ON, connections: { streamsMax: 2, max: 2 } });
  const application = await world.application();
  const responses = Array.from({ length: 5 }, () => world.send());
  const requests = [];
  for (let count = 0; count < 4; count++) requests.push(await application.next());
  await world.settle();
  assert.equal(application.connections.length, 2);
  assert.equal(world.upstream.queueLength, 1, "streams.max and connections.max are used up");
  requests[0]!.answer();
  requests.push(await application.next());
  assert.equal(requests[4]!.id, requests[0]!.id, "the lowest id, free again");
  for (const request of requests.slice(1)) request.answer();
  await Promise.all(responses);
  await world.close();
});

test("A request that begins when others end never gets what is left of their last read", async () => {
  const world = new UpstreamWorld({ ...ON, connections: { streamsMax: 2, max: 1 } });
  const application = await world.application();
  const [first, second, third] = [world.send(), world.send(), world.send()];
  const { connection } = await application.next();
  await application.next();
  await world.settle();
  assert.equal(world.upstream.queueLength, 1);
  // One piece: request 2 ends, and then request 1 answers and ends. The third takes a free id.
  connection.records((records) => {
    records.stream(RecordType.STDOUT, 2, text.encode("A: 2\n\nsecond"));
    records.endRequest(2, 0, 0);
    records.stream(RecordType.STDOUT, 1, text.encode("A: 1\n\nfirst"));
    records.endRequest(1, 0, 0);
    records.stream(RecordType.STDOUT, 1, text.encode("stray"));
  });
  connection.forget(1, 2);
  assert.equal(await textOf(await second), "second");
  assert.equal(await textOf(await first), "first");
  await world.settle();
  connection.records((records) => {
    records.stream(RecordType.STDOUT, 1, text.encode("A: 3\n\nthird"));
    records.endRequest(1, 0, 0);
  });
  connection.forget(1);
  assert.equal(await textOf(await third), "third");
  const [upstreamConnection] = world.upstream.servers[0]!.connections;
  assert.equal(upstreamConnection!.strayRecords, 1);
  await world.close();
});

test("A client that leaves has its request aborted; the id is not used again, whatever comes", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const leaving = new AbortController();
  const response = world.send({ signal: leaving.signal });
  const request = await application.next();
  leaving.abort();
  await world.advance(100);
  assert.equal(await codeOf(response), "client_gone");
  await request.aborted;
  const other = world.send();
  const next = await application.next();
  assert.equal(next.id, 2);
  assert.equal(next.connection, request.connection);
  request.stdout("A: 1\n\nnobody reads this");
  request.end();
  await world.settle();
  const [connection] = world.upstream.servers[0]!.connections;
  assert.equal(connection!.streams, 1, "the request has ended");
  const third = world.send();
  const last = await application.next();
  assert.equal(last.id, 3);
  next.answer();
  last.answer();
  await Promise.all([other, third]);
  assert.deepEqual(world.seen, ["aborted", "error client_gone"]);
  await world.close();
});

test("A connection drains once half of its ids were used up by aborts", async () => {
  const world = new UpstreamWorld({ ...ON, connections: { streamsMax: 4 } });
  const application = await world.application();
  for (let count = 0; count < 2; count++) {
    const leaving = new AbortController();
    const response = world.send({ signal: leaving.signal });
    const request = await application.next();
    leaving.abort();
    await world.advance(100);
    assert.equal(await codeOf(response), "client_gone");
    assert.equal(request.connection.isClosed, false);
    request.end();
    await world.settle();
  }
  await application.connections[0]!.closed;
  const response = world.send();
  (await application.next()).answer();
  await response;
  assert.equal(application.connections.length, 2);
  await world.close();
});

test("A connection drains after 256 aborted requests, however many ids it has", async () => {
  const world = new UpstreamWorld({ ...ON, connections: { streamsMax: 65_535 } });
  const application = await world.application();
  for (let count = 0; count < RETIRED_IDS_MAX; count++) {
    assert.equal(application.connections[0]?.isClosed ?? false, false);
    const leaving = new AbortController();
    const response = world.send({ signal: leaving.signal });
    const request = await application.next();
    assert.equal(request.id, count + 1);
    leaving.abort();
    // The end of a client is looked at with the next tick.
    await world.advance(50);
    assert.equal(await codeOf(response), "client_gone");
    request.end();
  }
  await application.connections[0]!.closed;
  const response = world.send();
  (await application.next()).answer();
  await response;
  assert.equal(application.connections.length, 2);
  await world.close();
});

test("A connection takes nothing new once timeouts.abort is over, and closes after its last request", async () => {
  const world = new UpstreamWorld({ ...ON, timeouts: { abortMs: 2_000 } });
  const application = await world.application();
  const leaving = new AbortController();
  const aborted = world.send({ signal: leaving.signal });
  const ignoring = await application.next();
  const staying = world.send();
  const neighbour = await application.next();
  leaving.abort();
  await world.advance(100);
  await codeOf(aborted);
  await world.advance(1_900);
  const before = world.send();
  const beforeRequest = await application.next();
  assert.equal(beforeRequest.connection, ignoring.connection, "not yet");
  await world.advance(200);
  const after = world.send();
  const afterRequest = await application.next();
  assert.notEqual(afterRequest.connection, ignoring.connection);
  beforeRequest.answer();
  await before;
  assert.equal(ignoring.connection.isClosed, false);
  neighbour.answer();
  await staying;
  await ignoring.connection.closed;
  afterRequest.answer();
  await after;
  assert.equal(world.connectionCount, 1);
  await world.close();
});

test("A connection whose only request was aborted in vain closes after timeouts.abort", async () => {
  const world = new UpstreamWorld({ ...ON, timeouts: { abortMs: 1_000 } });
  const application = await world.application();
  const leaving = new AbortController();
  const response = world.send({ signal: leaving.signal });
  const request = await application.next();
  leaving.abort();
  await world.advance(100);
  await codeOf(response);
  await world.advance(1_100);
  await request.connection.closed;
  await world.settle();
  assert.equal(world.connectionCount, 0);
  await world.close();
});

test("A client that leaves before the connection stands does not make the server a failed one", async () => {
  const world = new UpstreamWorld({ multiplex: "off", connections: { max: 1 } });
  const application = await world.application();
  const leaving = new AbortController();
  world.runtime.network.silence(parseAddress(ADDRESS));
  const first = world.send({ signal: leaving.signal });
  await world.settle();
  assert.equal(world.connectionCount, 1);
  const second = world.send();
  leaving.abort();
  await world.advance(100);
  assert.equal(await codeOf(first), "client_gone");
  assert.equal(world.upstream.servers[0]!.isEjected, false);
  assert.equal(world.connectionCount, 1, "the second request is on its way");
  assert.deepEqual(world.seen, ["aborted", "error client_gone"]);
  assert.equal(application.connections.length, 0);
  await world.close();
  assert.equal(await codeOf(second), "draining");
});

test("Empty records of STDOUT and records of unknown types harm neither request", async () => {
  const world = new UpstreamWorld({ ...ON, retry: { attemptsMax: 0 } });
  const application = await world.application();
  const [first, second] = [world.send(), world.send()];
  const odd = await application.next();
  const neighbour = await application.next();
  odd.connection.records((records) => {
    records.streamEnd(RecordType.STDOUT, 1);
    records.stream(RecordType.STDOUT, 1, text.encode("A: 1\n\nhalf "));
    records.record(99, 1, text.encode("what is this"));
    records.streamEnd(RecordType.STDOUT, 1);
    records.record(0, 0, text.encode(""));
    records.stream(RecordType.STDOUT, 1, text.encode("and half"));
  });
  odd.end();
  assert.equal(await textOf(await first), "half and half");
  assert.deepEqual(world.seen, ["flaw unknown_record", "flaw unknown_record"]);
  neighbour.answer("fine");
  assert.equal(await textOf(await second), "fine");
  await world.close();
});

test("Bytes that are not FastCGI fail every request of the connection, and say so", async () => {
  const world = new UpstreamWorld({ ...ON, retry: { attemptsMax: 0 } });
  const application = await world.application();
  const responses = [world.send(), world.send()];
  const { connection } = await application.next();
  await application.next();
  connection.raw("HTTP/1.1 400 Bad Request\r\n\r\n");
  for (const response of responses) {
    const error = await errorOf(response);
    assert.equal(error.code, "bad_record");
    assert.match(error.message, /does it speak FastCGI\?/);
  }
  await connection.closed;
  await world.close();
});

test("CANT_MPX_CONN makes the server a single one from then on, and the request is sent again", async () => {
  const world = new UpstreamWorld();
  const application = await world.application({ values: "lie", multiplex: false });
  const [first, second] = [world.send(), world.send({ method: "POST" })];
  const one = await application.next();
  const two = await application.next();
  assert.notEqual(two.connection, one.connection, "retried on a connection of its own");
  assert.equal(world.upstream.servers[0]!.mode, "single");
  two.answer("two");
  assert.equal(await textOf(await second), "two");
  one.answer("one");
  assert.equal(await textOf(await first), "one");
  await one.connection.closed;
  assert.deepEqual(world.seen, ["retry cannot_multiplex"]);
  await world.close();
});

test("A request is never placed on a shared connection of a server that became a single one", async () => {
  const world = new UpstreamWorld({ retry: { attemptsMax: 0 }, connections: { streamsMax: 2 } });
  const application = await world.application();
  const first = world.send();
  const shared = await application.next();
  // The server is down for new connections, and comes back without multiplexing.
  const full = [world.send(), world.send()];
  await application.next();
  (await application.next()).answer();
  application.stopListening();
  const [one] = world.upstream.servers[0]!.connections;
  assert.ok(one);
  await full[1];
  application.carriers[1]!.close();
  await world.settle();
  const third = world.send();
  assert.equal(await codeOf(third), "connect_failed");
  application.options = { multiplex: false };
  await application.listen(world.runtime);
  const fourth = world.send();
  const alone = await application.next();
  assert.notEqual(alone.connection, shared.connection);
  alone.answer();
  await fourth;
  shared.answer();
  await first;
  await codeOf(Promise.all([full[0]!, world.close()]));
});

test("A connection is closed after connections.max_requests, once all of them have ended", async () => {
  const world = new UpstreamWorld({ ...ON, connections: { requestsMax: 2 } });
  const application = await world.application();
  const responses = [world.send(), world.send(), world.send()];
  const [one, two, three] = [
    await application.next(),
    await application.next(),
    await application.next(),
  ];
  assert.equal(one.connection, two.connection);
  assert.notEqual(two.connection, three.connection);
  one.answer();
  two.answer();
  await one.connection.closed;
  three.answer();
  await Promise.all(responses);
  assert.equal(three.connection.isClosed, false);
  await world.close();
});

test("A shared connection without requests is closed after its idle time, and not while one is open", async () => {
  const world = new UpstreamWorld({ ...ON, timeouts: { firstByteMs: 500_000 } });
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  await world.advance(100_000);
  assert.equal(request.connection.isClosed, false);
  request.answer();
  await response;
  await world.advance(59_000);
  assert.equal(request.connection.isClosed, false);
  await world.advance(1_100);
  await request.connection.closed;
  await world.close();
});

test("A request that comes in the moment an idle connection is closed gets a new one", async () => {
  const world = new UpstreamWorld({ ...ON, connections: { idleTimeoutMs: 1_000 } });
  const application = await world.application();
  const first = world.send();
  (await application.next()).answer();
  await first;
  world.runtime.clock.advance(1_100);
  // The connection is being closed; its end has not been seen yet.
  const second = world.send({ method: "POST" });
  (await application.next()).answer("new");
  assert.equal(await textOf(await second), "new");
  assert.equal(application.connections.length, 2);
  await world.close();
});

test("OVERLOADED is retried after a while, whatever the method, and then given up", async () => {
  const world = new UpstreamWorld({ ...ON, retry: { attemptsMax: 1, delayMs: 300 } });
  const application = await world.application();
  const response = world.send({ method: "POST" });
  (await application.next()).end(ProtocolStatus.OVERLOADED);
  await world.settle();
  assert.equal(application.begun, 0, "not at once");
  await world.advance(300);
  (await application.next()).end(ProtocolStatus.OVERLOADED);
  assert.equal(await codeOf(response), "overloaded");
  assert.deepEqual(world.seen, ["retry overloaded", "error overloaded"]);
  await world.close();
});

test("UNKNOWN_ROLE and a status that does not exist are failures of their own, not retried", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const role = world.send();
  (await application.next()).end(ProtocolStatus.UNKNOWN_ROLE);
  assert.equal(await codeOf(role), "unknown_role");
  const status = world.send();
  (await application.next()).end(77 as ProtocolStatus);
  assert.equal(await codeOf(status), "bad_answer");
  assert.deepEqual(world.seen, ["error unknown_role", "error bad_answer"]);
  await world.close();
});

test("STDERR becomes lines of its own request and never part of a response", async () => {
  const world = new UpstreamWorld(ON);
  const application = await world.application();
  const [first, second] = [world.send({ id: "a" }), world.send({ id: "b" })];
  const [one, two] = [await application.next(), await application.next()];
  one.stderr("half ");
  two.stderr("other\n");
  one.stderr("line\r\nunfinished");
  one.answer("one");
  two.answer("two");
  assert.deepEqual([await textOf(await first), await textOf(await second)], ["one", "two"]);
  assert.deepEqual(world.seen.toSorted(), [
    "stderr a 1: half line",
    "stderr a 1: unfinished",
    "stderr b 2: other",
  ]);
  await world.close();
});
