/** What `probeApplication` finds out of applications of each kind, with a clock that the test moves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import { NEGOTIATION_TIMEOUT_MS } from "../../src/upstream/negotiation.ts";
import { KEEP_OBSERVED_MS, probeApplication } from "../../src/upstream/probe.ts";
import {
  ADDRESS,
  type ApplicationOptions,
  type ScriptedRequest,
} from "../support/scripted_application.ts";
import { UpstreamWorld } from "../support/upstream_world.ts";

const TIMEOUT_MS = 5_000;

function probe(world: UpstreamWorld) {
  const { runtime } = world;
  return probeApplication(parseAddress(ADDRESS), { runtime, timeoutMs: TIMEOUT_MS });
}

test("A connection that stays open for 100 ms after the response counts as kept", async () => {
  const world = new UpstreamWorld();
  const application = await world.application();
  const report = probe(world);
  (await application.next()).answer();
  await world.advance(KEEP_OBSERVED_MS - 1);
  assert.equal(application.carriers[0]!.isClosed, false);
  await world.advance(1);
  const { keepsConnection, multiplexes, fault } = await report;
  assert.deepEqual([keepsConnection, multiplexes, fault], [true, true, undefined]);
  await application.carriers[0]!.closed;
  await world.close();
});

test("A connection that is closed before 100 ms are over is not kept", async () => {
  const world = new UpstreamWorld();
  const application = await world.application({ values: "close", multiplex: false });
  const report = probe(world);
  const request = await application.next();
  request.answer();
  await world.advance(KEEP_OBSERVED_MS - 1);
  request.connection.close();
  const { keepsConnection, multiplexes, fault } = await report;
  assert.deepEqual([keepsConnection, multiplexes, fault], [false, false, undefined]);
  await world.close();
});

test("An application that says nothing is given up after the time for each question", async () => {
  const world = new UpstreamWorld();
  const application = await world.application({ values: "silence" });
  const report = probe(world);
  await world.advance(NEGOTIATION_TIMEOUT_MS);
  await application.next();
  await world.advance(TIMEOUT_MS);
  const { values, keepsConnection, answerMs, fault } = await report;
  assert.deepEqual([values, keepsConnection, answerMs], [undefined, undefined, undefined]);
  assert.match(fault!, /^It answered neither/);
  await world.close();
});

/** Asks, and lets a test say what the request gets. */
async function probed(
  respond: (request: ScriptedRequest, world: UpstreamWorld) => void | Promise<void>,
  options: ApplicationOptions = {},
) {
  const world = new UpstreamWorld();
  const application = await world.application(options);
  const report = probe(world);
  const request = await application.next();
  await respond(request, world);
  await world.advance(KEEP_OBSERVED_MS);
  const { clock } = world.runtime;
  const result = { ...await report, params: request.params, application, timers: clock.timerCount };
  await world.settle();
  assert.equal(application.connections.every(({ isClosed }) => isClosed), true);
  assert.equal(clock.timerCount, 0);
  await world.close();
  return result;
}

test("What is asked is a GET of the root, and what it gets is reported with its time", async () => {
  const report = await probed(async (request, world) => {
    await world.advance(150);
    request.stdout("Status: 404\r\nA: b\r\n\r\nno");
    request.stderr("not looked at");
    request.stdout("thing");
    await world.advance(100);
    request.end();
  });
  const { params, values, answerMs, answerBody, connectMs, outcome, fault } = report;
  assert.equal(values?.FCGI_MPXS_CONNS, "1");
  assert.deepEqual([answerMs, answerBody, connectMs, outcome, fault], [
    ...[250, "nothing", 0, "answered", undefined],
  ]);
  assert.deepEqual([params.get("REQUEST_METHOD"), params.get("REQUEST_URI")], ["GET", "/"]);
  assert.equal(report.keepsConnection, true);
});

test("Of a response's beginning 4096 characters are looked at, and of a body what follows the fields", async () => {
  const headers = "A: b\n\n";
  for (const pieces of [[10_000], [1, 4_089, 1, 1], [4_090, 100]]) {
    const { answerBody } = await probed((request) => {
      request.stdout(headers);
      for (const length of pieces) request.stdout("x".repeat(length));
      request.end();
    });
    assert.equal(answerBody, "x".repeat(4_096 - headers.length));
  }
  const noHeaders = await probed((request) => {
    request.stdout("no header section");
    request.end();
  });
  assert.deepEqual([noHeaders.answerBody, noHeaders.keepsConnection], ["", true]);
});

test("One that closes, breaks or says nothing of its request has not answered it", async () => {
  const ways: Readonly<
    Record<string, (request: ScriptedRequest, world: UpstreamWorld) => unknown>
  > = {
    close: (request) => request.connection.close(),
    broken: (request) => request.connection.raw("HTTP/1.1 400 Bad Request\r\n\r\n"),
    silence: (_, world) => world.advance(TIMEOUT_MS),
  };
  for (const [way, respond] of Object.entries(ways)) {
    for (const values of ["truth", "silence"] as const) {
      const world = new UpstreamWorld();
      const application = await world.application({ values });
      const report = probe(world);
      if (values === "silence") await world.advance(NEGOTIATION_TIMEOUT_MS);
      await respond(await application.next(), world);
      const { keepsConnection, answerMs, answerBody, fault, outcome } = await report;
      assert.deepEqual(
        [keepsConnection, answerMs, answerBody],
        [undefined, undefined, undefined],
        way,
      );
      assert.equal(outcome, values === "truth" ? "answered" : "silent", way);
      if (values === "truth") assert.equal(fault, undefined, way);
      else assert.match(fault!, /^It answered neither/, way);
      await world.settle();
      assert.equal(world.runtime.clock.timerCount, 0, way);
      await world.close();
    }
  }
});

test("One that closes with its response's end is not kept", async () => {
  const { keepsConnection, answerMs } = await probed((request) => {
    request.answer("x");
    request.connection.close();
  });
  assert.deepEqual([keepsConnection, answerMs], [false, 0]);
});

test("One that takes no connection is told of, and whether the question has ended it", async () => {
  const world = new UpstreamWorld();
  const nobody = await probe(world);
  assert.deepEqual([nobody.outcome, nobody.multiplexes, nobody.values], [
    ...[undefined, false, undefined],
  ]);
  assert.match(nobody.fault!, /^Cannot connect/);
  const application = await world.application({ values: "hang_up" });
  const report = probe(world);
  // It takes the question's connection, and no other.
  while (application.questions === 0) await Promise.resolve();
  application.stopListening();
  const { fault, outcome } = await report;
  assert.equal(outcome, "closed");
  assert.match(fault!, /^It ended when it was asked with FCGI_GET_VALUES .*: Cannot connect/);
  assert.equal(world.runtime.clock.timerCount, 0);
  await world.close();
});
