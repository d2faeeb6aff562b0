/**
 * The upstream engine in thousands of simulated worlds; what must hold is said in `simulation.ts`.
 * A failure names its seed: `npm run simulate -- --seed N` repeats it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { STEPS } from "./simulate.ts";
import { simulate } from "./simulation.ts";

const SEEDS = 2_000;
const TESTS = 8;

for (let part = 0; part < TESTS; part++) {
  test(`Upstream keeps its invariants in an eighth of the simulated worlds, part ${part + 1} (2,000 seeds)`, async () => {
    let requests = 0;
    let complete = 0;
    for (let seed = part; seed < SEEDS; seed += TESTS) {
      const result = await simulate(seed, STEPS);
      requests += result.requests;
      complete += result.complete;
    }
    // A simulator in which nothing happens, or nothing succeeds, would prove nothing.
    assert.ok(requests > SEEDS, `only ${requests} requests were sent`);
    assert.ok(complete > requests / 4, `only ${complete} of ${requests} requests succeeded`);
  });
}

test("Simulation repeats itself: one seed gives the same run again", async () => {
  for (const seed of [3, 4, 5]) {
    assert.deepEqual(await simulate(seed, STEPS), await simulate(seed, STEPS));
  }
});
