/**
 * How long a connection may stand still for slow clients, against a model in whole numbers: a pause is
 * free for a quarter of a second, the rest is owed, reading pays it back, and at five seconds owed it is
 * over, in one pause or in many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../simulation/random.ts";
import { ReadingPauses } from "../../src/upstream/reading_pauses.ts";

const FREE_MS = 250;
const OWED_MAX_MS = 5_000;

/** How long the pauses of a row may be, until one reaches the limit; 0: none does. */
function pausesUntilLimit(pauseMs: number, readMs: number): number {
  const pauses = new ReadingPauses();
  let nowMs = 0;
  for (let count = 1; count <= 100; count++) {
    pauses.add(1, nowMs);
    if (pauses.deadlineMs <= nowMs + pauseMs) return count;
    nowMs += pauseMs;
    pauses.remove(1, nowMs);
    nowMs += readMs;
  }
  return 0;
}

test("One pause may be so long, and many that are shorter as long together", () => {
  const rows = [
    [5_249, 0, 2],
    [5_250, 0, 1],
    [250, 0, 0],
    [1_250, 0, 5],
    [1_250, 500, 9],
    [1_250, 1_000, 0],
    [750, 100, 13],
    [2_250, 10_000, 0],
  ] as const;
  for (const [pauseMs, readMs, count] of rows) {
    assert.equal(pausesUntilLimit(pauseMs, readMs), count, `${pauseMs} ms, then ${readMs} ms`);
  }
});

test("What is owed is what the model says, whoever is slow and how often (300 seeds)", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const pauses = new ReadingPauses();
    const slow = new Set<number>();
    let nowMs = 0;
    let owedMs = 0;
    let sinceMs = 0;
    for (let step = 1; step <= 60; step++) {
      const passedMs = random.pick([0, 10, 200, 300, 1_000, 4_000]);
      nowMs += passedMs;
      if (slow.size === 0) owedMs = Math.max(0, owedMs - passedMs);
      const id = random.between(1, 3);
      if (random.chance(0.5)) {
        assert.equal(pauses.add(id, nowMs), slow.size === 0, "the first one stops it");
        if (slow.size === 0) sinceMs = nowMs;
        slow.add(id);
      } else {
        const isLast = slow.delete(id) && slow.size === 0;
        assert.equal(pauses.remove(id, nowMs), isLast, "the last one lets it go on");
        if (isLast) {
          const chargedMs = Math.max(0, nowMs - sinceMs - FREE_MS);
          owedMs = Math.min(OWED_MAX_MS, owedMs + chargedMs);
        }
      }
      const limitMs = slow.size > 0 ? sinceMs + FREE_MS + OWED_MAX_MS - owedMs : Infinity;
      assert.equal(pauses.deadlineMs, limitMs, `seed ${seed}, step ${step}`);
      assert.deepEqual([pauses.isPaused, pauses.count], [slow.size > 0, slow.size]);
    }
  }
});
