/**
 * Requests that an application takes at once, of all threads: in every order of small cases, and over a
 * million accesses that a seed decides, with threads that die in the middle of anything.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { run, type Steps } from "../../src/shared/steps.ts";
import { everyInterleaving, type Program, seeded } from "./interleavings.ts";
import { Operation } from "./permit_world.ts";
import { type RequestThread, RequestWorld, type RequestWorldOptions } from "./request_world.ts";

const SMALL: RequestWorldOptions = { threads: 2, requestsMax: 1 };

function inEveryOrder(
  options: RequestWorldOptions,
  programsOf: (world: RequestWorld) => readonly Program[],
  ...atEnd: readonly ((world: RequestWorld) => void)[]
): number {
  return everyInterleaving(() => {
    const world = new RequestWorld(options);
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

test("In every order, two requests never begin where the application takes one, and who waits comes", () => {
  const orders = inEveryOrder(
    SMALL,
    ({ threads: [first, second] }) => [{ steps: first!.tryOnce() }, { steps: second!.arrive() }],
    (world) => run(world.words, world.threads[0]!.finish()),
    (world) => assert.equal(world.threads[1]!.busy, 1),
  );
  assert.ok(orders > 500, `${orders} orders`);
});

test("In every order, whoever waits gets the place of a request that ends", () => {
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

test("In every order, a client that leaves while it is given a place keeps it from nobody", () => {
  inEveryOrder(
    SMALL,
    (world) => {
      const [first, second] = world.threads;
      run(world.words, first!.arrive());
      run(world.words, second!.arrive());
      return [{ steps: first!.finish() }, { steps: second!.abandon() }];
    },
    (world) => run(world.words, world.threads[0]!.arrive()),
    (world) => assert.equal(world.threads[0]!.busy, 1),
  );
});

test("In every order and after every access, what a dead thread had or was given is free again", () => {
  let orders = 0;
  for (let diesAfter = 1; diesAfter < 5; diesAfter++) {
    for (const moment of ["before", "beside"] as const) {
      orders += inEveryOrder(
        SMALL,
        (world) => {
          const [first, second] = world.threads;
          run(world.words, first!.arrive());
          const dying = { steps: first!.finish(), diesAfter };
          const arriving = {
            steps: second!.arrive(),
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
          run(world.words, world.sweep());
        },
        (world) => assert.equal(world.threads[1]!.busy, 1, `it died after ${diesAfter} accesses`),
      );
    }
  }
  assert.ok(orders > 500, `${orders} orders`);
});

test("In every order, what is given to a thread that has just died is found by the next sweep", () => {
  inEveryOrder(
    { threads: 3, requestsMax: 1 },
    (world) => {
      const [first, second] = world.threads;
      run(world.words, first!.arrive());
      run(world.words, second!.arrive());
      second!.isAlive = false;
      return [{ steps: first!.finish() }, { steps: world.bury(1) }];
    },
    (world) => run(world.words, world.sweep()),
    (world) => run(world.words, world.threads[2]!.arrive()),
    (world) => assert.equal(world.threads[2]!.busy, 1),
  );
});

/** What a thread does next. */
function choose(thread: RequestThread, random: () => number): Steps<void> {
  const dice = random();
  if (dice < 0.42) return thread.arrive();
  if (dice < 0.85) return thread.finish();
  if (dice < 0.9) return thread.finishAll();
  if (dice < 0.95) return thread.abandon();
  return thread.failToBegin();
}

function begin(world: RequestWorld, thread: RequestThread, random: () => number): Operation {
  const isRung = world.rung.has(thread.index) && random() < 0.5;
  if (isRung) world.rung.delete(thread.index);
  return new Operation(thread.index, isRung ? thread.look() : choose(thread, random));
}

/** Runs threads for so many accesses; the number of deaths. */
function live(world: RequestWorld, random: () => number, accesses: number): number {
  const { words, threads } = world;
  const under = new Map<number, Operation>();
  let main: Operation | undefined;
  let deaths = 0;
  for (let done = 0; done < accesses; done++) {
    const index = Math.floor(random() * (threads.length + 1));
    if (index === threads.length) {
      if (main === undefined && random() < 0.01) main = new Operation(0, world.sweep());
      main?.step(words);
      if (main?.isDone) main = undefined;
    } else {
      const thread = threads[index]!;
      if (!thread.isAlive) {
        if (main === undefined && random() < 0.1) main = new Operation(0, world.revive(index));
        continue;
      }
      const operation = under.get(index) ?? begin(world, thread, random);
      operation.step(words);
      if (operation.isDone) under.delete(index);
      else under.set(index, operation);
      if (main === undefined && random() < 0.0005) {
        thread.isAlive = false;
        under.delete(index);
        main = new Operation(0, world.bury(index));
        deaths++;
      }
    }
    world.check();
    if (done % 5_000 !== 4_999) continue;
    for (const operation of under.values()) while (!operation.isDone) operation.step(words);
    while (main !== undefined && !main.isDone) main.step(words);
    under.clear();
    main = undefined;
    for (const one of world.threads) if (!one.isAlive) run(words, world.bury(one.index));
    run(words, world.sweep());
    world.settle();
    world.checkQuiet();
  }
  return deaths;
}

for (
  const [seed, options] of [
    { threads: 2, requestsMax: 1 },
    { threads: 4, requestsMax: 6 },
    { threads: 8, requestsMax: 3 },
  ].entries()
) {
  const { threads, requestsMax } = options;
  test(`A million accesses of ${threads} threads to ${requestsMax} places break nothing`, () => {
    const deaths = live(new RequestWorld(options), seeded(seed + 1), 1_000_000);
    assert.ok(deaths > 100, `${deaths} deaths`);
  });
}

test("Threads that all have work without end share places evenly, and none starves", () => {
  for (const requestsMax of [1, 2, 3, 8]) {
    const world = new RequestWorld({ threads: 4, requestsMax });
    const { words, threads } = world;
    for (const thread of threads) {
      for (let request = 0; request < 20; request++) run(words, thread.arrive());
      world.settle();
    }
    for (let round = 0; round < 200; round++) {
      for (const thread of threads) {
        run(words, thread.finish());
        run(words, thread.arrive());
        // Whoever is rung comes late: the others go on meanwhile.
        if (round % 3 === 2) world.settle();
      }
    }
    world.settle();
    const served = threads.map((thread) => thread.served);
    const least = Math.min(...served);
    assert.ok(least * 3 > Math.max(...served), `${served} of ${requestsMax}`);
    if (requestsMax === 8) assert.deepEqual(threads.map(({ busy }) => busy), [2, 2, 2, 2]);
  }
});
