/** The least rate of a body: which clients are too slow, and what does not count. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RATE_WINDOW_MS } from "../../src/upstream/paced_reader.ts";
import {
  bodyOf,
  codeOf,
  errorOf,
  fedBody,
  textOf,
  UpstreamWorld,
} from "../support/upstream_world.ts";

const RATE = 100;
/** Bytes that are just enough for a window. */
const ENOUGH = RATE * RATE_WINDOW_MS / 1000;
const LATE_MS = 200;
const TIMEOUTS = { firstByteMs: 100_000, totalMs: 0, idleMs: 100_000 };
const RETRY = { attemptsMax: 0 };

for (const mode of ["stream", "gather"] as const) {
  const options = { multiplex: "on", timeouts: TIMEOUTS, retry: RETRY } as const;

  test(`A body that comes with less than its rate fails, mode ${mode}`, async () => {
    const world = new UpstreamWorld(options);
    await world.application();
    const { body, feed, cancelled } = fedBody();
    const response = world.send({ method: "POST", body: { ...body, mode, rateMin: RATE } });
    feed.enqueue(new Uint8Array(ENOUGH - 1));
    await world.advance(RATE_WINDOW_MS + LATE_MS);
    const error = await errorOf(response);
    assert.deepEqual([error.code, error.fault], ["request_body_timeout", "client"]);
    await cancelled;
    await world.close();
  });

  test(`A body that keeps its rate may take as long as it likes, mode ${mode}`, async () => {
    const world = new UpstreamWorld(options);
    const application = await world.application();
    const { body, feed } = fedBody();
    const response = world.send({ method: "POST", body: { ...body, mode, rateMin: RATE } });
    for (let count = 0; count < 3; count++) {
      feed.enqueue(new Uint8Array(ENOUGH + RATE));
      await world.advance(RATE_WINDOW_MS);
    }
    feed.close();
    const request = await application.next();
    assert.equal((await request.stdin).length, 3 * (ENOUGH + RATE));
    request.answer();
    await response;
    await world.close();
  });

  test(`Without a rate a body may be as slow as the other limits let it, mode ${mode}`, async () => {
    const world = new UpstreamWorld(options);
    const application = await world.application();
    const { body, feed } = fedBody();
    const response = world.send({ method: "POST", body: { ...body, mode } });
    await world.advance(2 * RATE_WINDOW_MS);
    feed.enqueue(new Uint8Array(1));
    feed.close();
    const request = await application.next();
    await request.stdin;
    request.answer();
    await response;
    await world.close();
  });
}

test("A body of unknown length is sent as it comes, where that is wanted", async () => {
  const world = new UpstreamWorld({ multiplex: "on", retry: RETRY });
  const application = await world.application();
  const { body, feed } = fedBody();
  const response = world.send({ method: "POST", body: { ...body, mode: "stream" } });
  const request = await application.next();
  feed.enqueue(new TextEncoder().encode("some"));
  await world.settle();
  assert.equal(request.stdinLength, 4);
  feed.close();
  assert.equal(await request.stdin, "some");
  request.answer();
  await response;
  await world.close();
});

test("A body is sent as it comes to an application that cannot multiplex, where that is wanted", async () => {
  const world = new UpstreamWorld({ multiplex: "off", retry: RETRY });
  const application = await world.application({ multiplex: false });
  const { body, feed } = fedBody(8);
  const response = world.send({ method: "POST", body: { ...body, mode: "stream" } });
  const request = await application.next();
  assert.equal(request.params.get("CONTENT_LENGTH"), "8");
  feed.enqueue(new TextEncoder().encode("together"));
  feed.close();
  assert.equal(await request.stdin, "together");
  request.answer();
  assert.equal(await textOf(await response), "");
  await world.close();
});

test("A body is gathered for an application that multiplexes, where that is wanted", async () => {
  const world = new UpstreamWorld({ multiplex: "on", retry: RETRY });
  const application = await world.application();
  const first = world.send();
  (await application.next()).answer();
  await first;
  const { body, feed } = fedBody(4);
  const response = world.send({ method: "POST", body: { ...body, mode: "gather" } });
  feed.enqueue(new TextEncoder().encode("al"));
  await world.settle();
  assert.equal(application.begun, 0);
  feed.enqueue(new TextEncoder().encode("l!"));
  feed.close();
  assert.equal(await (await application.next()).stdin, "all!");
  await world.close();
  assert.equal(await codeOf(response), "draining");
});

test("A body that was there at once has no clock left behind", async () => {
  const world = new UpstreamWorld({ multiplex: "on", retry: RETRY });
  const application = await world.application();
  const body = { ...bodyOf("whole"), rateMin: RATE };
  const response = world.send({ method: "POST", body });
  const request = await application.next();
  assert.equal(await request.stdin, "whole");
  request.answer();
  await response;
  await world.close();
});
