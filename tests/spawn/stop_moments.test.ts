/**
 * Stopping at every moment: within a start, a replacement, a restart. Afterwards no program runs, no
 * socket, file or timer is left, and nothing starts any more; nobody is told of a worker that could
 * not be replaced. The moments are counted in what the application asks of the system.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { REPLACE_POLL_MS, SETTLE_MS } from "../../src/spawn/application.ts";
import { turn, untilIdle } from "../support/idle.ts";
import { World } from "./world.ts";

/** More than any of them has. */
const MOMENTS_MAX = 200;

type Act = (world: World) => Promise<unknown>;

/** What is under way when it is stopped; all is well until then. */
const ACTS: Readonly<Record<string, { readonly before: Act; readonly act: Act }>> = {
  "a start": { before: () => Promise.resolve(), act: (world) => world.application.start() },
  "a replacement": {
    before: (world) => world.application.start(),
    act: (world) => world.application.replaceWorkers(),
  },
  "a restart": {
    before: (world) => world.application.start(),
    async act(world) {
      world.children[0]!.end({ code: 1, signal: null });
      await world.advance(1_000, 25);
    },
  },
  "the repair of a directory": {
    before: (world) => world.application.start(),
    async act(world) {
      world.runtime.spawner.lost.add("/tmp/afcgi-1");
      await world.advance(10_000, 1_000);
    },
  },
};

const WAYS: Readonly<Record<string, (world: World) => Promise<void> | void>> = {
  "stopped": (world) => world.application.stop(),
  "killed": (world) => world.application.kill(),
};

/** Each call of the system takes some turns, in which much may happen. */
function slowDown(world: World, onCall: () => void): void {
  const { spawner } = world.runtime;
  const listen = spawner.listen.bind(spawner);
  const start = spawner.start.bind(spawner);
  const slowly = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    onCall();
    await turn();
    const result = await call();
    onCall();
    await turn();
    onCall();
    return result;
  };
  spawner.listen = (path) => slowly(() => listen(path));
  spawner.start = (options) => slowly(() => start(options));
}

/** Whether there was such a moment. */
async function stopAt(moment: number, name: string, way: string): Promise<boolean> {
  const { before, act } = ACTS[name]!;
  const world = new World({
    command: name === "a replacement" ? ["app", "{socket}"] : ["app"],
    workers: 2,
  });
  if (name === "a replacement") listenForAll(world);
  let left = Infinity;
  let stopped: Promise<void> | void = undefined;
  let isStopped = false;
  slowDown(world, () => {
    if (--left !== 0) return;
    isStopped = true;
    stopped = WAYS[way]!(world);
  });
  await before(world);
  await world.advance(1_000, 25);
  left = moment;
  void act(world).catch(() => {});
  await world.advance(4 * (SETTLE_MS + REPLACE_POLL_MS), REPLACE_POLL_MS);
  const isThere = isStopped;
  // Behind all of it, too.
  if (!isThere) stopped = WAYS[way]!(world);
  await untilIdle();
  await stopped;
  const { children, runtime: { clock, spawner } } = world;
  const startedBefore = children.length;
  const what = `${way} at moment ${moment}`;
  assert.equal(spawner.sockets.size, 0, `${what}: a socket is left`);
  assert.equal(spawner.files.size, 0, `${what}: a file is left`);
  assert.equal(clock.timerCount, 0, `${what}: a timer is left`);
  clock.advance(60_000);
  await untilIdle();
  assert.equal(children.length, startedBefore, `${what}: something is started later`);
  for (const { signals, isGroupKilled } of children) {
    assert.ok(signals.length > 0 || isGroupKilled, `${what}: one runs on`);
    if (way === "killed") assert.ok(isGroupKilled, `${what}: one was asked alone`);
  }
  const told = world.log.filter((line) => line.includes("new worker") || line.includes("Cannot"));
  assert.deepEqual(told, [], what);
  return isThere;
}

/** Each socket that a worker is told has somebody who listens. */
function listenForAll({ runtime }: World): void {
  for (let number = 1; number <= 8; number++) {
    const path = `/tmp/afcgi-1/${number}.sock`;
    void runtime.listen({ transport: "unix", path }, (connection) => connection.destroy());
  }
}

for (const name of Object.keys(ACTS)) {
  for (const way of Object.keys(WAYS)) {
    test(`Nothing is left of workers that are ${way} within ${name}, at whichever moment`, async () => {
      let moment = 1;
      while (await stopAt(moment, name, way)) {
        assert.ok(++moment < MOMENTS_MAX, "it does not end");
      }
      assert.ok(moment > 3, `only ${moment} moments were tried`);
    });
  }
}
