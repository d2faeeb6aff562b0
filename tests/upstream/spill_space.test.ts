/** What the temporary files of all requests may hold together, and who is called when there is room. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RETRY_MS, type SpaceShare, SpillSpace } from "../../src/upstream/spill_space.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const EIGHT_GIB = 8_589_934_592;

function world(max?: number, share?: SpaceShare) {
  const clock = new ManualClock();
  const stuck: unknown[] = [];
  const space = new SpillSpace(clock, max, (cause) => stuck.push(cause), share);
  return { clock, stuck, space };
}

test("Where nothing is said all files may have 8 GiB, also after a reload", () => {
  const { space, stuck } = world();
  assert.equal(space.max, EIGHT_GIB);
  assert.equal(space.take(EIGHT_GIB), true);
  assert.equal(space.take(1), false);
  assert.deepEqual(stuck, [undefined]);
  space.configure(10);
  assert.equal(space.max, 10);
  space.configure();
  assert.equal(space.max, EIGHT_GIB);
  space.give(EIGHT_GIB);
  assert.equal(space.used, 0);
});

test("What is taken up to the limit counts, what is refused does not", () => {
  const { space, stuck } = world(10);
  assert.deepEqual([space.take(9), space.take(2), space.take(1), space.take(1)], [
    ...[true, false, true, false],
  ]);
  assert.equal(space.used, 10);
  assert.deepEqual(stuck, [undefined, undefined]);
  space.give(4);
  assert.equal(space.used, 6);
  assert.deepEqual([space.take(5), space.take(4)], [false, true]);
});

test("Nobody writes for a moment after a file could not be written", () => {
  const { space, stuck, clock } = world(10);
  space.block("disk full");
  assert.deepEqual(stuck, ["disk full"]);
  clock.advance(RETRY_MS - 1);
  assert.equal(space.take(1), false);
  assert.deepEqual([stuck.length, space.used], [1, 0], "that is no other failure");
  clock.advance(1);
  assert.equal(space.take(1), true);
});

test("Whoever waits is called once: when some is given back, after a reload, or after a moment", () => {
  const ways: Readonly<Record<string, (one: ReturnType<typeof world>) => void>> = {
    give: ({ space }) => space.give(1),
    configure: ({ space }) => space.configure(20),
    time: ({ clock }) => clock.advance(RETRY_MS),
  };
  for (const [way, call] of Object.entries(ways)) {
    const one = world(10);
    one.space.take(10);
    const called: string[] = [];
    one.space.wait(() => called.push("first"));
    one.space.wait(() => called.push("second"));
    assert.equal(one.clock.timerCount, 1, "one for all");
    one.clock.advance(RETRY_MS - 1);
    one.space.give(0);
    assert.deepEqual(called, [], way);
    call(one);
    assert.deepEqual(called, ["first", "second"], way);
    assert.equal(one.clock.timerCount, 0, way);
    call(one);
    one.clock.advance(10 * RETRY_MS);
    assert.equal(called.length, 2, way);
  }
});

test("One that is called and waits again is called another time, not twice in a round", () => {
  const { space, clock } = world(10);
  space.take(10);
  let calls = 0;
  const again = (): void => {
    calls++;
    // What it gives back calls nobody within the round.
    space.give(1);
    if (calls < 4) space.wait(again);
  };
  space.wait(again);
  space.give(1);
  assert.equal(calls, 1);
  assert.equal(clock.timerCount, 1);
  for (let round = 2; round <= 4; round++) {
    clock.advance(RETRY_MS);
    assert.equal(calls, round);
  }
  assert.equal(clock.timerCount, 0);
});

test("One that is called off is not called, and the last of them stops the timer", () => {
  const { space, clock } = world(10);
  const called: number[] = [];
  const off = [0, 1].map((one) => space.wait(() => called.push(one)));
  off[0]!();
  assert.equal(clock.timerCount, 1);
  clock.advance(RETRY_MS);
  assert.deepEqual(called, [1]);
  const last = space.wait(() => called.push(2));
  assert.equal(clock.timerCount, 1);
  last();
  assert.equal(clock.timerCount, 0);
  last();
  space.give(1);
  assert.deepEqual(called, [1]);
});

test("Of several threads each says what it had and has, and is refused by the sum", () => {
  const told: number[][] = [];
  let isRoom = true;
  const share: SpaceShare = {
    used: 77,
    change(...numbers) {
      told.push(numbers);
      return isRoom;
    },
  };
  const { space, stuck } = world(10, share);
  assert.equal(space.take(3), true);
  space.give(1);
  isRoom = false;
  assert.equal(space.take(2), false);
  assert.deepEqual(told, [[0, 3, 10], [3, 2, 10], [2, 4, 10]]);
  assert.deepEqual([stuck.length, space.used], [1, 77]);
  isRoom = true;
  assert.equal(space.take(8), true, "what was refused has not counted");
  assert.equal(space.take(1), false, "of its own alone it would be too much");
  assert.equal(told.length, 4);
});
