/** When garbage is collected on purpose: at the end of a turn, and not often. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { COLLECTION_INTERVAL_MS, garbageCollector } from "../../src/app/garbage.ts";
import { settle } from "../support/http1_world.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

test("Garbage is collected when the turn is over, and again only after a while", async () => {
  const clock = new ManualClock();
  let count = 0;
  const collect = garbageCollector({ clock, collectGarbage: () => void count++ });
  collect();
  assert.equal(count, 0, "what is being sent is sent first");
  await settle();
  assert.equal(count, 1);
  for (let time = 0; time < COLLECTION_INTERVAL_MS - 1; time += 100) {
    collect();
    clock.advance(100);
  }
  await settle();
  assert.equal(count, 1);
  clock.advance(COLLECTION_INTERVAL_MS);
  collect();
  await settle();
  assert.equal(count, 2);
});
