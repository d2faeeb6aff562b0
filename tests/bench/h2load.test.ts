/** What h2load prints is read as what it means. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readH2load } from "../../bench/load/h2load.ts";
import { percentile } from "../../bench/measure/statistics.ts";

const OUTPUT = `starting benchmark...
spawning thread #0: 2 total client(s). 1000 total requests
progress: 100% done

finished in 1.50s, 666.67 req/s, 12.00KB/s
requests: 1000 total, 1000 started, 1000 done, 990 succeeded, 10 failed, 3 errored, 4 timeout
status codes: 990 2xx, 0 3xx, 7 4xx, 0 5xx
traffic: 19.53KB (20000) total, 4.88KB (5000) headers (space savings 90.00%), 11.60KB (11880) data
                     min         max         mean         sd        +/- sd
time for request:      100us      2.00ms       300us        50us    90.00%
`;

test("Requests, failures, time and bytes are read from h2load's report", () => {
  assert.deepEqual(readH2load(OUTPUT), {
    requests: 990,
    failed: 10,
    durationUs: 1_500_000,
    bytes: 11_880,
  });
  assert.equal(readH2load(OUTPUT.replace("1.50s", "250.00ms")).durationUs, 250_000);
  assert.throws(() => readH2load("nothing"), /Cannot find/);
});

test("A percentile is one of the numbers", () => {
  const numbers = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.equal(percentile(numbers, 0.5), 51);
  assert.equal(percentile(numbers, 0.99), 100);
  assert.equal(percentile([7], 0.99), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});
