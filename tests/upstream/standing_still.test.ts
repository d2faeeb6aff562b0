/**
 * Standing still before a temporary file is used: for a client that reads well, and only where nobody
 * else would wait for it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { UpstreamResponse } from "../../src/upstream/request.ts";
import { STAND_STILL_MS, StandingStill } from "../../src/upstream/standing_still.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import type { ScriptedApplication, ScriptedRequest } from "../support/scripted_application.ts";
import { codeOf, textOf, UpstreamWorld, type WorldSettings } from "../support/upstream_world.ts";

const LIMITS = { responseBufferMax: 1_000, spillMax: 100_000 } as const;
const SETTINGS: WorldSettings = { multiplex: "on", limits: LIMITS };

interface Open {
  readonly request: ScriptedRequest;
  readonly response: UpstreamResponse;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
}

async function opened(world: UpstreamWorld, application: ScriptedApplication): Promise<Open> {
  const sent = world.send();
  const request = await application.next();
  request.stdout("A: 1\n\nx");
  const response = await sent;
  const stream = response.body as ReadableStream<Uint8Array>;
  const reader = stream.getReader();
  assert.equal((await reader.read()).value!.length, 1);
  return { request, response, reader };
}

async function say(world: UpstreamWorld, { request }: Open, length = 2_000): Promise<void> {
  request.stdout("x".repeat(length));
  await world.settle();
}

/** What the reader takes until nothing more is there. */
async function readAll(reader: Open["reader"]): Promise<number> {
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return length;
    length += value.length;
  }
}

test("A response that its client takes within the moment never meets a file", async () => {
  const world = new UpstreamWorld(SETTINGS);
  const open = await opened(world, await world.application());
  let length = 0;
  for (let round = 0; round < 20; round++) {
    await say(world, open);
    await world.advance(STAND_STILL_MS - 1);
    assert.equal(world.spilled, 0);
    length += (await open.reader.read()).value!.length;
  }
  open.request.end();
  length += await readAll(open.reader);
  assert.equal(length, 20 * 2_000);
  assert.deepEqual(world.seen, [], "no pause that a metric would count");
  await world.close();
});

test("A client that does not take it has the rest in a file when the moment is over", async () => {
  const world = new UpstreamWorld(SETTINGS);
  const open = await opened(world, await world.application());
  await say(world, open);
  await say(world, open);
  assert.equal(world.spilled, 0);
  const [connection] = world.upstream.servers[0]!.connections;
  assert.equal(connection!.canBegin, true, "others may come");
  await world.advance(STAND_STILL_MS);
  assert.ok(world.spilled >= 2_000, `${world.spilled} bytes in the file, the second piece with it`);
  assert.equal(connection!.isPaused, false);
  open.request.end();
  assert.equal(await readAll(open.reader), 2 * 2_000);
  await world.close();
});

test("Whoever waits for a response of its own is not made to wait for another's client", async () => {
  const world = new UpstreamWorld(SETTINGS);
  const application = await world.application();
  const waiting = world.send();
  const neighbour = await application.next();
  const open = await opened(world, application);
  await say(world, open);
  assert.equal(world.spilled > 0, true, "it goes into the file at once");
  neighbour.answer("now");
  assert.equal(await textOf(await waiting), "now");
  open.request.end();
  assert.equal(await readAll(open.reader), 2_000);
  await world.close();
});

test("A new request ends the moment at once", async () => {
  const world = new UpstreamWorld(SETTINGS);
  const application = await world.application();
  const open = await opened(world, application);
  await say(world, open);
  assert.equal(world.spilled, 0);
  const sent = world.send();
  (await application.next()).answer("at once");
  assert.equal(await textOf(await sent), "at once");
  assert.equal(application.connections.length, 1);
  assert.equal(world.spilled > 0, true);
  open.request.end();
  await readAll(open.reader);
  await world.close();
});

test("Where somebody waits for a worker, its response goes into the file and the worker is free", async () => {
  const world = new UpstreamWorld({ multiplex: "off", connections: { max: 1 }, limits: LIMITS });
  const application = await world.application({ multiplex: false });
  const open = await opened(world, application);
  const waiting = world.send();
  await world.settle();
  assert.equal(world.upstream.queueLength, 1);
  await say(world, open, 5_000);
  assert.equal(world.spilled > 0, true);
  open.request.end();
  (await application.next()).answer("free");
  assert.equal(await textOf(await waiting), "free");
  await readAll(open.reader);
  await world.close();
});

test("Two long responses stand still for each other, and each has its bytes in order", async () => {
  const world = new UpstreamWorld(SETTINGS);
  const application = await world.application();
  const both = [await opened(world, application), await opened(world, application)];
  // A quarter of the buffer makes each a long one.
  for (const open of both) await say(world, open, 600);
  let length = 0;
  for (let round = 0; round < 5; round++) {
    for (const open of both) await say(world, open, 1_500);
    assert.equal(world.spilled, 0);
    for (const { reader } of both) {
      length += (await reader.read()).value!.length;
      await world.settle();
    }
  }
  for (const { request } of both) request.end();
  const lengths = await Promise.all(both.map(({ reader }) => readAll(reader)));
  assert.equal(length + lengths[0]! + lengths[1]!, 2 * (600 + 5 * 1_500));
  await world.close();
});

for (const how of ["cancelled", "ended", "lost", "drained"] as const) {
  test(`A request that is ${how} while its connection stands still leaves nothing`, async () => {
    const world = new UpstreamWorld(SETTINGS);
    const application = await world.application();
    const open = await opened(world, application);
    await say(world, open);
    assert.equal(world.runtime.clock.timerCount, 2, "the deadlines' and the moment's");
    if (how === "cancelled") await open.reader.cancel();
    if (how === "ended") open.request.end();
    if (how === "lost") application.connections[0]!.socket.destroy();
    if (how === "drained") await world.upstream.drain(0);
    await world.advance(STAND_STILL_MS);
    if (how === "lost") {
      assert.equal(await codeOf(readAll(open.reader).then(String)), "connection_lost");
    }
    if (how === "ended") assert.equal(await readAll(open.reader), 2_000);
    await world.close();
  });
}

test("Who was too slow stands still again when its file is read, who was interrupted before that", async () => {
  for (const isSlow of [true, false]) {
    const world = new UpstreamWorld(SETTINGS);
    const application = await world.application();
    const open = await opened(world, application);
    await say(world, open);
    if (isSlow) await world.advance(STAND_STILL_MS);
    else {
      const sent = world.send();
      (await application.next()).answer("interrupts");
      await sent;
    }
    const before = world.spilled;
    assert.ok(before > 0);
    // One piece may have been read already.
    for (let count = 0; count < 3; count++) await say(world, open, 3_000);
    const more = world.spilled - before;
    assert.equal(more, isSlow ? 9_000 : 3_000);
    let length = 0;
    while (length < 5_000) length += (await open.reader.read()).value!.length;
    while (world.spilled > 0) length += (await open.reader.read()).value!.length;
    await say(world, open, 3_000);
    assert.equal(world.spilled, 0);
    open.request.end();
    assert.equal(length + await readAll(open.reader), 2_000 + 4 * 3_000);
    await world.close();
  }
});

test("Memory that is tight ends the moment: what comes goes into the file", async () => {
  const world = new UpstreamWorld(SETTINGS, { memoryMax: 8_000 });
  const open = await opened(world, await world.application());
  await say(world, open, 2_000);
  assert.equal(world.spilled, 0);
  world.memory.count(3_000);
  await say(world, open, 2_000);
  world.memory.count(-3_000);
  await world.advance(STAND_STILL_MS);
  assert.ok(world.spilled >= 2_000);
  open.request.end();
  assert.equal(await readAll(open.reader), 4_000);
  await world.close();
});

test("StandingStill pauses once for all, tells each of them, and forgets who has ended", () => {
  const clock = new ManualClock();
  const seen: string[] = [];
  const standing = new StandingStill({
    clock,
    isWaitedFor: (longCount) => longCount < 2,
    onStandStill: () => void seen.push("stands"),
    onReadOn: () => void seen.push("reads"),
    onSpill: (id, isSlow) => void seen.push(`${isSlow ? "slow" : "goes"} ${id}`),
  });
  const steps: [() => void, string[]][] = [
    [() => standing.becameLong(1), []],
    [() => assert.equal(standing.stand(1), false), []],
    [() => standing.becameLong(2), []],
    [() => standing.stand(1), ["stands"]],
    [() => standing.stand(2), []],
    [() => standing.remove(1), []],
    [() => clock.advance(STAND_STILL_MS - 1), []],
    [() => clock.advance(1), ["slow 2", "reads"]],
    [() => standing.stand(1), ["stands"]],
    [() => standing.ended(1), ["reads"]],
    [() => assert.equal(standing.stand(2), false, "the other one is forgotten"), []],
    [() => standing.becameLong(1), []],
    [() => clock.advance(STAND_STILL_MS), []],
    [() => standing.stand(2), ["stands"]],
    [() => standing.interrupt(), ["goes 2", "reads"]],
    [() => standing.interrupt(), []],
    [() => standing.remove(2), []],
    [() => standing.stand(2), ["stands"]],
    [() => standing.clear(), []],
  ];
  for (const [step, expected] of steps) {
    seen.length = 0;
    step();
    assert.deepEqual(seen, expected);
  }
  assert.deepEqual([standing.isStanding, clock.timerCount], [false, 0]);
});
