/** A thread that is looked after, with threads and a clock in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Logger } from "../../src/observe/logger.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import type { ThreadEvents } from "../../src/runtime/threads.ts";
import { ownerOf } from "../../src/shared/owners.ts";
import { createProcessMemory, processPlaces } from "../../src/shared/process_memory.ts";
import type { ThreadConfig, ToThread } from "../../src/threads/messages.ts";
import {
  GOOD_LIFE_MS,
  RESTART_MAX_MS,
  RESTART_MIN_MS,
  STUCK_LOOKS,
  SupervisedThread,
} from "../../src/threads/supervised_thread.ts";

const CONFIG = {} as ThreadConfig;

function world() {
  const clock = new ManualClock();
  const memory = createProcessMemory(3, 16, { low: 1, high: 2 });
  const started: { events: ThreadEvents; sent: ToThread[]; isOver: boolean }[] = [];
  const lines: string[] = [];
  const calls: string[] = [];
  const gone: (string | undefined)[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  const thread = new SupervisedThread({
    runtime: {
      clock,
      threads: {
        start(events) {
          const one = { events, sent: [] as ToThread[], isOver: false };
          started.push(one);
          return {
            send: (message) => one.sent.push(message as ToThread),
            end: () => one.isOver = true,
          };
        },
      },
    },
    logger: new Logger({ sink, clock, level: "info", format: "json" }),
    version: "1",
    index: 2,
    name: "worker-2",
    memory,
    secret: new Uint8Array(32),
    received: ({ kind }) => calls.push(kind),
    onGone: (last) => {
      calls.push("gone");
      gone.push(last?.metrics);
    },
    onBack: () => calls.push("back"),
    config: () => ({ config: CONFIG, present: { servers: new Map(), news: [] } }),
  });
  const serve = async () => {
    const starting = thread.start();
    started[0]!.events.received({ kind: "ready" });
    await starting;
  };
  return { clock, memory, started, lines, calls, gone, thread, serve };
}

test("A thread that dies is told by its name, counted and started again, and holds nothing", async () => {
  const { clock, memory, started, lines, calls, thread, serve } = world();
  await serve();
  const { placed } = processPlaces(memory);
  Atomics.store(memory.words, placed + 2, 7);
  started[0]!.events.died("Error: top level");
  assert.equal(thread.state, "waiting");
  assert.equal(Atomics.load(memory.words, placed + 2), 0);
  assert.deepEqual(calls, ["gone"]);
  await clock.advance(RESTART_MIN_MS);
  const { code, worker, msg } = JSON.parse(lines.join(""));
  assert.deepEqual([code, worker], ["thread_died", "worker-2"]);
  assert.match(msg, /worker-2 has died: Error: top level/);
  assert.equal(started.length, 2);
  const [start] = started[1]!.sent;
  assert.ok(start?.kind === "start" && start.owner === ownerOf(2, 1));
  started[1]!.events.received({ kind: "ready" });
  assert.deepEqual(calls, ["gone", "back"]);
  assert.equal(thread.restarts, 1);
  assert.equal(thread.isReady, true);
});

test("A thread that stands still for ten looks is ended, one whose heart beats is not", async () => {
  const { memory, started, thread, serve } = world();
  await serve();
  const { beat } = processPlaces(memory);
  for (let look = 0; look < 3 * STUCK_LOOKS; look++) {
    Atomics.add(memory.words, beat + 2, 1);
    thread.look();
  }
  assert.equal(thread.state, "serving");
  for (let look = 0; look < STUCK_LOOKS; look++) thread.look();
  assert.equal(thread.state, "waiting");
  assert.equal(started[0]!.isOver, true);
});

test("One that dies repeatedly is started more and more rarely", async () => {
  const { clock, started, serve } = world();
  await serve();
  let waitMs = RESTART_MIN_MS;
  for (let life = 0; life < 12; life++) {
    started[life]!.events.died("again");
    await clock.advance(waitMs - 1);
    assert.equal(started.length, life + 1);
    await clock.advance(1);
    assert.equal(started.length, life + 2);
    waitMs = Math.min(2 * waitMs, RESTART_MAX_MS);
  }
  assert.equal(waitMs, RESTART_MAX_MS);
});

test("One that has served for a while is started soon again, however often it died before", async () => {
  for (const [servedMs, waitMs] of [[GOOD_LIFE_MS, 800], [GOOD_LIFE_MS + 1, 100]] as const) {
    const { clock, started, serve } = world();
    await serve();
    for (const waitMs of [100, 200, 400]) {
      started.at(-1)!.events.died("again");
      clock.advance(waitMs);
      started.at(-1)!.events.received({ kind: "ready" });
    }
    clock.advance(servedMs);
    const count = started.length;
    started.at(-1)!.events.died("later");
    clock.advance(waitMs - 1);
    assert.equal(started.length, count);
    clock.advance(1);
    assert.equal(started.length, count + 1);
  }
});

test("A thread that cannot start says why, and is not tried again", async () => {
  const { started, thread } = world();
  const starting = thread.start();
  started[0]!.events.received({ kind: "failed", reason: "Cannot read CA" });
  await assert.rejects(starting, /Cannot read CA/);
  assert.equal(started.length, 1);
});

test("What is asked of a thread ends with it, and a report has its time", async () => {
  const { clock, started, thread, serve } = world();
  await serve();
  const late = thread.report(1, 1_000);
  await clock.advance(1_000);
  assert.equal(await late, undefined);
  const report = thread.report(2, 1_000);
  started[0]!.events.received({ kind: "response", id: 2, metrics: "m", status: {} });
  assert.equal((await report)?.metrics, "m");
  const lateAgain = thread.report(4, 1_000);
  await clock.advance(1_000);
  assert.equal((await lateAgain)?.metrics, "m", "what it said last");
  const prepared = thread.prepare(3, CONFIG);
  started[0]!.events.died("gone");
  await prepared;
});

test("A reload that a thread cannot do fails with its words", async () => {
  const { started, thread, serve } = world();
  await serve();
  const prepared = thread.prepare(3, CONFIG);
  started[0]!.events.received({ kind: "prepared", id: 3, error: "Cannot listen" });
  await assert.rejects(prepared, /Cannot listen/);
});

test("A stop waits for the thread, or for its death", async () => {
  for (const end of ["stopped", "died"]) {
    const { started, thread, serve } = world();
    await serve();
    const stopped = thread.stop(false);
    assert.deepEqual(started[0]!.sent.at(-1), { kind: "stop", isTakenOver: false });
    if (end === "died") started[0]!.events.died("killed");
    else started[0]!.events.received({ kind: "stopped" });
    await stopped;
    assert.equal(started.length, 1);
  }
});

test("What is left of a life that is over changes nothing of the next one", async () => {
  const { clock, started, calls, thread, serve } = world();
  await serve();
  const { events } = started[0]!;
  events.died("first");
  for (const isStarted of [false, true]) {
    if (isStarted) clock.advance(RESTART_MIN_MS);
    const state = thread.state;
    events.received({ kind: "ready" });
    events.received({ kind: "log", log: "access", text: "late\n" });
    events.died("again");
    assert.deepEqual([thread.state, thread.restarts, calls], [state, 1, ["gone"]]);
  }
  assert.deepEqual([started.length, clock.timerCount], [2, 0]);
});

test("What a life counts while it dies is not the next one's", async () => {
  const { clock, memory, started, thread, serve } = world();
  await serve();
  const { placed, clients } = processPlaces(memory);
  started[0]!.events.died("killed");
  for (const at of [placed, clients.at]) Atomics.store(memory.words, at + 2, 3);
  Atomics.store(memory.words, placed + 1, 5);
  clock.advance(RESTART_MIN_MS);
  assert.deepEqual(
    [placed + 1, placed + 2, clients.at + 2].map((at) => Atomics.load(memory.words, at)),
    [5, 0, 0],
  );
  thread.end();
});

test("What a thread said last is buried with it once, and is none of the next one's", async () => {
  const { clock, started, gone, thread, serve } = world();
  await serve();
  const report = thread.report(1, 1_000);
  started[0]!.events.received({ kind: "response", id: 1, metrics: "m", status: {} });
  await report;
  assert.equal(clock.timerCount, 0, "the timer of a question that was answered");
  started[0]!.events.died("killed");
  assert.equal(await thread.report(2, 1_000), undefined, "it does not live");
  clock.advance(RESTART_MIN_MS);
  started[1]!.events.received({ kind: "ready" });
  const late = thread.report(3, 1_000);
  clock.advance(1_000);
  assert.equal(await late, undefined, "this life has said nothing");
  const cut = thread.report(4, 1_000);
  started[1]!.events.died("killed");
  assert.equal(await cut, undefined);
  assert.deepEqual(gone, ["m", undefined]);
  thread.end();
  clock.advance(0);
  assert.equal(clock.timerCount, 0);
});

/** How a thread comes to be in a state, and whether a stop in it has to be awaited. */
const STATES: Readonly<
  Record<string, (one: ReturnType<typeof world>) => Promise<{ isAwaited: boolean }>>
> = {
  starting({ thread }) {
    thread.start().catch(() => {});
    return Promise.resolve({ isAwaited: true });
  },
  async serving({ serve }) {
    await serve();
    return { isAwaited: true };
  },
  async waiting({ started, serve }) {
    await serve();
    started[0]!.events.died("killed");
    return { isAwaited: false };
  },
  async "starting again"({ clock, started, serve }) {
    await serve();
    started[0]!.events.died("killed");
    clock.advance(RESTART_MIN_MS);
    return { isAwaited: true };
  },
};

for (const [state, reach] of Object.entries(STATES)) {
  for (const end of ["stopped", "died", "ended"] as const) {
    test(`A thread that is ${state} stops once and stays so, also where it has ${end}`, async () => {
      const all = world();
      const { clock, started, calls, thread } = all;
      const { isAwaited } = await reach(all);
      let stops = 0;
      const stopping = [thread.stop(true), thread.stop(true)].map((stop) =>
        stop.then(() => stops++)
      );
      for (let turns = 0; turns < 10; turns++) await Promise.resolve();
      assert.equal(stops, isAwaited ? 0 : 2);
      const last = started.at(-1)!;
      const count = started.length;
      assert.equal(last.sent.filter(({ kind }) => kind === "stop").length, isAwaited ? 1 : 0);
      // It may have been about to say so.
      if (isAwaited) last.events.received({ kind: "ready" });
      assert.ok(!calls.includes("back"), "who stops takes no clients");
      assert.equal(thread.isReady, false);
      if (end === "stopped") last.events.received({ kind: "stopped" });
      else if (end === "died") last.events.died("killed");
      else thread.end();
      await Promise.all(stopping);
      assert.equal(stops, 2);
      clock.advance(10 * RESTART_MAX_MS);
      assert.deepEqual([started.length, clock.timerCount], [count, 0], "it is not started again");
      assert.ok(last.isOver);
      // Nothing of it is there any more.
      const told = last.sent.length;
      thread.send({ kind: "password", digest: "x" });
      for (let look = 0; look <= STUCK_LOOKS; look++) thread.look();
      clock.advance(RESTART_MAX_MS);
      assert.deepEqual([last.sent.length, started.length], [told, count]);
    });
  }
}

test("How long it stands still is told in seconds, and nothing of it once it is dead", async () => {
  const { started, thread, serve } = world();
  await serve();
  assert.deepEqual([thread.stillMs, thread.isLate], [0, false]);
  const seen: [stillMs: number, isLate: boolean][] = [];
  for (let look = 0; look < 4; look++) {
    thread.look();
    seen.push([thread.stillMs, thread.isLate]);
  }
  // The first one cannot know how long it has been so.
  assert.deepEqual(seen, [[0, false], [1_000, false], [2_000, true], [3_000, true]]);
  started[0]!.events.died("killed");
  assert.deepEqual([thread.stillMs, thread.isLate], [0, false]);
  thread.look();
  assert.equal(thread.stillMs, 0);
  thread.end();
});

test("A thread that is of no use is ended, told why, and started again", async () => {
  const { clock, started, lines, thread, serve } = world();
  await serve();
  const asked = thread.prepare(1, CONFIG);
  thread.fail("Cannot read CA");
  await asked;
  assert.equal(started[0]!.isOver, true);
  clock.advance(RESTART_MIN_MS);
  assert.match(JSON.parse(lines.join("")).msg, /worker-2 has died: Cannot read CA/);
  assert.deepEqual([started.length, thread.restarts], [2, 1]);
  thread.end();
  await thread.commit(2, CONFIG, { servers: new Map(), news: [] });
  assert.equal(started[1]!.isOver, true);
});

test("A thread that starts is asked nothing, and one that ends is not started by a look", async () => {
  const { clock, started, thread, serve } = world();
  await serve();
  started[0]!.events.died("killed");
  clock.advance(RESTART_MIN_MS);
  assert.equal(thread.state, "starting");
  assert.equal(await thread.report(1, 1_000), undefined);
  assert.deepEqual(started[1]!.sent.map(({ kind }) => kind), ["start"]);
  assert.equal(clock.timerCount, 0);
  started[1]!.events.received({ kind: "ready" });
  thread.end();
  for (let look = 0; look <= STUCK_LOOKS; look++) thread.look();
  clock.advance(RESTART_MAX_MS);
  assert.equal(started.length, 2);
});
