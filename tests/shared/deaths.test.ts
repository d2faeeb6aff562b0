/** What is counted and claimed by threads that may die after any access: in every order, and by seed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clearAddresses, enterAddress, leaveAddress } from "../../src/shared/address_counts.ts";
import { access, run, type Steps } from "../../src/shared/steps.ts";
import { clearTally, enterTally, leaveTally, totalOf } from "../../src/shared/tally.ts";
import {
  claimServer,
  createUpstreamMemory,
  type ServerPlaces,
} from "../../src/shared/upstream_memory.ts";
import { everyInterleaving, type Program, seeded } from "./interleavings.ts";

test("In every order, threads that meet two servers have a cell for each, the same for all", () => {
  const orders = everyInterleaving(() => {
    const memory = createUpstreamMemory(3, 2, 1, 0);
    const found = new Map<string, (ServerPlaces | undefined)[]>();
    function* claim(...addresses: readonly string[]): Steps<void> {
      for (const address of addresses) {
        const places = yield* claimServer(memory, address);
        found.set(address, [...found.get(address) ?? [], places]);
      }
    }
    return {
      words: memory.words,
      programs: [{ steps: claim("a", "b") }, { steps: claim("b", "a") }],
      atEnd() {
        const [a, ofOther] = found.get("a")!;
        const [b, alsoOfOther] = found.get("b")!;
        assert.ok(a !== undefined && b !== undefined && a.slots !== b.slots);
        assert.deepEqual([a, b], [ofOther, alsoOfOther]);
      },
    };
  });
  assert.ok(orders > 20, `${orders} orders`);
});

test("In every order, of more servers than cells one has none, and nobody shares", () => {
  everyInterleaving(() => {
    const memory = createUpstreamMemory(3, 2, 1, 0);
    const found: (ServerPlaces | undefined)[] = [];
    function* claim(address: string): Steps<void> {
      found.push(yield* claimServer(memory, address));
    }
    return {
      words: memory.words,
      programs: ["a", "b", "c"].map((address) => ({ steps: claim(address) })),
      atEnd() {
        const cells = found.filter((places) => places !== undefined).map(({ slots }) => slots);
        assert.equal(cells.length, 2);
        assert.equal(new Set(cells).size, 2);
      },
    };
  });
});

test("In every order and after every access, a dead thread's count is gone, and the bound holds", () => {
  const places = { at: 0, threads: 3 };
  let orders = 0;
  for (let diesAfter = 1; diesAfter <= 4; diesAfter++) {
    orders += everyInterleaving(() => {
      let inside = 0;
      const words = new Int32Array(3);
      const dying: Program = { steps: enterTally(places, 0, 2, 2), diesAfter };
      function* visit(): Steps<void> {
        if (!(yield* enterTally(places, 1, 1, 2))) return;
        inside++;
        assert.ok(inside <= 2);
      }
      return {
        words,
        programs: [
          dying,
          { steps: visit() },
          { steps: clearTally(places, 0), after: dying },
        ],
        atEnd() {
          assert.equal(run(words, totalOf(places)), inside);
          assert.ok(run(words, enterTally(places, 2, 2 - inside, 2)));
        },
      };
    });
  }
  assert.ok(orders > 50, `${orders} orders`);
});

test("In every order and after every access, a dead thread's clients of an address are gone", () => {
  const places = { at: 0, threads: 2, buckets: 2 };
  for (let diesAfter = 1; diesAfter <= 6; diesAfter++) {
    everyInterleaving(() => {
      let inside = 0;
      const words = new Int32Array(8);
      const dying: Program = { steps: enterAddress(places, 0, [0, 1], 2), diesAfter };
      function* visit(): Steps<void> {
        if (yield* enterAddress(places, 1, [0, 1], 2)) inside++;
      }
      return {
        words,
        programs: [
          dying,
          { steps: visit() },
          { steps: clearAddresses(places, 0), after: dying },
        ],
        atEnd() {
          // Three rows' worth of nothing, and what is alive.
          assert.equal(words.reduce((sum, word) => sum + word, 0), 2 * inside);
          assert.ok(run(words, enterAddress(places, 0, [0, 1], 2)));
        },
      };
    });
  }
});

const THREADS = 4;

/** One thread's visits, an access at a time; what it has when it dies is gone. */
class Visitor {
  inside = 0;
  steps: Steps<boolean | void> | undefined;
  next: IteratorResult<Parameters<typeof access>[1], boolean | void> | undefined;
  isLeaving = false;
}

for (const kind of ["clients in all", "clients of an address"] as const) {
  test(`A million accesses of threads that count ${kind} and die never pass the bound`, () => {
    const max = 6;
    const random = seeded(kind.length);
    const tally = { at: 0, threads: THREADS };
    const address = { at: 0, threads: THREADS, buckets: 4 };
    const words = new Int32Array(THREADS * 8);
    const isTally = kind === "clients in all";
    const enter = (thread: number): Steps<boolean> =>
      isTally ? enterTally(tally, thread, 1, max) : enterAddress(address, thread, [1, 3], max);
    const leave = (thread: number): Steps<void> =>
      isTally ? leaveTally(tally, thread, 1) : leaveAddress(address, thread, [1, 3]);
    const clear = (thread: number): Steps<void> =>
      isTally ? clearTally(tally, thread) : clearAddresses(address, thread);
    const visitors = Array.from({ length: THREADS }, () => new Visitor());
    const seen = { most: 0, deaths: 0, letIn: 0 };
    for (let done = 0; done < 1_000_000; done++) {
      const thread = Math.floor(random() * THREADS);
      const visitor = visitors[thread]!;
      if (random() < 0.0005) {
        // It is buried before it comes again.
        visitors[thread] = new Visitor();
        run(words, clear(thread));
        seen.deaths++;
        continue;
      }
      if (visitor.next === undefined) {
        visitor.isLeaving = visitor.inside > 0 && random() < 0.5;
        // It counts for nobody from when it begins to leave.
        if (visitor.isLeaving) visitor.inside--;
        visitor.steps = visitor.isLeaving ? leave(thread) : enter(thread);
        visitor.next = visitor.steps.next(0);
      } else {
        visitor.next = visitor.steps!.next(access(words, visitor.next.value as never));
      }
      if (visitor.next.done) {
        if (!visitor.isLeaving && visitor.next.value === true) {
          visitor.inside++;
          seen.letIn++;
        }
        visitor.next = undefined;
      }
      const inside = visitors.reduce((sum, one) => sum + one.inside, 0);
      seen.most = Math.max(seen.most, inside);
      assert.ok(inside <= max, `${inside} of ${max}`);
    }
    assert.equal(seen.most, max);
    assert.ok(seen.deaths > 300 && seen.letIn > 10_000, JSON.stringify(seen));
  });
}
