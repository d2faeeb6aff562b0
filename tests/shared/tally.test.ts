/** Counts of threads that have one bound: in every order of small cases. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clearAddresses, enterAddress, leaveAddress } from "../../src/shared/address_counts.ts";
import { halfSipHash } from "../../src/shared/half_sip_hash.ts";
import { run, type Steps } from "../../src/shared/steps.ts";
import { clearTally, enterTally, leaveTally, totalOf } from "../../src/shared/tally.ts";
import { everyInterleaving } from "./interleavings.ts";

test("In every order, no more are let in than the bound says, and who is alone is let in", () => {
  const places = { at: 0, threads: 3 };
  let letIn = 0;
  const orders = everyInterleaving(() => {
    let inside = 0;
    function* visit(thread: number): Steps<void> {
      if (!(yield* enterTally(places, thread, 1, 1))) return;
      inside++;
      letIn++;
      assert.ok(inside <= 1);
      inside--;
      yield* leaveTally(places, thread, 1);
    }
    const words = new Int32Array(3);
    return {
      words,
      programs: [{ steps: visit(0) }, { steps: visit(1) }, { steps: visit(2) }],
      atEnd() {
        assert.equal(run(words, totalOf(places)), 0);
        assert.equal(run(words, enterTally(places, 0, 1, 1)), true);
      },
    };
  });
  assert.ok(orders > 1_000 && letIn > 1_000, `${letIn} of ${orders}`);
});

test("What a dead thread counted is gone", () => {
  const places = { at: 0, threads: 2 };
  const words = new Int32Array(2);
  assert.equal(run(words, enterTally(places, 1, 5, 5)), true);
  assert.equal(run(words, enterTally(places, 0, 1, 5)), false);
  run(words, clearTally(places, 1));
  assert.equal(run(words, enterTally(places, 0, 5, 5)), true);
});

test("In every order, an address has no more connections than it may, in all threads", () => {
  const places = { at: 0, threads: 2, buckets: 4 };
  everyInterleaving(() => {
    let inside = 0;
    function* visit(thread: number): Steps<void> {
      if (!(yield* enterAddress(places, thread, [1, 2], 1))) return;
      inside++;
      assert.ok(inside <= 1);
      inside--;
      yield* leaveAddress(places, thread, [1, 2]);
    }
    const words = new Int32Array(16);
    return {
      words,
      programs: [{ steps: visit(0) }, { steps: visit(1) }],
      atEnd: () => assert.deepEqual([...words], new Array<number>(16).fill(0)),
    };
  });
});

test("An address that shares one bucket with a busy one is counted by the other", () => {
  const places = { at: 0, threads: 2, buckets: 4 };
  const words = new Int32Array(16);
  for (let count = 0; count < 3; count++) {
    assert.equal(run(words, enterAddress(places, 0, [1, 2], 3)), true);
  }
  assert.equal(run(words, enterAddress(places, 1, [1, 2], 3)), false);
  assert.equal(run(words, enterAddress(places, 1, [1, 3], 3)), true);
  run(words, clearAddresses(places, 0));
  assert.equal(run(words, enterAddress(places, 1, [1, 2], 3)), true);
});

test("Addresses are hashed as HalfSipHash-2-4 says, with 64 bits", () => {
  const key = { low: 0x03020100, high: 0x07060504 };
  assert.deepEqual(halfSipHash("", key), [0x591f8d21, 0xc83cb8b9]);
  assert.deepEqual(halfSipHash("\u0100", key), [0xef394f06, 0x57eb507c]);
  assert.deepEqual(halfSipHash("\u0100\u0302", key), [0x178ae7d5, 0xa12ee55b]);
});
