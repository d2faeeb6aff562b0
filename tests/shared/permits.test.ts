/**
 * The permits of connections, tried in every order of small cases and in a million accesses that a
 * seed decides, with threads that die in the middle of anything.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerOf } from "../../src/shared/owners.ts";
import { PermitSeat } from "../../src/shared/permit_seat.ts";
import { run, type Steps } from "../../src/shared/steps.ts";
import {
  claimServer,
  createUpstreamMemory,
  joinUpstream,
  upstreamPlaces,
} from "../../src/shared/upstream_memory.ts";
import { everyInterleaving, type Program, seeded } from "./interleavings.ts";
import { Operation, PermitWorld, type WorldOptions, type WorldThread } from "./permit_world.ts";

const SMALL: WorldOptions = { threads: 2, connectionsMax: 1, queueMax: 4 };

function inEveryOrder(
  options: WorldOptions,
  programsOf: (world: PermitWorld) => readonly Program[],
  ...atEnd: readonly ((world: PermitWorld) => void)[]
): number {
  return everyInterleaving(() => {
    const world = new PermitWorld(options);
    return {
      words: world.words,
      programs: programsOf(world),
      check: () => world.check(),
      atEnd: () => {
        for (const look of [() => {}, ...atEnd]) {
          look(world);
          world.settle();
        }
        world.checkQuiet();
      },
    };
  });
}

function* inTurn(...parts: readonly Steps<void>[]): Steps<void> {
  for (const part of parts) yield* part;
}

test("In every order, two requests never have two connections where one is allowed, and both come", () => {
  const orders = inEveryOrder(
    SMALL,
    ({ threads: [first, second] }) => [
      { steps: inTurn(first!.arrive(), first!.finish()) },
      { steps: inTurn(second!.arrive(), second!.finish()) },
    ],
    (world) => {
      for (let turn = 0; turn < 4; turn++) {
        for (const thread of world.threads) run(world.words, thread.finish());
        world.settle();
      }
      assert.deepEqual(world.threads.map(({ served }) => served), [1, 1]);
    },
  );
  assert.ok(orders > 1_000, `${orders} orders`);
});

test("In every order, whoever waits gets the connection that another thread has idle", () => {
  const orders = inEveryOrder(
    SMALL,
    (world) => {
      const [first, second] = world.threads;
      run(world.words, first!.arrive());
      return [{ steps: first!.finish() }, { steps: second!.arrive() }];
    },
    (world) => assert.equal(world.threads[1]!.busy, 1),
  );
  assert.ok(orders > 100, `${orders} orders`);
});

test("In every order, whoever waits gets the permit of a connection that closes", () => {
  inEveryOrder(
    { ...SMALL, connectionsMax: 2 },
    (world) => {
      const [first, second] = world.threads;
      for (const thread of [first, second]) run(world.words, thread!.arrive());
      run(world.words, first!.finish());
      return [{ steps: first!.expire() }, { steps: second!.arrive() }];
    },
    (world) => assert.equal(world.threads[1]!.busy, 2),
  );
});

test("In every order, a client that leaves while it is given a connection keeps it from nobody", () => {
  inEveryOrder(
    SMALL,
    (world) => {
      const [first, second] = world.threads;
      run(world.words, first!.arrive());
      run(world.words, second!.arrive());
      world.rung.clear();
      return [
        { steps: inTurn(first!.finish(), first!.arrive()) },
        { steps: second!.abandon() },
      ];
    },
    (world) => assert.equal(world.threads[0]!.busy + world.threads[0]!.waits, 1),
  );
});

test("In every order and after every access, what a dead thread held is free again", () => {
  const orders = { before: 0, beside: 0 };
  for (const moment of ["before", "beside"] as const) {
    for (let accesses = 1; accesses < (moment === "before" ? 7 : 4); accesses++) {
      orders[moment] += inEveryOrder(
        SMALL,
        (world) => {
          const [first, second] = world.threads;
          run(world.words, first!.arrive());
          const dying = { steps: first!.finish(), diesAfter: accesses };
          const arriving = {
            steps: second!.arrive(),
            // A burial beside what others do, or before it is noticed what has happened.
            ...(moment === "beside" && { after: dying }),
          };
          function* afterDeath(): Steps<void> {
            first!.isAlive = false;
            yield* world.bury(0);
          }
          const burial = { steps: afterDeath(), after: moment === "beside" ? dying : arriving };
          return [dying, arriving, burial];
        },
        (world) => {
          world.threads[0]!.isAlive = false;
          // Whatever was given to the dead one after it was buried is found by the next sweep.
          run(world.words, world.bury(0));
        },
        (world) => assert.equal(world.threads[1]!.busy, 1, `it died after ${accesses} accesses`),
      );
    }
  }
  assert.ok(orders.before > 1_000 && orders.beside > 1_000, JSON.stringify(orders));
});

test("In every order, a queue that has room for one takes one", () => {
  inEveryOrder(
    { threads: 3, connectionsMax: 1, queueMax: 1 },
    (world) => {
      const [first, second, third] = world.threads;
      run(world.words, first!.arrive());
      return [{ steps: second!.arrive() }, { steps: third!.arrive() }];
    },
    ({ threads: [, second, third] }) => {
      assert.ok(second!.waits + third!.waits <= 1);
      assert.ok(second!.refused + third!.refused >= 1);
    },
  );
});

/** What a thread does next. */
function choose(thread: WorldThread, random: () => number): Steps<void> {
  const dice = random();
  if (dice < 0.4) return thread.arrive();
  if (dice < 0.8) return thread.finish();
  if (dice < 0.85) return thread.expire();
  if (dice < 0.9) return thread.abandon();
  return thread.turn();
}

/** Runs threads for so many accesses; the number of deaths. */
function live(world: PermitWorld, random: () => number, accesses: number): number {
  const { words, threads } = world;
  const under = new Map<number, Operation>();
  let burial: Operation | undefined;
  let deaths = 0;
  const pick = (count: number) => Math.floor(random() * count);
  for (let done = 0; done < accesses;) {
    const index = pick(threads.length + 1);
    if (index === threads.length) {
      if (burial === undefined) continue;
      burial.step(words);
      if (burial.isDone) burial = undefined;
    } else {
      const thread = threads[index]!;
      if (!thread.isAlive) {
        if (burial === undefined && random() < 0.1) burial = new Operation(0, world.revive(index));
        continue;
      }
      const operation = under.get(index) ?? begin(world, thread, random);
      operation.step(words);
      if (operation.isDone) under.delete(index);
      else under.set(index, operation);
      if (burial === undefined && random() < 0.0005) {
        thread.isAlive = false;
        under.delete(index);
        burial = new Operation(0, world.bury(index));
        deaths++;
      }
    }
    world.check();
    done++;
    if (done % 5_000 === 0) {
      for (const operation of under.values()) while (!operation.isDone) operation.step(words);
      while (burial !== undefined && !burial.isDone) burial.step(words);
      under.clear();
      burial = undefined;
      settleAll(world);
    }
  }
  return deaths;
}

function begin(world: PermitWorld, thread: WorldThread, random: () => number): Operation {
  const isRung = world.rung.has(thread.index) && random() < 0.5;
  if (isRung) world.rung.delete(thread.index);
  return new Operation(thread.index, isRung ? thread.look() : choose(thread, random));
}

/** The main thread sweeps now and then, and whoever waits asks again. */
function settleAll(world: PermitWorld): void {
  for (const { index, isAlive } of world.threads) {
    if (!isAlive) run(world.words, world.bury(index));
  }
  world.settle();
  for (const thread of world.threads) if (thread.isAlive) run(world.words, thread.turn());
  world.settle();
  world.checkQuiet();
}

for (
  const [seed, options] of [
    { threads: 2, connectionsMax: 1, queueMax: 3 },
    { threads: 4, connectionsMax: 8, queueMax: 16 },
    { threads: 8, connectionsMax: 3, queueMax: 1_000 },
    { threads: 3, connectionsMax: 64, queueMax: 5 },
  ].entries()
) {
  const { threads, connectionsMax } = options;
  test(`A million accesses of ${threads} threads to ${connectionsMax} connections break nothing`, () => {
    const deaths = live(new PermitWorld(options), seeded(seed + 1), 1_000_000);
    assert.ok(deaths > 100, `${deaths} deaths`);
  });
}

test("A thread that has work without end does not starve one that has a request now and then", () => {
  for (const connectionsMax of [1, 2, 8]) {
    const world = new PermitWorld({ threads: 4, connectionsMax, queueMax: 1_000 });
    const { words, threads } = world;
    const [greedy, ...others] = threads as [WorldThread, ...WorldThread[]];
    for (let request = 0; request < 50; request++) run(words, greedy.arrive());
    for (let round = 0; round < 200; round++) {
      for (const other of others) if (other.waits === 0) run(words, other.arrive());
      world.settle();
      for (const other of others) run(words, other.turn());
      world.settle();
      for (const thread of threads) {
        run(words, thread.finish());
        world.settle();
      }
      run(words, greedy.arrive());
      run(words, greedy.arrive());
    }
    for (const { index, served } of threads) {
      assert.ok(served >= 40, `thread ${index} had ${served} of ${connectionsMax}`);
    }
  }
});

test("Threads that all have work without end share connections evenly", () => {
  const world = new PermitWorld({ threads: 4, connectionsMax: 8, queueMax: 1_000 });
  const { words, threads } = world;
  for (const thread of threads) {
    for (let request = 0; request < 20; request++) run(words, thread.arrive());
    world.settle();
  }
  for (let round = 0; round < 100; round++) {
    for (const thread of threads) {
      run(words, thread.finish());
      run(words, thread.arrive());
      run(words, thread.turn());
      world.settle();
    }
  }
  assert.deepEqual(threads.map(({ seat }) => seat.inUse), [2, 2, 2, 2]);
});

test("Who has an idle connection keeps it while permits are free, unless another has waited for long", () => {
  const memory = createUpstreamMemory(2, 1, 3, 0);
  const places = run(memory.words, claimServer(memory, "tcp://127.0.0.1:9000"))!;
  const { waiting, urgent } = upstreamPlaces(memory);
  for (const thread of [0, 1]) run(memory.words, joinUpstream(memory, thread, ownerOf(thread, 0)));
  const seat = new PermitSeat(places, ownerOf(0, 0));
  const rest = (limit?: number) => run(memory.words, seat.rest(1, limit));
  for (let taken = 0; taken < 2; taken++) assert.ok(run(memory.words, seat.take(3)));
  assert.equal(rest(3), false, "nobody waits");
  memory.words[waiting + 1] = 1;
  assert.equal(rest(3), false, "the third is free");
  assert.equal(rest(2), true, "there may be two");
  assert.equal(rest(), true, "nobody has said how many there may be");
  memory.words[urgent + 1] = 1;
  assert.equal(rest(3), true, "it has waited for long");
  assert.equal(run(memory.words, seat.rest(0, 3)), false, "nothing is idle");
});
