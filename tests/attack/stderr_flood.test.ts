/** An application that writes to its STDERR without end: the log has a part of it, and the count. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/runtime/manual_clock.ts";
import { STDERR_BURST, STDERR_RATE, StderrBudget } from "../../src/upstream/stderr_budget.ts";

test("A flood is logged at its rate, the rest is counted and told each second", () => {
  const clock = new ManualClock();
  const told: [string, number, number][] = [];
  const budget = new StderrBudget(clock, (...what) => told.push(what));
  const line = "x".repeat(1000);
  let logged = 0;
  const flood = () => {
    for (let count = 0; count < 10_000; count++) if (budget.take("app", line)) logged++;
  };
  flood();
  const atOnce = Math.ceil(STDERR_BURST / (line.length + 256));
  assert.equal(logged, atOnce);
  assert.ok(budget.take("other", line), "another application's is its own");
  assert.equal(told.length, 0);
  clock.advance(1000);
  assert.deepEqual(told, [["app", 10_000 - atOnce, (10_000 - atOnce) * 1000]]);
  logged = 0;
  flood();
  assert.ok(logged <= Math.ceil(STDERR_RATE / (line.length + 256)) + 1, `${logged}`);
  assert.ok(logged > 100);
  clock.advance(1000);
  assert.equal(told.length, 2);
  clock.advance(60_000);
  assert.equal(told.length, 2, "nothing more to tell");
});
