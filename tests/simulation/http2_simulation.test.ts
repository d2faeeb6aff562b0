/**
 * The HTTP/2 server in hundreds of simulated worlds; what must hold is said in `http2_simulation.ts`.
 * A failure names its seed: `npm run simulate -- --world http2 --seed N` repeats it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateHttp2 } from "./http2_simulation.ts";

const SEEDS = 60;
const STEPS = 120;

test("The HTTP/2 server keeps its invariants in simulated worlds (60 seeds)", async () => {
  let requests = 0;
  let complete = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const result = await simulateHttp2(seed, STEPS);
    requests += result.requests;
    complete += result.complete;
  }
  assert.ok(requests > 5 * SEEDS, `only ${requests} requests were sent`);
  assert.ok(complete > requests / 2, `only ${complete} of ${requests} responses were whole`);
});
