/**
 * The upstream engine in thousands of simulated worlds of HTTP servers; what must hold is said in
 * `simulation.ts`. A failure names its seed: `npm run simulate -- --world http_upstream --seed N`
 * repeats it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { STEPS } from "./simulate.ts";
import { simulateHttpUpstream } from "./simulation.ts";

const SEEDS = 1_000;
const TESTS = 4;

for (let part = 0; part < TESTS; part++) {
  test(`HTTP servers get requests that are whole and in turn, and each client its own response, part ${part + 1} (1,000 seeds)`, async () => {
    let requests = 0;
    let complete = 0;
    for (let seed = part; seed < SEEDS; seed += TESTS) {
      const result = await simulateHttpUpstream(seed, STEPS);
      requests += result.requests;
      complete += result.complete;
    }
    // A simulator in which nothing happens, or nothing succeeds, would prove nothing.
    assert.ok(requests > SEEDS, `only ${requests} requests were sent`);
    assert.ok(complete > requests / 4, `only ${complete} of ${requests} requests succeeded`);
  });
}

test("Worlds of HTTP servers repeat themselves: one seed gives the same run again", async () => {
  for (const seed of [3, 4, 5]) {
    assert.deepEqual(
      await simulateHttpUpstream(seed, STEPS),
      await simulateHttpUpstream(seed, STEPS),
    );
  }
});
