/** Bits that several threads set and clear: in every order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addBits, dropBits } from "../../src/shared/bits.ts";
import type { Steps } from "../../src/shared/steps.ts";
import { everyInterleaving } from "./interleavings.ts";

test("In every order, one of those that set a bit is the first, and no other bit is lost", () => {
  const orders = everyInterleaving(() => {
    const words = new Int32Array(1);
    const firsts: number[] = [];
    function* set(thread: number, bits: number): Steps<void> {
      if (yield* addBits(0, bits)) firsts.push(thread);
    }
    return {
      words,
      programs: [{ steps: set(0, 1) }, { steps: set(1, 1) }, { steps: set(2, 2) }],
      atEnd() {
        assert.equal(words[0], 3);
        assert.equal(firsts.length, 2);
        assert.ok(firsts.includes(2));
      },
    };
  });
  assert.ok(orders > 50, `${orders} orders`);
});

test("In every order, who clears a bit clears that one alone", () => {
  everyInterleaving(() => {
    const words = Int32Array.of(4 | 1);
    return {
      words,
      programs: [{ steps: dropBits(0, 1) }, { steps: addBits(0, 2) }, { steps: dropBits(0, 8) }],
      atEnd: () => assert.equal(words[0], 4 | 2),
    };
  });
});
