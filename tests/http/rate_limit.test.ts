import assert from "node:assert/strict";
import { test } from "node:test";
import { limitRate } from "../../src/http/rate_limit.ts";
import { ManualClock } from "../support/memory/memory.ts";
import type { Clock } from "../../src/runtime/clock.ts";

/** A clock whose timers a test can wait for, and count. */
class WatchedClock implements Pick<Clock, "setTimer" | "clearTimer" | "nowMs"> {
  readonly clock = new ManualClock();
  readonly delaysMs: number[] = [];
  cleared = 0;
  onTimer = () => {};

  nowMs = () => this.clock.nowMs();
  wallMs = () => this.clock.wallMs();
  atTurnEnd = (callback: () => void) => this.clock.atTurnEnd(callback);
  setTimer = (callback: () => void, delayMs: number) => {
    this.delaysMs.push(delayMs);
    const id = this.clock.setTimer(callback, delayMs);
    this.onTimer();
    return id;
  };
  clearTimer = (id: Parameters<Clock["clearTimer"]>[0]) => {
    this.cleared++;
    this.clock.clearTimer(id);
  };
}

function bytesOf(...lengths: number[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const length of lengths) controller.enqueue(new Uint8Array(length));
      controller.close();
    },
  });
}

test("limitRate sends a tenth of a second's worth at a time, whatever the pieces", async () => {
  const clock = new WatchedClock();
  clock.onTimer = () => queueMicrotask(() => clock.clock.advance(clock.delaysMs.at(-1)!));
  const lengths: number[] = [];
  for await (const piece of limitRate(bytesOf(25, 1, 0, 4), 100, clock)) lengths.push(piece.length);
  assert.deepEqual(lengths, [10, 10, 5, 1, 4]);
  assert.deepEqual(clock.delaysMs, [100, 100, 50, 10]);
});

test("limitRate sends a byte at a time at the lowest rate", async () => {
  const clock = new WatchedClock();
  clock.onTimer = () => queueMicrotask(() => clock.clock.advance(clock.delaysMs.at(-1)!));
  const lengths: number[] = [];
  for await (const piece of limitRate(bytesOf(3), 1, clock)) lengths.push(piece.length);
  assert.deepEqual([lengths, clock.delaysMs], [[1, 1, 1], [1000, 1000]]);
});

test("limitRate leaves no timer behind and stops its source when its reader leaves", async () => {
  const clock = new WatchedClock();
  const waits = new Promise<void>((resolve) => clock.onTimer = resolve);
  let reason: unknown;
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(100)),
    cancel: (given) => void (reason = given),
  });
  const reader = limitRate(source, 10, clock).getReader();
  assert.equal((await reader.read()).value?.length, 1);
  void reader.read();
  await waits;
  await reader.cancel("enough");
  assert.deepEqual([clock.cleared, reason], [1, "enough"]);
});
