/** What of an application's STDERR is logged: to the byte, and what is told of the rest. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StderrBudget } from "../../src/upstream/stderr_budget.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

/** What a line costs beside its text. */
const LINE_COST = 256;
const BURST = 1_048_576;
const RATE = 262_144;

function world() {
  const clock = new ManualClock();
  const told: [string, number, number][] = [];
  const budget = new StderrBudget(clock, (...what) => told.push(what));
  /** Leaves exactly so much. */
  const spendTo = (left: number) => {
    assert.ok(budget.take("app", "x".repeat(BURST - LINE_COST - left)));
  };
  return { clock, told, budget, spendTo };
}

test("A line is logged as long as a byte is left, at its length and what its fields take", () => {
  const { budget, spendTo } = world();
  spendTo(1);
  assert.equal(budget.leavesOut("app", new Uint8Array(3), 0), false);
  assert.equal(budget.take("app", "any"), true);
  assert.equal(budget.take("app", "any"), false);
  const exact = world();
  exact.spendTo(0);
  assert.equal(exact.budget.take("app", "any"), false);
  assert.equal(exact.budget.take("other", "any"), true);
  exact.clock.advance(1_000);
});

test("A quiet time gives back its rate, up to a burst", () => {
  const { budget, clock, spendTo } = world();
  spendTo(0);
  clock.advance(1_000);
  assert.equal(budget.take("app", "x".repeat(RATE - LINE_COST)), true);
  assert.equal(budget.take("app", ""), false);
  clock.advance(1_000);
  // It has gained once, not twice for having been asked twice.
  assert.equal(budget.take("app", "x".repeat(RATE - LINE_COST - 1)), true);
  assert.equal(budget.take("app", "x".repeat(100)), true);
  assert.equal(budget.take("app", ""), false);
  clock.advance(1_000_000);
  spendTo(0);
  assert.equal(budget.take("app", ""), false);
  clock.advance(1_000);
});

test("What is left out is counted by lines and bytes, told after a second, and counted anew", () => {
  const { budget, clock, told, spendTo } = world();
  spendTo(-10 * BURST);
  assert.equal(budget.take("app", "four"), false);
  assert.equal(budget.leavesOut("app", new TextEncoder().encode("\na\n\nb"), 7), true);
  assert.equal(budget.take("app", "x"), false);
  assert.equal(clock.timerCount, 1);
  clock.advance(999);
  assert.deepEqual(told, []);
  clock.advance(1);
  assert.deepEqual(told, [["app", 5, 17]]);
  clock.advance(5_000);
  assert.equal(told.length, 1);
  assert.equal(budget.leavesOut("app", new TextEncoder().encode("no end"), 0), true);
  assert.equal(clock.timerCount, 1);
  clock.advance(1_000);
  assert.deepEqual(told[1], ["app", 0, 6]);
  assert.equal(clock.timerCount, 0);
});
