/** Each time limit ends in its own code, not before its time, and leaves the connection as it should. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordType } from "../../src/protocol/constants.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { ADDRESS, type ScriptedRequest } from "../support/scripted_application.ts";
import {
  bodyOf,
  codeOf,
  errorOf,
  fedBody,
  textOf,
  UpstreamWorld,
} from "../support/upstream_world.ts";

const ON = { multiplex: "on" } as const;

/** A limit may be noticed two ticks late, and the clock moves in steps. */
const LATE_MS = 150;

test("timeouts.connect ends a connect that nobody answers, and the retry after it", async () => {
  const world = new UpstreamWorld({
    ...ON,
    timeouts: { connectMs: 1_000 },
    retry: { attemptsMax: 1, delayMs: 100 },
  });
  world.runtime.network.silence(parseAddress(ADDRESS));
  const response = world.send();
  await world.advance(900);
  assert.deepEqual(world.seen, []);
  await world.advance(LATE_MS + 100);
  assert.deepEqual(world.seen, ["retry connect_timeout"]);
  await world.advance(100 + 1_000 + LATE_MS);
  const error = await errorOf(response);
  assert.deepEqual([error.code, error.phase, error.sent], ["connect_timeout", "connect", false]);
  await world.close();
});

test("timeouts.connect is not put off by an abort on the connection that is being made", async () => {
  const world = new UpstreamWorld({
    ...ON,
    timeouts: { connectMs: 1_000, abortMs: 60_000 },
    retry: { attemptsMax: 0 },
  });
  world.runtime.network.silence(parseAddress(ADDRESS));
  const leaving = new AbortController();
  const first = world.send({ signal: leaving.signal });
  const second = world.send();
  await world.settle();
  leaving.abort();
  await world.advance(100);
  assert.equal(await codeOf(first), "client_gone");
  await world.advance(900 + LATE_MS);
  assert.equal(await codeOf(second), "connect_timeout");
  await world.close();
});

test("timeouts.first_byte ends a request without a response, aborts it, and is not retried", async () => {
  const world = new UpstreamWorld({ ...ON, timeouts: { firstByteMs: 2_000 } });
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  await world.advance(1_900);
  assert.deepEqual(world.seen, []);
  await world.advance(LATE_MS + 100);
  const error = await errorOf(response);
  assert.deepEqual([error.code, error.phase], ["first_byte_timeout", "first_byte"]);
  assert.equal(error.server, ADDRESS);
  await request.aborted;
  assert.deepEqual(world.seen, ["aborted", "error first_byte_timeout"]);
  await world.close();
});

test("timeouts.idle counts from the last piece of the response, and cuts the body", async () => {
  const world = new UpstreamWorld({ ...ON, timeouts: { idleMs: 2_000 } });
  const application = await world.application();
  const sent = world.send();
  const request = await application.next();
  request.stdout("A: 1\n\none ");
  const response = await sent;
  for (let count = 0; count < 3; count++) {
    await world.advance(1_500);
    request.stdout("more ");
    await world.settle();
  }
  await world.advance(2_000 + LATE_MS);
  assert.equal(await codeOf(textOf(response)), "idle_timeout");
  await request.aborted;
  await world.close();
});

test("timeouts.first_byte holds until the header section is whole: nothing before its end moves it", async () => {
  const pieces: readonly (readonly [name: string, say: (request: ScriptedRequest) => void])[] = [
    ["a byte of the header section", (request) => request.stdout("x")],
    ["a 103", (request) => request.stdout("Status: 103\nLink: </a.css>\n\n")],
    ["STDERR", (request) => request.stderr("still here\n")],
    [
      "an empty record of STDERR",
      ({ connection, id }) =>
        connection.records((records) => records.record(RecordType.STDERR, id, new Uint8Array(0))),
    ],
    [
      "a response that nobody asked for",
      ({ connection }) =>
        connection.records((records) =>
          records.record(RecordType.GET_VALUES_RESULT, 0, new Uint8Array(0))
        ),
    ],
    ["UNKNOWN_TYPE", ({ connection }) => connection.records((records) => records.unknownType(200))],
  ];
  for (const [name, say] of pieces) {
    const world = new UpstreamWorld({ ...ON, timeouts: { idleMs: 30_000, firstByteMs: 2_000 } });
    const application = await world.application();
    const response = world.send();
    const request = await application.next();
    for (let count = 0; count < 7; count++) {
      say(request);
      await world.advance(250);
      assert.deepEqual(world.seen.filter((line) => line.startsWith("error")), [], name);
    }
    say(request);
    await world.advance(250 + LATE_MS);
    assert.equal(await codeOf(response), "first_byte_timeout", name);
    await world.close();
  }
});

test("What is thrown away, and what is no STDOUT, moves timeouts.idle no more than silence", async () => {
  const pieces:
    readonly (readonly [name: string, method: string, say: (request: ScriptedRequest) => void])[] =
      [
        ["the body of a response to HEAD", "HEAD", (request) => request.stdout("x")],
        ["STDERR", "GET", (request) => request.stderr("still here\n")],
        [
          "UNKNOWN_TYPE",
          "GET",
          ({ connection }) => connection.records((records) => records.unknownType(200)),
        ],
      ];
  for (const [name, method, say] of pieces) {
    const world = new UpstreamWorld({ ...ON, timeouts: { idleMs: 1_000 } });
    const application = await world.application();
    const response = world.send({ method });
    const request = await application.next();
    request.stdout("A: 1\n\n");
    const { body } = await response;
    const text = new Response(body as ReadableStream).text();
    text.catch(() => {});
    for (let count = 0; count < 3; count++) {
      say(request);
      await world.advance(250);
    }
    assert.equal(world.upstream.requestsOpen, 1, name);
    say(request);
    await world.advance(250 + LATE_MS);
    assert.equal(world.upstream.requestsOpen, 0, name);
    if (method === "GET") assert.equal(await codeOf(text), "idle_timeout", name);
    await world.close();
  }
});

test("timeouts.total ends an exchange that goes on, however lively", async () => {
  const world = new UpstreamWorld({ ...ON, timeouts: { totalMs: 3_000 } });
  const application = await world.application();
  const response = world.send();
  const request = await application.next();
  request.stdout("A: 1\n\n");
  const text = textOf(await response);
  text.catch(() => {});
  for (let count = 0; count < 7; count++) {
    request.stdout("piece ");
    await world.advance(400);
  }
  assert.deepEqual(world.seen, []);
  await world.advance(400);
  assert.equal(await codeOf(text), "total_timeout");
  await world.close();
});

test("timeouts.total is the limit of all attempts together", async () => {
  const world = new UpstreamWorld({
    ...ON,
    timeouts: { totalMs: 2_000, connectMs: 800 },
    retry: { attemptsMax: 5, delayMs: 0 },
  });
  world.runtime.network.silence(parseAddress(ADDRESS));
  const response = world.send();
  await world.advance(2_500);
  assert.equal(await codeOf(response), "total_timeout");
  await world.close();
});

test("A client that stops sending its body is told so, and not that the application was slow", async () => {
  const world = new UpstreamWorld({ timeouts: { firstByteMs: 2_000 } });
  const application = await world.application();
  const first = world.send();
  (await application.next()).answer();
  await first;
  const { body, feed } = fedBody(100);
  const response = world.send({ method: "POST", body });
  feed.enqueue(new Uint8Array(10));
  const request = await application.next();
  await world.advance(2_000 + LATE_MS);
  const error = await errorOf(response);
  assert.deepEqual([error.code, error.fault], ["request_body_timeout", "client"]);
  await request.aborted;
  await world.close();
});

test("An application that does not take the body is told by its own code", async () => {
  const world = new UpstreamWorld({ ...ON, timeouts: { firstByteMs: 2_000 } });
  const application = await world.application();
  const length = 4 * 1024 * 1024;
  const response = world.send({
    body: { stream: new Blob([new Uint8Array(length)]).stream(), length, memoryMax: 64 * 1024 },
  });
  await application.next();
  application.connections[0]!.stopReading();
  await world.advance(2_000 + 4 * LATE_MS);
  const error = await errorOf(response);
  assert.deepEqual([error.code, error.fault], ["send_timeout", "application"]);
  application.connections[0]!.readOn();
  await world.close();
});

test("An application that does not answer a complete body is slow itself", async () => {
  const world = new UpstreamWorld({ timeouts: { firstByteMs: 2_000 } });
  const application = await world.application();
  const first = world.send();
  (await application.next()).answer();
  await first;
  const response = world.send({ method: "POST", body: bodyOf("all of it") });
  assert.equal(await (await application.next()).stdin, "all of it");
  await world.advance(2_000 + LATE_MS);
  assert.equal(await codeOf(response), "first_byte_timeout");
  await world.close();
});

test("A body that is gathered may not stand still either, and leaves nothing behind", async () => {
  const world = new UpstreamWorld({ multiplex: "off", timeouts: { firstByteMs: 2_000 } });
  const application = await world.application();
  const { body, feed, cancelled } = fedBody();
  const response = world.send({ method: "POST", body: { ...body, memoryMax: 4 } });
  for (let count = 0; count < 3; count++) {
    feed.enqueue(new Uint8Array(10));
    await world.advance(1_500);
  }
  await world.advance(1_000);
  assert.equal(await codeOf(response), "request_body_timeout");
  await cancelled;
  assert.equal(application.connections.length, 0);
  assert.deepEqual(world.seen, ["error request_body_timeout"]);
  await world.close();
});

test("While reading stands still for a slow client, the application is not called slow", async () => {
  const world = new UpstreamWorld({
    ...ON,
    timeouts: { idleMs: 1_000, firstByteMs: 1_000 },
    limits: { responseBufferMax: 1_000, spillMax: 0 },
  });
  const application = await world.application();
  const sent = world.send();
  const request = await application.next();
  const waiting = world.send();
  const neighbour = await application.next();
  request.stdout("A: 1\n\n");
  const response = await sent;
  request.stdout("x".repeat(5_000));
  await world.settle();
  assert.deepEqual(world.seen, ["paused"]);
  request.stdout("y");
  request.end();
  neighbour.answer("patient");
  await world.advance(4_000);
  assert.equal((await textOf(response)).length, 5_001);
  assert.equal(await textOf(await waiting), "patient");
  await world.close();
});
