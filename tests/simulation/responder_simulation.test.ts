/**
 * The application side in thousands of simulated worlds; what must hold is said in
 * `responder_simulation.ts`. A failure names its seed: `npm run simulate -- --world responder
 * --seed N` repeats it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateResponder } from "./responder_simulation.ts";

const SEEDS = 300;
const STEPS = 150;

test("The responder keeps its invariants in simulated worlds (300 seeds)", async () => {
  let requests = 0;
  let complete = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const result = await simulateResponder(seed, STEPS);
    requests += result.requests;
    complete += result.complete;
  }
  assert.ok(requests > 3 * SEEDS, `only ${requests} requests were sent`);
  assert.ok(complete > requests / 3, `only ${complete} of ${requests} requests succeeded`);
});

test("A simulated world of the responder repeats itself", async () => {
  for (const seed of [3, 4, 5]) {
    assert.deepEqual(await simulateResponder(seed, STEPS), await simulateResponder(seed, STEPS));
  }
});
