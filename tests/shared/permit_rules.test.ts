/** Rules of permits one by one, with memory as a test has written it: limits, urgency, what is spare. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerOf } from "../../src/shared/owners.ts";
import { PermitSeat } from "../../src/shared/permit_seat.ts";
import { givePermit, isAnyUrgent, NOBODY, takePermit } from "../../src/shared/permits.ts";
import { run } from "../../src/shared/steps.ts";
import {
  claimServer,
  createUpstreamMemory,
  joinUpstream,
} from "../../src/shared/upstream_memory.ts";

const THREADS = 3;
const SLOTS = 4;

function world() {
  const memory = createUpstreamMemory(THREADS, 1, SLOTS);
  const { words } = memory;
  const owners = Array.from({ length: THREADS }, (_, thread) => ownerOf(thread, 0));
  for (const [thread, owner] of owners.entries()) run(words, joinUpstream(memory, thread, owner));
  const places = run(words, claimServer(memory, "unix:/run/app.sock"))!;
  const slots = () =>
    Array.from(
      { length: SLOTS },
      (_, slot) => owners.indexOf(Atomics.load(words, places.slots + slot)),
    );
  /** The thread in each slot; -1: it is free. */
  const hold = (...threads: readonly number[]) => {
    for (const [slot, thread] of threads.entries()) {
      Atomics.store(words, places.slots + slot, owners[thread] ?? 0);
    }
  };
  return { words, owners, places, slots, hold };
}

test("Of a limit that has become lower those count that lie beyond it", () => {
  const cases = [
    [[-1, -1, 1, 1], 2, false],
    [[-1, -1, -1, 1], 2, true],
    [[-1, -1, -1, 1], 1, false],
    [[1, 1, -1, -1], 2, false],
    [[1, -1, -1, -1], 2, true],
    [[1, 1, 1, -1], SLOTS, true],
    [[1, 1, 1, 1], SLOTS, false],
    [[1, 1, 1, -1], Infinity, true],
    [[1, 1, 1, 1], Infinity, false],
  ] as const;
  for (const [held, limit, isTaken] of cases) {
    const { words, owners, places, slots, hold } = world();
    hold(...held);
    assert.equal(run(words, takePermit(places, owners[2]!, limit)), isTaken, `${held}: ${limit}`);
    assert.equal(slots().filter((thread) => thread === 2).length, isTaken ? 1 : 0);
  }
});

test("A permit is given back wherever it lies, the last one first, and nobody else's", () => {
  const { words, owners, places, slots, hold } = world();
  hold(1, 2, 1, 1);
  const give = (thread: number) => run(words, givePermit(places, owners[thread]!));
  assert.equal(give(1), NOBODY);
  assert.deepEqual(slots(), [1, 2, 1, -1]);
  give(1);
  give(1);
  assert.deepEqual(slots(), [-1, 2, -1, -1]);
  give(1);
  assert.deepEqual(slots(), [-1, 2, -1, -1], "it has none");
});

test("A permit goes to the one that waits and holds fewest, who is rung for it", () => {
  const { words, owners, places, slots, hold } = world();
  hold(1, 1, 2, 0);
  Atomics.store(words, places.waiting + 0, 1);
  Atomics.store(words, places.waiting + 2, 1);
  hold(1, 1, 2, 2);
  assert.equal(run(words, givePermit(places, owners[1]!)), 0);
  assert.deepEqual(slots(), [1, 0, 2, 2]);
});

test("A thread is urgent for all others, whichever it is, and not for itself", () => {
  for (const urgent of [0, 1, 2]) {
    const { words, places } = world();
    Atomics.store(words, places.urgent + urgent, 1);
    const seen = [0, 1, 2].map((thread) => run(words, isAnyUrgent(places, thread)));
    assert.deepEqual(seen, [0, 1, 2].map((thread) => thread !== urgent));
  }
});

test("What was given to a thread and is not needed is given on, and nothing more", () => {
  const { words, owners, places, slots, hold } = world();
  const seat = new PermitSeat(places, owners[1]!);
  assert.equal(run(words, seat.take(SLOTS)), true);
  assert.equal(run(words, seat.giveSpare()), NOBODY);
  assert.deepEqual(slots(), [1, -1, -1, -1], "what is in use is not spare");
  hold(1, 1, -1, -1);
  run(words, seat.wake());
  assert.deepEqual([seat.inUse, seat.spare], [1, 1]);
  Atomics.store(words, places.waiting + 2, 1);
  assert.equal(run(words, seat.giveSpare()), 2);
  assert.deepEqual([seat.inUse, seat.spare], [1, 0]);
  assert.deepEqual(slots(), [1, 2, -1, -1]);
  assert.equal(run(words, seat.giveSpare()), NOBODY);
  assert.deepEqual(slots(), [1, 2, -1, -1]);
});
