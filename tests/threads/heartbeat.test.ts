/**
 * Signs of life of a thread: one in each quarter of a second, and of the last fifteen seconds how late
 * one was at most. What was late before that is forgotten.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createWords } from "../../src/shared/layout.ts";
import { Heartbeat } from "../../src/threads/heartbeat.ts";
import { LoneThread } from "../../src/threads/lone_thread.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const PLACES = { beat: 2, delay: 1 };
const INTERVAL_MS = 250;
/** Fifteen seconds of them. */
const BEATS = 60;

/** A clock whose timers fire late, as those of an event loop that has something else to do. */
class BusyClock extends ManualClock {
  lateMs = 0;

  override setTimer(callback: () => void, delayMs: number) {
    return super.setTimer(callback, delayMs + this.lateMs);
  }
}

function world() {
  const words = createWords(3);
  const clock = new BusyClock();
  let heard = 0;
  const heartbeat = new Heartbeat(words, PLACES, clock, () => heard++);
  /** So many beats; the timer of the first one is set already. */
  const beat = (count: number, nextLateMs = 0) => {
    for (let index = 0; index < count; index++) {
      const before = heard;
      clock.lateMs = index === count - 1 ? nextLateMs : 0;
      while (heard === before) clock.advance(1);
    }
  };
  const delayMs = () => words[PLACES.delay]! / 1000;
  return { words, clock, heartbeat, beat, delayMs, count: () => [heard, words[PLACES.beat]] };
}

test("A heart beats four times a second, until it is stopped", () => {
  const { clock, heartbeat, count } = world();
  heartbeat.stop();
  heartbeat.start();
  clock.advance(INTERVAL_MS - 1);
  assert.deepEqual(count(), [0, 0]);
  clock.advance(1);
  assert.deepEqual(count(), [1, 1]);
  clock.advance(10 * INTERVAL_MS);
  assert.deepEqual(count(), [11, 11]);
  heartbeat.stop();
  clock.advance(10 * INTERVAL_MS);
  assert.deepEqual(count(), [11, 11]);
  assert.equal(clock.timerCount, 0);
});

test("The latest beat of fifteen seconds is told, and no longer", () => {
  const { words, heartbeat, beat, delayMs } = world();
  heartbeat.start();
  beat(3, 7);
  assert.equal(delayMs(), 0);
  beat(1, 40);
  assert.equal(delayMs(), 7);
  beat(1, 12);
  assert.equal(delayMs(), 40);
  beat(1);
  assert.equal(delayMs(), 40, "a later one that was less late");
  beat(BEATS - 2);
  assert.equal(delayMs(), 40, "it is the sixtieth now");
  beat(1);
  assert.equal(delayMs(), 12);
  beat(1);
  assert.equal(delayMs(), 0);
  assert.equal(words[0], 0);
});

test("A clock that is set back makes no beat early", () => {
  const words = createWords(3);
  let nowMs = 1_000;
  let fire = () => {};
  const heartbeat = new Heartbeat(words, PLACES, {
    nowMs: () => nowMs,
    setTimer: (callback) => {
      fire = callback;
      return 1;
    },
    clearTimer() {},
  });
  heartbeat.start();
  for (const [movedMs, expectedUs] of [[-500, 0], [INTERVAL_MS + 1.5, 1_500]] as const) {
    nowMs += movedMs;
    fire();
    assert.equal(words[PLACES.delay], expectedUs);
  }
});

test("Of one thread alone the same delay is told in metrics and in the status", async () => {
  const clock = new BusyClock();
  clock.lateMs = 30;
  const thread = new LoneThread(clock);
  clock.advance(INTERVAL_MS + 30);
  const text = await thread.metrics("");
  assert.match(text, /^afcgi_worker_event_loop_delay_seconds\{worker="main"\} 0\.03$/m);
  assert.match(text, /^afcgi_event_loop_delay_seconds 0\.03$/m);
  const { workers } = await thread.status({ version: "1", upstreams: [] } as never) as {
    readonly workers: readonly object[];
  };
  assert.deepEqual(workers, [
    { name: "main", state: "serving", restarts: 0, event_loop_delay_ms: 30 },
  ]);
  thread.close();
  assert.equal(clock.timerCount, 0);
});
