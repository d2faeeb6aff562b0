/** RequestIds: lowest first, never twice, and which ids were ever given out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { REQUEST_ID_MAX } from "../../src/protocol/constants.ts";
import { RequestIds } from "../../src/protocol/request_ids.ts";

function takeAll(ids: RequestIds): number[] {
  const taken: number[] = [];
  for (let id = ids.take(); id !== undefined; id = ids.take()) taken.push(id);
  return taken;
}

test("RequestIds gives ids from 1 in order and then none", () => {
  for (const count of [1, 2, 31, 32, 33, 64, 65, 1024]) {
    const ids = new RequestIds(count);
    const expected = Array.from({ length: count }, (_, index) => index + 1);
    assert.deepEqual(takeAll(ids), expected, `${count} ids`);
    assert.equal(ids.inUse, count);
    assert.equal(ids.take(), undefined);
  }
});

test("RequestIds never gives more ids than the protocol has", () => {
  const ids = new RequestIds(1_000_000);
  assert.equal(ids.count, REQUEST_ID_MAX);
  assert.equal(takeAll(ids).at(-1), REQUEST_ID_MAX);
});

test("RequestIds gives the lowest free id, across the words of its bit set", () => {
  const ids = new RequestIds(100);
  takeAll(ids);
  for (const id of [97, 33, 32, 64, 1]) ids.release(id);
  assert.deepEqual(takeAll(ids), [1, 32, 33, 64, 97]);
});

test("RequestIds refuses to release what is not in use", () => {
  const ids = new RequestIds(40);
  assert.throws(() => ids.release(1), RangeError, "never given");
  ids.take();
  ids.release(1);
  for (const id of [1, 0, -1, 2, 41, 70_000]) {
    assert.throws(() => ids.release(id), RangeError, `id ${id}`);
  }
  assert.equal(ids.inUse, 0);
});

test("RequestIds remembers the highest id that it ever gave", () => {
  const ids = new RequestIds(10);
  for (let count = 0; count < 3; count++) ids.take();
  for (const id of [3, 2, 1]) ids.release(id);
  assert.deepEqual([0, 1, 3, 4].map((id) => ids.wasGiven(id)), [false, true, true, false]);
});

test("RequestIds never gives a retired id again, and counts it as used up", () => {
  const ids = new RequestIds(3);
  takeAll(ids);
  ids.retire(2);
  ids.release(3);
  assert.deepEqual([ids.inUse, ids.retired, ids.hasFree], [1, 1, true]);
  assert.deepEqual(takeAll(ids), [3]);
  assert.equal(ids.hasFree, false);
  for (const id of [2, 0, 4]) {
    assert.throws(() => ids.retire(id), RangeError, `retire ${id}`);
    assert.throws(() => ids.release(id), RangeError, `release ${id}`);
  }
});

test("RequestIds agrees with a set of numbers whatever is taken and released", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 70 }),
      fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 70 })), { maxLength: 300 }),
      (count, moves) => {
        const ids = new RequestIds(count);
        const used = new Set<number>();
        for (const move of moves) {
          if (move === 0) {
            let lowest: number | undefined = 1;
            while (used.has(lowest)) lowest++;
            if (lowest > count) lowest = undefined;
            assert.equal(ids.take(), lowest);
            if (lowest !== undefined) used.add(lowest);
          } else if (used.delete(move)) {
            ids.release(move);
          } else {
            assert.throws(() => ids.release(move), RangeError);
          }
          assert.equal(ids.inUse, used.size);
        }
      },
    ),
  );
});
