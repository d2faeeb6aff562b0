/**
 * The HTTP/1 server in thousands of simulated worlds; what must hold is said in
 * `http1_simulation.ts`. A failure names its seed: `npm run simulate -- --world http1 --seed N`
 * repeats it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateHttp1 } from "./http1_simulation.ts";

const SEEDS = 1_000;
const TESTS = 4;
const STEPS = 60;

for (let part = 0; part < TESTS; part++) {
  test(`The HTTP/1 server keeps its invariants in simulated worlds, part ${part + 1} (1,000 seeds)`, async () => {
    let requests = 0;
    let complete = 0;
    for (let seed = part; seed < SEEDS; seed += TESTS) {
      const result = await simulateHttp1(seed, STEPS);
      requests += result.requests;
      complete += result.complete;
    }
    assert.ok(requests > 2 * SEEDS / TESTS, `only ${requests} requests were sent`);
    assert.ok(complete > requests / 3, `only ${complete} of ${requests} responses were whole`);
  });
}

test("A simulated world of HTTP/1 repeats itself", async () => {
  for (const seed of [3, 4, 5]) {
    assert.deepEqual(await simulateHttp1(seed, STEPS), await simulateHttp1(seed, STEPS));
  }
});
