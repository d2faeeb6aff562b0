/** What tests wait for: it ends, and says what it was that did not come. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until, untilTold } from "../support/idle.ts";

test("What does not come to hold is told by its words, or by its own text", async () => {
  await assert.rejects(until(() => false, "the end", 5), /^Error: Cannot see the end within 5 ms$/);
  await assert.rejects(
    untilTold(() => false, () => {}, "the end", 5),
    /^Error: Cannot see the end within 5 ms$/,
  );
  let isThere = false;
  const change = (wake: () => void) => void setTimeout(wake, 0);
  await assert.rejects(untilTold(() => isThere, change, undefined, 5), /Cannot see .*isThere/);
  isThere = true;
  await untilTold(() => isThere, () => assert.fail("it holds already"));
});

test("What tells of its changes is looked at after each, and no longer", async () => {
  let count = 0;
  let wakes = 0;
  await untilTold(() => count === 3, (wake) => {
    wakes++;
    queueMicrotask(() => {
      count++;
      wake();
    });
  });
  assert.deepEqual([count, wakes], [3, 3]);
});
