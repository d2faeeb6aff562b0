/** Many limits with one timer: kept in time, moved, forgotten, closed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../support/memory/memory.ts";
import { type DeadlineHolder, Deadlines, NO_SLOT, TICK_MS } from "../../src/upstream/deadlines.ts";

class Holder implements DeadlineHolder {
  deadlineMs: number;
  deadlineSlot = NO_SLOT;
  calledMs: number[] = [];
  then: (() => void) | undefined;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, deadlineMs: number) {
    this.#clock = clock;
    this.deadlineMs = deadlineMs;
  }

  onDeadline(): void {
    this.calledMs.push(this.#clock.nowMs());
    this.then?.();
  }
}

test("Deadlines notices a limit not before its time and at most two ticks after", () => {
  for (const delayMs of [1, 49, 50, 51, 777, 10_000]) {
    const clock = new ManualClock();
    const deadlines = new Deadlines(clock);
    const ticking = new Holder(clock, Infinity);
    deadlines.add(ticking);
    clock.advance(33);
    const setMs = clock.nowMs();
    const holder = new Holder(clock, deadlines.after(delayMs));
    holder.then = () => deadlines.remove(holder);
    deadlines.add(holder);
    clock.advance(20_000);
    assert.equal(holder.calledMs.length, 1);
    const tookMs = holder.calledMs[0]! - setMs;
    assert.ok(tookMs >= delayMs && tookMs <= delayMs + 2 * TICK_MS, `${delayMs}: ${tookMs}`);
    assert.deepEqual(ticking.calledMs, []);
  }
});

test("Deadlines has no timer while there is nobody to look at", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  assert.equal(clock.timerCount, 0);
  const holder = new Holder(clock, Infinity);
  deadlines.add(holder);
  deadlines.add(holder);
  assert.deepEqual([deadlines.size, clock.timerCount], [1, 1]);
  deadlines.remove(holder);
  deadlines.remove(holder);
  clock.advance(TICK_MS);
  assert.deepEqual([deadlines.size, clock.timerCount], [0, 0]);
});

test("Deadlines never lets a limit of 0 pass", () => {
  assert.equal(new Deadlines(new ManualClock()).after(0), Infinity);
});

test("Deadlines calls a holder again that does not move its limit, and others around it", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const holders = [1, 2, 3].map(() => new Holder(clock, 10));
  for (const holder of holders) deadlines.add(holder);
  // The first takes the second away before its turn.
  holders[0]!.then = () => {
    deadlines.remove(holders[0]!);
    deadlines.remove(holders[1]!);
  };
  clock.advance(TICK_MS);
  clock.advance(TICK_MS);
  assert.deepEqual(holders.map(({ calledMs }) => calledMs.length), [1, 0, 2]);
});

test("Deadlines that were closed have no timer and may still be asked to forget", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const holders = [1, 2].map(() => new Holder(clock, 10));
  for (const holder of holders) deadlines.add(holder);
  deadlines.close();
  for (const holder of holders) deadlines.remove(holder);
  clock.advance(1_000);
  assert.deepEqual([clock.timerCount, deadlines.size, holders[0]!.calledMs], [0, 0, []]);
});
