/** Who has a connection that was given to a thread: in every order, and over lives of the thread. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  nextNumber,
  nextUntaken,
  numbersBetween,
  takeBack,
  takeGiven,
} from "../../src/shared/handover.ts";
import { run, type Steps } from "../../src/shared/steps.ts";
import { everyInterleaving, type Program, seeded } from "./interleavings.ts";

const PLACES = { taken: 0 };
const THREAD = 1;

/** Two words, for there is a main thread. */
function memory(first = 0): Int32Array<SharedArrayBuffer> {
  const words = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  words[THREAD] = first;
  return words;
}

/** Takes those numbers, one after the other, and says which it got. */
function* takeAll(numbers: readonly number[], got: number[]): Steps<void> {
  for (const number of numbers) {
    if (yield* takeGiven(PLACES, THREAD, number)) got.push(number);
  }
}

function* takeAllBack(end: number, back: number[]): Steps<void> {
  let number = yield* takeBack(PLACES, THREAD, end);
  for (; number !== end; number = nextNumber(number)) back.push(number);
}

for (const first of [0, 2 ** 31 - 2]) {
  test(`In every order, a connection is the thread's or was taken back, from number ${first}`, () => {
    const numbers = [0, 1, 2, 3].map((index) => (first + index) | 0);
    const end = (first + 4) | 0;
    let partly = 0;
    const orders = everyInterleaving(() => {
      const got: number[] = [];
      const back: number[] = [];
      const programs: Program[] = [
        { steps: takeAll(numbers, got) },
        { steps: takeAllBack(end, back) },
      ];
      const words = memory(first);
      return {
        words,
        programs,
        atEnd() {
          assert.deepEqual([...got, ...back], numbers);
          assert.equal(run(words, nextUntaken(PLACES, THREAD)), end);
          if (got.length > 0 && back.length > 0) partly++;
        },
      };
    });
    assert.ok(orders > 10 && partly > 5, `${partly} of ${orders}`);
  });
}

test("In every order, what is left of a life that ended takes nothing of the next one's", () => {
  const orders = everyInterleaving(() => {
    const words = memory();
    const got: number[] = [];
    const back: number[] = [];
    const next: number[] = [];
    const burial = { steps: takeAllBack(2, back) };
    return {
      words,
      programs: [
        // It goes on, though it was ended: nobody can say when it notices.
        { steps: takeAll([0, 1], got) },
        burial,
        { steps: takeAll([2, 3], next), after: burial },
      ],
      atEnd() {
        assert.deepEqual([...got, ...back], [0, 1]);
        assert.deepEqual(next, [2, 3]);
      },
    };
  });
  assert.ok(orders > 10, `${orders}`);
});

test("In every order and after every access, a thread that dies has what it took, and no more", () => {
  for (const diesAfter of [1, 2]) {
    everyInterleaving(() => {
      const got: number[] = [];
      const back: number[] = [];
      const dying = { steps: takeAll([0, 1, 2], got), diesAfter };
      return {
        words: memory(),
        programs: [dying, { steps: takeAllBack(3, back) }],
        atEnd() {
          // The last access may have taken one, of which it knows nothing any more.
          assert.ok(got.length + back.length >= 2, `${got} and ${back}`);
          for (const number of got) assert.ok(!back.includes(number));
        },
      };
    });
  }
});

test("A million connections given, taken and taken back by seed have one owner each", () => {
  const words = memory(2 ** 31 - 500_000);
  const random = seeded(7);
  let end = run(words, nextUntaken(PLACES, THREAD));
  const queue: number[] = [];
  let given = 0;
  let taken = 0;
  let back = 0;
  while (given < 1_000_000) {
    const dice = random();
    if (dice < 0.5) {
      queue.push(end);
      end = nextNumber(end);
      given++;
    } else if (dice < 0.999) {
      const number = queue.shift();
      if (number !== undefined && run(words, takeGiven(PLACES, THREAD, number))) taken++;
    } else back += numbersBetween(run(words, takeBack(PLACES, THREAD, end)), end);
  }
  back += numbersBetween(run(words, takeBack(PLACES, THREAD, end)), end);
  for (const number of queue) assert.equal(run(words, takeGiven(PLACES, THREAD, number)), false);
  assert.equal(taken + back, given);
  assert.ok(taken > 100_000 && back > 1_000, `${taken} taken, ${back} taken back`);
});
