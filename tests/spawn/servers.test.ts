/**
 * Which workers are servers, at each step of what may happen to one: a request goes only to who takes
 * it, a worker that comes back comes back as one, and what a directory's loss leaves is cleaned away.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DIRECTORY_POLL_MS,
  REPLACE_POLL_MS,
  REQUESTS_POLL_MS,
  SETTLE_MS,
} from "../../src/spawn/application.ts";
import { turns, World } from "./world.ts";

const REPLACED_MS = REPLACE_POLL_MS + SETTLE_MS;
const FIRST = "/tmp/afcgi-1/1.sock";

/** Who listens at a socket in the memory's network, so that a worker is told to be there. */
async function listenAt(world: World, path: string): Promise<() => void> {
  const listener = await world.runtime.listen(
    { transport: "unix", path },
    (connection) => connection.destroy(),
  );
  return () => listener.close();
}

test("Another upstream is told at once which workers listen", async () => {
  const world = new World({ command: ["app"], workers: 2 });
  await world.application.start();
  await turns();
  world.servers = [];
  world.application.supply();
  assert.deepEqual(world.servers, [FIRST, "/tmp/afcgi-1/2.sock"]);
  world.children[0]!.end({ code: 1, signal: null });
  await turns();
  world.servers = [];
  world.application.supply();
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/2.sock"], "one that waits is none");
  await world.application.stop();
  assert.deepEqual(world.servers, []);
});

test("A worker that has ended before it listened is no server later", async () => {
  const world = new World({ command: ["app", "{socket}"] });
  await world.application.start();
  await turns();
  world.children[0]!.end({ code: 0, signal: null });
  await turns();
  // Status 0 of one that never listened is no good end.
  assert.deepEqual(world.log, ["1.sock ended with status 0, 250"]);
  await listenAt(world, FIRST);
  await world.advance(200, 25);
  assert.deepEqual([world.servers, world.states], [[], ["waiting"]]);
  await world.advance(50, 25);
  assert.deepEqual([world.servers, world.states], [[FIRST], ["listening"]]);
  assert.equal(world.application.workers[0]!.pid, world.children[1]!.pid);
  await world.application.stop();
  assert.equal(world.application.workers[0]!.pid, undefined);
});

test("A worker that listens late is killed at its time and not before, and told of so", async () => {
  for (const listensMs of [975, 1_025]) {
    const world = new World({ command: ["app", "{socket}"], startTimeoutMs: 1_000 });
    await world.application.start();
    await world.advance(listensMs, 25);
    await listenAt(world, FIRST);
    await world.advance(50, 25);
    const isInTime = listensMs < 1_000;
    assert.equal(world.children[0]!.isGroupKilled, !isInTime);
    assert.deepEqual(world.log, isInTime ? [] : ["1.sock did not listen within 1000 ms, 250"]);
    await world.application.stop();
    assert.equal(world.runtime.clock.timerCount, 0);
  }
});

test("A successor that ends once and comes up again while it is watched is not taken", async () => {
  const world = new World({ command: ["app"], restart: { backoffMs: 10, backoffMaxMs: 10 } });
  await world.application.start();
  await turns();
  const replaced = world.application.replaceWorkers();
  await turns();
  world.children[1]!.end({ code: 1, signal: null });
  await world.advance(REPLACED_MS, 5);
  await replaced;
  assert.equal(world.children.length, 3);
  assert.deepEqual(world.servers, [FIRST]);
  assert.equal(world.log.at(-1), "1.sock: the new worker did not stay up");
  assert.deepEqual(world.children.map(({ signals }) => signals.length), [0, 0, 1]);
  assert.equal(world.runtime.spawner.sockets.size, 1);
  await world.application.stop();
});

test("A successor is watched as long as it says, and its worker has requests until then", async () => {
  const world = new World({ command: ["app", "{socket}"] });
  await listenAt(world, FIRST);
  await world.application.start();
  await turns();
  const replaced = world.application.replaceWorkers();
  await world.advance(10 * REPLACE_POLL_MS, REPLACE_POLL_MS);
  assert.deepEqual(world.servers, [FIRST], "it does not listen");
  await listenAt(world, "/tmp/afcgi-1/2.sock");
  await world.advance(2 * REPLACE_POLL_MS, REPLACE_POLL_MS);
  await world.advance(SETTLE_MS - 2 * REPLACE_POLL_MS, REPLACE_POLL_MS);
  assert.deepEqual(world.servers, [FIRST], "it has not stayed");
  await world.advance(2 * REPLACE_POLL_MS, REPLACE_POLL_MS);
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/2.sock"]);
  await replaced;
  assert.deepEqual(world.children.map(({ signals }) => signals), [["SIGTERM"], []]);
  await world.application.stop();
});

test("A worker that ends after it was replaced is nobody's loss, and one that ends before is started", async () => {
  const world = new World({ command: ["app"], workers: 1 });
  await world.application.start();
  await turns();
  world.drained = new Promise(() => {});
  void world.application.replaceWorkers();
  await world.advance(REPLACED_MS, REPLACE_POLL_MS);
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/2.sock"]);
  // It is started again while its requests are waited for, and is no server any more.
  world.children[0]!.end({ code: 1, signal: null });
  await world.advance(250, 25);
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/2.sock"]);
  await world.advance(5_000, 500);
  assert.deepEqual(world.states, ["listening"]);
  const alive = world.children.filter(({ signals, isGroupKilled }) =>
    signals.length === 0 && !isGroupKilled
  );
  assert.equal(alive.length, 1);
  await world.application.stop();
  assert.equal(world.runtime.clock.timerCount, 0);
});

test("Replacing twice at once replaces each worker twice, one after the other", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  const both = [world.application.replaceWorkers(), world.application.replaceWorkers()];
  await world.advance(REPLACED_MS, REPLACE_POLL_MS);
  assert.equal(world.children.filter(({ signals }) => signals.length === 0).length, 2);
  await world.advance(2 * REPLACED_MS, REPLACE_POLL_MS);
  await Promise.all(both);
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/3.sock"]);
  await world.application.stop();
});

test("Requests are counted for each worker, repeatedly, and of php-fpm not by us", async () => {
  const world = new World({ command: ["app"], maxRequests: 10 });
  await world.application.start();
  await turns();
  for (let round = 1; round <= 4; round++) {
    const path = `/tmp/afcgi-1/${round}.sock`;
    assert.deepEqual(world.servers, [path]);
    world.requests.set(path, 9);
    await world.advance(3 * REQUESTS_POLL_MS, 25);
    assert.deepEqual(world.servers, [path], "one is left");
    world.requests.set(path, 10);
    await world.advance(REQUESTS_POLL_MS + REPLACED_MS + 50, 25);
  }
  assert.equal(world.children.length, 5);
  await world.application.stop();
  const fpm = new World({ command: ["php-fpm"], maxRequests: 10 });
  await fpm.application.start();
  await listenAt(fpm, FIRST);
  await fpm.advance(100, 25);
  fpm.requests.set(FIRST, 1_000);
  await fpm.advance(3 * REQUESTS_POLL_MS, 25);
  assert.equal(fpm.children.length, 1);
  await fpm.application.stop();
  const single = new World({ command: ["app"], maxRequests: 1 });
  await single.application.start();
  await turns();
  single.requests.set(FIRST, 1);
  await single.advance(REQUESTS_POLL_MS + REPLACED_MS + 50, 25);
  assert.deepEqual(single.servers, ["/tmp/afcgi-1/2.sock"]);
  await single.application.stop();
  const endless = new World({ command: ["app"], maxRequests: 0 });
  await endless.application.start();
  await turns();
  endless.requests.set(FIRST, 1_000_000);
  await endless.advance(3 * REQUESTS_POLL_MS, 25);
  assert.equal(endless.children.length, 1);
  await endless.application.stop();
});

test("A directory that is lost is left once, and removed with those that followed it", async () => {
  const world = new World({ command: ["app"], workers: 2 });
  await world.application.start();
  await turns();
  for (let time = 1; time <= 3; time++) {
    world.runtime.spawner.lost.add(`/tmp/afcgi-${time}`);
    await world.advance(DIRECTORY_POLL_MS + 4 * REPLACED_MS, REPLACE_POLL_MS);
    const inIt = world.servers.filter((path) => path.startsWith(`/tmp/afcgi-${time + 1}/`));
    assert.equal(inIt.length, 2);
  }
  assert.deepEqual(
    world.log,
    [1, 2, 3].map((time) => `sockets in /tmp/afcgi-${time} are gone`),
    "each loss is told once",
  );
  assert.equal(world.runtime.spawner.sockets.size, 2);
  await world.application.stop();
  assert.deepEqual([...world.runtime.spawner.directories], []);
  assert.equal(world.runtime.clock.timerCount, 0);
});

test("A loss is seen when a worker ends badly, and not looked for when it ends well", async () => {
  for (const code of [0, 1]) {
    const world = new World({ command: ["app"] });
    await world.application.start();
    await turns();
    world.requests.set(FIRST, 5);
    world.runtime.spawner.lost.add("/tmp/afcgi-1");
    world.children[0]!.end({ code, signal: null });
    await turns();
    assert.equal(world.log.includes("sockets in /tmp/afcgi-1 are gone"), code === 1);
    await world.application.stop();
    assert.deepEqual([...world.runtime.spawner.directories], []);
  }
});

test("Only a socket that somebody should listen at is missed", async () => {
  const world = new World({ command: ["app", "{socket}"] });
  await world.application.start();
  await turns();
  world.runtime.spawner.lost.add(FIRST);
  await world.advance(2 * DIRECTORY_POLL_MS, 250);
  assert.deepEqual(world.log, [], "it is still starting");
  await listenAt(world, FIRST);
  await world.advance(DIRECTORY_POLL_MS, 250);
  assert.deepEqual(world.log, ["sockets in /tmp/afcgi-1 are gone"]);
  world.runtime.spawner.lost.clear();
  await listenAt(world, "/tmp/afcgi-1/2.sock");
  await world.advance(2 * DIRECTORY_POLL_MS, 25);
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/2.sock"]);
  assert.equal(world.log.length, 1);
  await world.application.stop();
});

test("Killing ends every program at once, those that are replaced and their successors too", async () => {
  const world = new World({ command: ["app"], workers: 2 });
  await world.application.start();
  await turns();
  void world.application.replaceWorkers();
  await turns();
  assert.equal(world.children.length, 3);
  for (const child of world.children) child.obeys = false;
  world.application.kill();
  assert.deepEqual(world.children.map(({ isGroupKilled }) => isGroupKilled), [true, true, true]);
  assert.deepEqual(world.children.map(({ signals }) => signals), [[], [], []]);
  await world.advance(10_000, 100);
  assert.equal(world.children.length, 3, "none comes back");
  assert.equal(world.runtime.spawner.sockets.size, 0);
  assert.deepEqual([...world.runtime.spawner.directories], []);
  assert.equal(world.runtime.clock.timerCount, 0);
});

test("Killing ends a worker at once that drains for its successor", async () => {
  const world = new World({ command: ["app"] });
  await world.application.start();
  await turns();
  world.drained = new Promise(() => {});
  void world.application.replaceWorkers();
  await world.advance(REPLACED_MS, REPLACE_POLL_MS);
  assert.deepEqual(world.servers, ["/tmp/afcgi-1/2.sock"]);
  for (const child of world.children) child.obeys = false;
  world.application.kill();
  assert.deepEqual(world.children.map(({ isGroupKilled }) => isGroupKilled), [true, true]);
  await turns();
  assert.deepEqual(world.children.map(({ signals }) => signals), [[], []]);
  assert.equal(world.runtime.clock.timerCount, 0);
});

test("Numbers of sockets go round, and none is another worker's", async () => {
  const world = new World({ command: ["app"], workers: 2 });
  await world.application.start();
  await turns();
  const numbers: number[] = [];
  for (let round = 0; round < 20; round++) {
    const replaced = world.application.replaceWorkers();
    await world.advance(2 * REPLACED_MS, REPLACE_POLL_MS);
    await replaced;
    for (const path of world.servers) numbers.push(Number(/(\d+)\.sock$/.exec(path)![1]));
    assert.equal(new Set(world.servers).size, 2);
  }
  const expected = Array.from({ length: 40 }, (_, index) => (index + 2) % 32 + 1);
  assert.deepEqual(numbers, expected);
  await world.application.stop();
});

/** What happens to a worker while a connection to it is under way. */
const MEANWHILE: Readonly<Record<string, (world: World) => void>> = {
  "ends": (world) => world.children[0]!.end({ code: 1, signal: null }),
  "is told to end, and does": (world) => void world.application.stop(),
  "is told to end, and does not yet": (world) => {
    world.children[0]!.obeys = false;
    void world.application.stop();
  },
  "is killed": (world) => world.application.kill(),
};

for (const [what, act] of Object.entries(MEANWHILE)) {
  test(`A worker that ${what} while it is asked whether it listens is no server`, async () => {
    const world = new World({ command: ["app", "{socket}"] });
    const { runtime } = world;
    const connected = Promise.withResolvers<void>();
    const connect = runtime.connect;
    Object.assign(runtime, {
      connect: async (...given: Parameters<typeof connect>) => {
        await connected.promise;
        return await connect(...given);
      },
    });
    await listenAt(world, FIRST);
    await world.application.start();
    await turns();
    act(world);
    await turns();
    connected.resolve();
    await turns();
    assert.deepEqual(world.servers, []);
    assert.notDeepEqual(world.states, ["listening"]);
    const [child] = world.children;
    child!.end({ code: 0, signal: null });
    await turns();
    assert.deepEqual(world.servers, []);
    void world.application.stop();
    await world.advance(60_000, 1_000);
    assert.equal(runtime.clock.timerCount, 0);
  });
}
