/** What `probeApplication` finds out of applications of each kind, with a clock that the test moves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import { NEGOTIATION_TIMEOUT_MS } from "../../src/upstream/negotiation.ts";
import { KEEP_OBSERVED_MS, probeApplication } from "../../src/upstream/probe.ts";
import { ADDRESS } from "../support/scripted_application.ts";
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
