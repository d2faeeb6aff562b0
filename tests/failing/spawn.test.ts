/**
 * Spawned applications where each operation on the system fails in its turn: directories, sockets,
 * starts. A start is refused, or what ended is started again; in the end nothing is left.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DIRECTORY_POLL_MS, REPLACE_POLL_MS, SETTLE_MS } from "../../src/spawn/application.ts";
import { failEach, type Operations } from "../support/failing_operations.ts";
import { turns, World } from "../spawn/world.ts";

const NAMES = ["createDirectory", "listen", "start"] as const;

function failSpawner(world: World, operations: Operations): void {
  const { spawner } = world.runtime;
  const createDirectory = spawner.createDirectory.bind(spawner);
  const listen = spawner.listen.bind(spawner);
  const start = spawner.start.bind(spawner);
  spawner.createDirectory = () => {
    operations.count("createDirectory");
    return createDirectory();
  };
  spawner.listen = async (path) => {
    operations.count("listen");
    return await listen(path);
  };
  spawner.start = async (options) => {
    operations.count("start");
    return await start(options);
  };
}

/** Somebody cleans the directory of sockets away, and a worker ends before that is seen. */
async function loseDirectory(world: World): Promise<void> {
  const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));
  const lost = directoryOf(world.application.workers[0]!.address.path);
  world.runtime.spawner.lost.add(lost);
  world.children.at(-1)?.end({ code: 1, signal: null });
  await world.advance(3 * DIRECTORY_POLL_MS, REPLACE_POLL_MS);
  const { workers } = world.application;
  assert.deepEqual(workers.map(({ state }) => state), ["listening", "listening"]);
  const left = workers.filter(({ address }) => directoryOf(address.path) === lost);
  assert.equal(left.length, 0, "a worker is where nobody finds it");
  assert.equal(world.servers.length, 2, "those are where requests go");
}

async function run(operations: Operations): Promise<void> {
  const world = new World({ command: ["app"], workers: 2 });
  failSpawner(world, operations);
  let isStarted = true;
  try {
    await world.application.start();
  } catch {
    isStarted = false;
  }
  await turns();
  if (isStarted) {
    world.children.at(-1)?.end({ code: 1, signal: null });
    await world.advance(2_000, 25);
    assert.equal(world.servers.length, 2, "what ended is started again");
    const replaced = world.application.replaceWorkers();
    await world.advance(4 * (REPLACE_POLL_MS + SETTLE_MS), REPLACE_POLL_MS);
    await replaced;
    assert.equal(world.servers.length, 2, "a worker that cannot be replaced stays");
    await loseDirectory(world);
  }
  await world.application.stop();
  await turns();
  assert.equal(world.runtime.spawner.sockets.size, 0, "a socket is left");
  assert.deepEqual([...world.runtime.spawner.directories], [], "a directory is left");
  assert.equal(world.runtime.clock.timerCount, 0, "a timer is left");
  const alive = world.children.filter(({ signals, isGroupKilled }) =>
    signals.length === 0 && !isGroupKilled
  );
  assert.deepEqual(alive.length, 0, "a program is left");
}

test("Whichever operation of the system fails, workers are started again or none is left", async () => {
  const failures = await failEach(run);
  for (const name of NAMES) assert.ok(failures.includes(name), `${name}: ${failures}`);
});
