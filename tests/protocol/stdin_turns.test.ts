/** StdinTurns: requests take turns, and no byte is lost, doubled or out of order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StdinTurns, TURN_LENGTH_MAX } from "../../src/protocol/stdin_turns.ts";
import { join } from "../support/fragments.ts";

test("StdinTurns gives each request at most 32 KiB before it is the next one's turn", () => {
  const turns = new StdinTurns();
  turns.offer(1, new Uint8Array(2 * TURN_LENGTH_MAX + 1));
  turns.offer(2, new Uint8Array(10));
  turns.offer(3, new Uint8Array(TURN_LENGTH_MAX));
  const order: [number, number, boolean][] = [];
  for (let turn = turns.next(); turn !== undefined; turn = turns.next()) {
    order.push([turn.requestId, turn.bytes.length, turn.drained]);
  }
  assert.deepEqual(order, [
    [1, TURN_LENGTH_MAX, false],
    [2, 10, true],
    [3, TURN_LENGTH_MAX, true],
    [1, TURN_LENGTH_MAX, false],
    [1, 1, true],
  ]);
});

test("StdinTurns refuses bytes of a request while some of it still wait", () => {
  const turns = new StdinTurns();
  turns.offer(7, Uint8Array.of(1));
  assert.throws(() => turns.offer(7, Uint8Array.of(2)), RangeError);
  turns.next();
  turns.offer(7, Uint8Array.of(2));
  assert.deepEqual(turns.next()?.bytes, Uint8Array.of(2));
});

test("StdinTurns drops what a removed request still had to send, and nothing else", () => {
  const turns = new StdinTurns();
  turns.offer(1, new Uint8Array(3 * TURN_LENGTH_MAX));
  turns.offer(2, Uint8Array.of(2));
  turns.next();
  turns.remove(1);
  turns.remove(9);
  assert.equal(turns.waiting, 1);
  assert.equal(turns.next()?.requestId, 2);
  assert.equal(turns.next(), undefined);
});

test("StdinTurns gives every byte once and in order, and no request waits longer than a round", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 3 * TURN_LENGTH_MAX }), { maxLength: 6 });
  fc.assert(
    fc.property(lengths, (all) => {
      const turns = new StdinTurns();
      const offered = all.map((length, index) => new Uint8Array(length).fill(index + 1));
      offered.forEach((bytes, index) => turns.offer(index + 1, bytes));
      const given = offered.map((): Uint8Array[] => []);
      let last = 0;
      for (let turn = turns.next(); turn !== undefined; turn = turns.next()) {
        given[turn.requestId - 1]!.push(turn.bytes);
        const others = turns.waiting - (turn.drained ? 0 : 1);
        if (others > 0) assert.notEqual(turn.requestId, last, "somebody else was waiting");
        last = turn.requestId;
      }
      assert.deepEqual(given.map(join), offered);
    }),
    { numRuns: 50 },
  );
});
