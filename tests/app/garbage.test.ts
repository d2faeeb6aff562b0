/** When garbage is collected on purpose: where memory has grown, at the end of a turn, and not often. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GarbageWatch, GROWN_MAX, LOOK_INTERVAL_MS } from "../../src/app/garbage.ts";
import { settle } from "../support/http1_world.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const START = 100_000_000;

function world() {
  const clock = new ManualClock();
  const seen = { resident: START, looks: 0, collections: 0 };
  const watch = new GarbageWatch({
    clock,
    process: {
      usage: () => {
        seen.looks++;
        return { cpuS: 0, virtualLength: 0, descriptors: 0, residentLength: seen.resident };
      },
    },
    collectGarbage: () => void seen.collections++,
  });
  seen.looks = 0;
  const later = async () => {
    clock.advance(LOOK_INTERVAL_MS);
    await settle();
  };
  return { clock, seen, watch, later };
}

test("Where memory has grown garbage is collected, when the turn is over", async () => {
  const { seen, watch, later, clock } = world();
  seen.resident += GROWN_MAX;
  watch.passed();
  await settle();
  assert.equal(seen.collections, 0, "it has not grown by more than it may");
  await later();
  await later();
  seen.resident++;
  watch.passed();
  assert.equal(seen.collections, 0, "what is being sent is sent first");
  await settle();
  assert.equal(seen.collections, 1);
  await later();
  assert.equal(clock.timerCount, 0);
});

test("What has grown behind the last look is seen by another one", async () => {
  const { seen, watch, later, clock } = world();
  watch.passed();
  seen.resident += 2 * GROWN_MAX;
  await settle();
  assert.equal(seen.collections, 0);
  await later();
  assert.equal(seen.collections, 1);
  seen.resident = START;
  await later();
  assert.deepEqual([seen.collections, clock.timerCount], [1, 0]);
});

test("What is no garbage is collected once, and memory that has come down counts from there", async () => {
  const { seen, watch, later } = world();
  seen.resident = START + 3 * GROWN_MAX;
  for (let time = 0; time < 10; time++) {
    watch.passed();
    await later();
  }
  assert.equal(seen.collections, 1);
  seen.resident = START;
  watch.passed();
  await later();
  seen.resident = START + GROWN_MAX + 1;
  watch.passed();
  await later();
  assert.equal(seen.collections, 2);
});

test("However much passes, memory is looked at now and then, and not at all behind the end", async () => {
  const { seen, watch, clock } = world();
  for (let time = 0; time < 1000; time++) {
    watch.passed();
    clock.advance(10);
  }
  assert.ok(seen.looks <= 2 + 10_000 / LOOK_INTERVAL_MS, `${seen.looks} looks`);
  watch.stop();
  assert.equal(clock.timerCount, 0);
  seen.looks = 0;
  watch.passed();
  await settle();
  assert.deepEqual([seen.looks, clock.timerCount], [0, 0]);
});

test("When who held much has left, memory counts from where it was lowest", async () => {
  const { seen, watch, later } = world();
  seen.resident = START + 3 * GROWN_MAX;
  watch.passed();
  await later();
  await later();
  assert.equal(seen.collections, 1, "they hold it");
  watch.passed();
  await later();
  assert.equal(seen.collections, 1);
  watch.passed(true);
  await later();
  assert.equal(seen.collections, 2);
});
