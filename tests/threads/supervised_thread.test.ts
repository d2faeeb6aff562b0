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
    onGone: () => calls.push("gone"),
    onBack: () => calls.push("back"),
    config: () => ({ config: CONFIG, present: { servers: new Map(), news: [] } }),
  });
  const serve = async () => {
    const starting = thread.start();
    started[0]!.events.received({ kind: "ready" });
    await starting;
  };
  return { clock, memory, started, lines, calls, thread, serve };
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
