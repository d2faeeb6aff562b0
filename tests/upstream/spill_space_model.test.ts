/**
 * The disk that files share, by seed and against a small model: what is taken is never more than all
 * of it, who waits is called once and no later than the next try, who has left is not called, and
 * there is a timer just while somebody waits.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RETRY_MS, SpillSpace } from "../../src/upstream/spill_space.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { Random } from "../simulation/random.ts";

const MAX = 1_000;
const SEEDS = 100;
const STEPS = 300;

interface Waiter {
  readonly leave: () => void;
  readonly sinceMs: number;
}

function run(seed: number): void {
  const random = new Random(seed);
  const clock = new ManualClock();
  let stuck = 0;
  const space = new SpillSpace(clock, MAX, () => void stuck++);
  const waiting = new Map<number, Waiter>();
  const called = new Set<number>();
  const taken: number[] = [];
  let blockedUntilMs = -Infinity;
  let waiters = 0;
  const sum = () => taken.reduce((total, length) => total + length, 0);
  const wait = (): void => {
    const id = ++waiters;
    const leave = space.wait(() => {
      assert.ok(waiting.delete(id), `${id} is called though it does not wait`);
      assert.ok(!called.has(id), `${id} is called twice`);
      called.add(id);
      // Who is called may have to wait again.
      if (random.chance(0.3)) wait();
    });
    waiting.set(id, { leave, sinceMs: clock.nowMs() });
  };
  for (let step = 1; step <= STEPS; step++) {
    switch (random.pick(["take", "take", "give", "wait", "leave", "time", "block"])) {
      case "take": {
        const length = random.between(1, 300);
        const fits = clock.nowMs() >= blockedUntilMs && sum() + length <= MAX;
        assert.equal(space.take(length), fits, `step ${step}`);
        if (fits) taken.push(length);
        break;
      }
      case "give": {
        const length = taken.pop();
        if (length === undefined) break;
        const before = [...waiting.keys()];
        space.give(length);
        assert.ok(before.every((id) => called.has(id)), "all who waited are called");
        break;
      }
      case "wait":
        wait();
        break;
      case "leave": {
        const [first] = waiting;
        if (first === undefined) break;
        waiting.delete(first[0]);
        first[1].leave();
        break;
      }
      case "time":
        clock.advance(random.pick([1, RETRY_MS / 2, RETRY_MS, 10 * RETRY_MS]));
        break;
      case "block":
        space.block(new Error("ENOSPC"));
        blockedUntilMs = clock.nowMs() + RETRY_MS;
    }
    assert.equal(space.used, sum(), `step ${step}`);
    for (const { sinceMs } of waiting.values()) {
      assert.ok(clock.nowMs() - sinceMs <= RETRY_MS, `step ${step}: somebody waits for too long`);
    }
    assert.equal(clock.timerCount, waiting.size > 0 ? 1 : 0, `step ${step}: timers`);
  }
  for (const { leave } of waiting.values()) leave();
  assert.equal(clock.timerCount, 0);
}

test("Space that is shared is taken up to its bound, and nobody waits for nothing (100 seeds)", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`Seed ${seed}: ${error}`, { cause: error });
    }
  }
});
