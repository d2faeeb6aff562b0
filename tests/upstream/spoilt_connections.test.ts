/** Which connections that carry one request at a time are used again: by how the last request ended. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolStatus } from "../../src/protocol/constants.ts";
import { codeOf, fedBody, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const CASES = [
  ["REQUEST_COMPLETE", undefined],
  ["OVERLOADED", "overloaded"],
  ["UNKNOWN_ROLE", "unknown_role"],
] as const;

for (const [status, code] of CASES) {
  test(`A connection is ${code ? "not " : ""}used again after END_REQUEST says ${status}`, async () => {
    const world = new UpstreamWorld({
      multiplex: "off",
      connections: { max: 1, reuse: true },
      retry: { attemptsMax: 0 },
    });
    const application = await world.application({ multiplex: false });
    const first = world.send();
    const request = await application.next();
    if (code === undefined) request.answer("whole");
    else request.end(ProtocolStatus[status]);
    if (code === undefined) assert.equal(await textOf(await first), "whole");
    else assert.equal(await codeOf(first), code);
    const second = world.send();
    const next = await application.next();
    next.answer("next");
    assert.equal(await textOf(await second), "next");
    assert.equal(next.connection === request.connection, code === undefined);
    await world.close();
  });
}

test("A connection is not used again whose application answered before it had the body", async () => {
  const world = new UpstreamWorld({
    multiplex: "off",
    connections: { max: 1, reuse: true },
    limits: {},
  });
  const application = await world.application({ multiplex: false });
  const { body, feed } = fedBody(300_000);
  const first = world.send({ method: "POST", body: { ...body, memoryMax: 1_000_000 } });
  feed.enqueue(new Uint8Array(300_000));
  feed.close();
  await world.settle();
  const request = await application.next();
  request.connection.stopReading();
  request.answer("early");
  assert.equal(await textOf(await first), "early");
  const second = world.send();
  const next = await application.next();
  next.answer("next");
  assert.equal(await textOf(await second), "next");
  assert.equal(next.connection === request.connection, request.stdinLength === 300_000);
  await world.close();
});
