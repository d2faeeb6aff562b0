/** Which thread a client's connection goes to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createWords } from "../../src/shared/layout.ts";
import { type Connection, PENDING_MAX, Placement } from "../../src/threads/placement.ts";

const THREADS = 5;
const PLACES = { placed: 0, taken: THREADS };

function world() {
  const words = createWords(2 * THREADS);
  const given: [thread: number, descriptor: number][] = [];
  const refused: Connection[] = [];
  const placement = new Placement({
    words,
    places: PLACES,
    give: (thread, { descriptor }) => given.push([thread, descriptor]),
    refuse: (connection) => refused.push(connection),
  });
  let descriptor = 0;
  const place = (count: number) => {
    for (let index = 0; index < count; index++) {
      placement.place({ listener: "a", descriptor: ++descriptor });
    }
  };
  const countOf = (thread: number) => given.filter(([one]) => one === thread).length;
  return { words, given, refused, placement, place, countOf };
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
  const { words, given, placement, place } = world();
  placement.add(1);
  place(3);
  Atomics.add(words, PLACES.taken + 1, 1);
  placement.add(2);
  placement.remove(1);
  assert.deepEqual(given, [[1, 1], [1, 2], [1, 3], [2, 2], [2, 3]]);
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
