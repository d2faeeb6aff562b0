/** The states of a worker as they are told, each once and in its order, and what ends a wait of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SpawnError } from "../../src/runtime/spawner.ts";
import {
  DIRECTORY_POLL_MS,
  REPLACE_POLL_MS,
  REQUESTS_POLL_MS,
  SETTLE_MS,
} from "../../src/spawn/application.ts";
import { turns, World } from "./world.ts";

const PATH = "/tmp/afcgi-1/1.sock";

/** Puts off every start of a program until it is let. */
function holdStarts(world: World): () => void {
  const { spawner } = world.runtime;
  const start = spawner.start.bind(spawner);
  const held = Promise.withResolvers<void>();
  spawner.start = async (options) => {
    await held.promise;
    return await start(options);
  };
  return held.resolve;
}

interface Course {
  readonly command: readonly string[];
  readonly act: (world: World) => Promise<void>;
  readonly told: readonly string[];
}

const INHERITS = ["app"] as const;
const TOLD = ["app", "{socket}"] as const;

const COURSES: Readonly<Record<string, Course>> = {
  "is stopped": {
    command: INHERITS,
    act: async (world) => await world.application.stop(),
    told: ["starting", "listening", "draining", "stopped"],
  },
  "is stopped and takes its time": {
    command: INHERITS,
    async act(world) {
      world.children[0]!.obeys = false;
      const stopped = world.application.stop();
      await turns();
      assert.deepEqual(world.servers, [], "requests go elsewhere while it drains");
      world.children[0]!.end({ code: 0, signal: null });
      await stopped;
    },
    told: ["starting", "listening", "draining", "stopped"],
  },
  "ends and comes back": {
    command: INHERITS,
    async act(world) {
      world.children[0]!.end({ code: 1, signal: null });
      await world.advance(250);
      await world.application.stop();
    },
    told: ["starting", "listening", "waiting", "starting", "listening", "draining", "stopped"],
  },
  "is stopped while it waits for its next start": {
    command: INHERITS,
    async act(world) {
      world.children[0]!.end({ code: 1, signal: null });
      await turns();
      await world.application.stop();
      assert.equal(world.application.workers[0]!.restarts, 0, "it was not started again");
    },
    told: ["starting", "listening", "waiting", "stopped"],
  },
  "is killed while it waits for its next start": {
    command: INHERITS,
    async act(world) {
      world.children[0]!.end({ code: 1, signal: null });
      await turns();
      world.application.kill();
      await turns();
      assert.equal(world.runtime.clock.timerCount, 0, "a timer is left");
    },
    told: ["starting", "listening", "waiting"],
  },
  "is killed while it does not listen": {
    command: TOLD,
    async act(world) {
      world.application.kill();
      await turns();
      assert.equal(world.runtime.clock.timerCount, 0, "a timer is left");
    },
    told: ["starting"],
  },
  "is stopped while it does not listen": {
    command: TOLD,
    act: async (world) => await world.application.stop(),
    told: ["starting", "draining", "stopped"],
  },
};

for (const [what, { command, act, told }] of Object.entries(COURSES)) {
  test(`The states of a worker that ${what} are told once each, in their order`, async () => {
    const world = new World({ command });
    await world.application.start();
    await turns();
    await act(world);
    await turns();
    assert.deepEqual(world.told, told.map((state) => `1.sock ${state}`));
    assert.deepEqual(world.servers, []);
    assert.equal(world.runtime.clock.timerCount, 0);
  });
}

for (const command of [INHERITS, TOLD]) {
  for (const way of ["stopped", "killed"] as const) {
    test(`A worker of ${command.join(" ")} that is ${way} while it is being started never listens`, async () => {
      const world = new World({ command });
      const goOn = holdStarts(world);
      await world.runtime.listen({ transport: "unix", path: PATH }, (peer) => peer.destroy());
      await world.application.start();
      await turns();
      const stopped = way === "stopped" ? world.application.stop() : undefined;
      if (way === "killed") world.application.kill();
      await turns();
      goOn();
      await turns();
      await stopped;
      assert.deepEqual(world.told.filter((line) => line.endsWith("listening")), []);
      assert.deepEqual(world.servers, []);
      const [child] = world.children;
      assert.equal(child!.isGroupKilled, true);
      assert.deepEqual(child!.signals, way === "killed" ? [] : ["SIGTERM"]);
      assert.equal(world.runtime.clock.timerCount, 0);
    });
  }
}

test("A start that fails is told, and its worker waits and tries again", async () => {
  const world = new World({ command: INHERITS });
  world.runtime.spawner.missing.add("app");
  await world.application.start();
  await turns();
  world.runtime.spawner.missing.clear();
  await world.advance(250);
  assert.deepEqual(
    world.told,
    ["starting", "waiting", "starting", "listening"].map((state) => `1.sock ${state}`),
  );
  await world.application.stop();
});

test("Stopping within a replacement that its requests have brought about leaves no timer", async () => {
  for (const way of ["stop", "kill"] as const) {
    const world = new World({ command: INHERITS, maxRequests: 5 });
    await world.application.start();
    await turns();
    world.requests.set(PATH, 5);
    await world.advance(REQUESTS_POLL_MS);
    assert.equal(world.children.length, 2);
    await world.application[way]();
    await turns();
    assert.equal(world.runtime.clock.timerCount, 0);
    await world.advance(10 * REQUESTS_POLL_MS, REQUESTS_POLL_MS);
    assert.equal(world.children.length, 2);
  }
});

test("A directory that cannot be made anew is told each time, until it can", async () => {
  const world = new World({ command: INHERITS });
  await world.application.start();
  await turns();
  const { spawner } = world.runtime;
  const create = spawner.createDirectory.bind(spawner);
  spawner.createDirectory = () => {
    throw new SpawnError("the disk is full");
  };
  spawner.lost.add("/tmp/afcgi-1");
  await world.advance(2 * DIRECTORY_POLL_MS, DIRECTORY_POLL_MS);
  const gone = "sockets in /tmp/afcgi-1 are gone";
  assert.deepEqual(world.log, [gone, "the disk is full", gone, "the disk is full"]);
  assert.deepEqual(world.servers, [PATH], "who is connected goes on");
  spawner.createDirectory = create;
  await world.advance(DIRECTORY_POLL_MS + 2 * (REPLACE_POLL_MS + SETTLE_MS), REPLACE_POLL_MS);
  assert.deepEqual(world.servers, ["/tmp/afcgi-2/2.sock"]);
  assert.equal(world.log.length, 5);
  await world.application.stop();
  assert.deepEqual([...spawner.directories], []);
});

test("A replacement that is stopped asks for no other socket, and tells of none that it cannot have", async () => {
  for (const way of ["stop", "kill"] as const) {
    const world = new World({ command: INHERITS, workers: 3 });
    await world.application.start();
    await turns();
    const { spawner } = world.runtime;
    const refused = Promise.withResolvers<never>();
    let asked = 0;
    spawner.listen = () => {
      asked++;
      return refused.promise;
    };
    const replaced = world.application.replaceWorkers();
    await turns();
    const stopped = world.application[way]();
    refused.reject(new SpawnError("its directory is gone"));
    await replaced;
    await stopped;
    assert.deepEqual([asked, world.log], [1, []]);
    assert.equal(world.runtime.clock.timerCount, 0);
  }
});

test("The workers behind the one that is being replaced are left alone by a stop", async () => {
  const world = new World({ command: INHERITS, workers: 3 });
  await world.application.start();
  await turns();
  const { spawner } = world.runtime;
  const listen = spawner.listen.bind(spawner);
  let asked = 0;
  spawner.listen = (path) => {
    asked++;
    return listen(path);
  };
  void world.application.replaceWorkers();
  await turns();
  await world.application.stop();
  assert.equal(asked, 1);
});
