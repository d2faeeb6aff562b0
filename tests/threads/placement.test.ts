/** Which thread a client's connection goes to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { takeGiven } from "../../src/shared/handover.ts";
import { createWords } from "../../src/shared/layout.ts";
import { run } from "../../src/shared/steps.ts";
import { type Connection, PENDING_MAX, Placement } from "../../src/threads/placement.ts";

const THREADS = 5;
const PLACES = { placed: 0, taken: THREADS };

function world() {
  const words = createWords(2 * THREADS);
  const given: [thread: number, descriptor: number][] = [];
  const messages: { readonly thread: number; readonly number: number }[] = [];
  const refused: Connection[] = [];
  const placement = new Placement({
    words,
    places: PLACES,
    give: (thread, { descriptor, number }) => {
      given.push([thread, descriptor]);
      messages.push({ thread, number });
    },
    refuse: (connection) => refused.push(connection),
  });
  let descriptor = 0;
  const place = (count: number) => {
    for (let index = 0; index < count; index++) {
      placement.place({ listener: "a", descriptor: ++descriptor });
    }
  };
  const countOf = (thread: number) => given.filter(([one]) => one === thread).length;
  /** The thread reads so many of its messages; how many connections it got. */
  const take = (thread: number, count: number): number => {
    let got = 0;
    for (let index = 0; index < messages.length && count > 0; index++) {
      if (messages[index]!.thread !== thread) continue;
      const [message] = messages.splice(index--, 1);
      const { number } = message!;
      if (run(words, takeGiven(PLACES, thread, number))) got++;
      count--;
    }
    return got;
  };
  return { words, given, refused, placement, place, countOf, take };
}

for (const threads of [2, 4]) {
  for (const clients of [16, 64, 1_000]) {
    test(`${clients} clients are spread evenly over ${threads} threads`, () => {
      const { placement, place, countOf } = world();
      for (let thread = 1; thread <= threads; thread++) placement.add(thread);
      place(clients);
      for (let thread = 1; thread <= threads; thread++) {
        assert.equal(countOf(thread), clients / threads);
      }
    });
  }
}

test("A thread whose clients have left gets the next ones", () => {
  const { words, placement, place, countOf } = world();
  placement.add(1);
  placement.add(2);
  place(8);
  Atomics.sub(words, PLACES.placed + 1, 3);
  place(3);
  assert.deepEqual([countOf(1), countOf(2)], [7, 4]);
});

test("What a dead thread had not taken goes to the others, what it had taken is gone", () => {
  const { given, placement, place, take } = world();
  placement.add(1);
  place(3);
  assert.equal(take(1, 1), 1);
  placement.add(2);
  placement.remove(1);
  assert.deepEqual(given, [[1, 1], [1, 2], [1, 3], [2, 2], [2, 3]]);
  assert.equal(take(2, 2), 2);
});

test("What a dead thread had taken last is given to nobody, however it is buried", () => {
  const { words, given, placement, place, take } = world();
  placement.add(1);
  placement.add(2);
  place(4);
  assert.equal(take(1, 2), 2);
  // What counted it is cleared first.
  Atomics.store(words, PLACES.placed + 1, 0);
  placement.remove(1);
  assert.deepEqual(given, [[1, 1], [2, 2], [1, 3], [2, 4]]);
});

test("A thread that comes again goes on with its numbers, and its messages of before are void", () => {
  const { placement, place, take, countOf } = world();
  placement.add(1);
  place(2);
  placement.remove(1);
  placement.add(1);
  // Both of them twice: those of the life before come first.
  assert.equal(countOf(1), 4);
  assert.equal(take(1, 2), 0);
  assert.equal(take(1, 2), 2);
});

test("A thread that stands still gives back what it has not taken, and gets no more", () => {
  const { words, given, placement, place, take } = world();
  placement.add(1);
  placement.add(2);
  place(4);
  assert.equal(take(1, 1), 1);
  placement.setLate(1, true);
  placement.setLate(1, true);
  assert.deepEqual(given.slice(4), [[2, 3]]);
  assert.equal(Atomics.load(words, PLACES.placed + 1), 1);
  assert.equal(take(1, 1), 0);
  place(3);
  assert.deepEqual(given.slice(5), [[2, 5], [2, 6], [2, 7]]);
  placement.setLate(1, false);
  place(3);
  assert.deepEqual(given.slice(8), [[1, 8], [1, 9], [1, 10]]);
  assert.equal(take(1, 3), 3);
});

test("Where all threads stand still, clients wait for them as before", () => {
  const { given, placement, place, take } = world();
  placement.add(1);
  placement.add(2);
  place(2);
  placement.setLate(1, true);
  placement.setLate(2, true);
  place(2);
  assert.deepEqual(given, [[1, 1], [2, 2], [2, 1], [1, 3], [1, 4]]);
  assert.equal(take(2, 2), 2);
  assert.equal(take(1, 3), 2);
});

test("Clients wait for the first thread, and not too many of them", () => {
  const { given, refused, placement, place } = world();
  place(PENDING_MAX + 2);
  assert.equal(refused.length, 2);
  placement.add(1);
  assert.equal(given.length, PENDING_MAX);
  placement.remove(1);
  assert.equal(given.length, PENDING_MAX);
  placement.close();
  assert.equal(refused.length, 2 + PENDING_MAX);
});

test("Equally busy threads have turns, in their order, however they came and whoever has left", () => {
  const { words, given, placement, place } = world();
  for (const thread of [3, 1, 2]) placement.add(thread);
  for (let count = 0; count < 7; count++) {
    place(1);
    // It leaves at once.
    Atomics.sub(words, PLACES.placed + given.at(-1)![0], 1);
  }
  assert.deepEqual(given.map(([thread]) => thread), [1, 2, 3, 1, 2, 3, 1]);
});

test("Who is no thread yet cannot be late, and what waits is refused once", () => {
  const { given, refused, placement, place } = world();
  placement.setLate(1, true);
  place(1);
  placement.close();
  placement.close();
  assert.deepEqual(refused.map(({ descriptor }) => descriptor), [1]);
  placement.add(1);
  placement.add(2);
  place(2);
  assert.deepEqual(given, [[1, 2], [2, 3]]);
});

type Act =
  | { readonly kind: "place" | "add" | "remove" | "late" | "in time"; readonly thread: number }
  | { readonly kind: "take"; readonly thread: number; readonly count: number };

const anyThread = fc.integer({ min: 1, max: THREADS - 1 });
const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("place" as const), thread: anyThread }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("take" as const),
      thread: anyThread,
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("add" as const, "remove" as const, "late" as const, "in time" as const),
      thread: anyThread,
    }),
  },
);

test("Whatever becomes of threads, each client is one thread's, and none is lost", () => {
  fc.assert(
    fc.property(fc.array(anyAct, { maxLength: 60, size: "max" }), (acts) => {
      const { words, given, placement, place, take } = world();
      const ready = new Set<number>();
      let placed = 0;
      let taken = 0;
      for (const { kind, thread, ...act } of acts) {
        if (kind === "place") {
          place(1);
          placed++;
        } else if (kind === "add" && !ready.has(thread)) {
          ready.add(thread);
          placement.add(thread);
        } else if (kind === "remove" && ready.delete(thread)) {
          // As it is buried: what it holds is not counted any more.
          Atomics.store(words, PLACES.placed + thread, 0);
          placement.remove(thread);
        } else if (kind === "late" || kind === "in time") {
          placement.setLate(thread, kind === "late");
        } else if (kind === "take" && ready.has(thread)) {
          taken += take(thread, "count" in act ? act.count : 0);
        }
      }
      for (let thread = 1; thread < THREADS; thread++) {
        if (!ready.has(thread)) placement.add(thread);
        placement.setLate(thread, false);
      }
      for (let thread = 1; thread < THREADS; thread++) taken += take(thread, given.length);
      assert.equal(taken, placed);
    }),
    { numRuns: 300 },
  );
});
