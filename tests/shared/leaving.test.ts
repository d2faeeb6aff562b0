/**
 * What a dead thread leaves of shared memory, word by word: nothing of its own, and all of the others'.
 * And what is asked of permits, in tables of who holds and who waits.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerOf } from "../../src/shared/owners.ts";
import {
  countTaken,
  givePermit,
  mustYield,
  NOBODY,
  type PermitPlaces,
  takePermit,
  threadsToAsk,
} from "../../src/shared/permits.ts";
import {
  createProcessMemory,
  leaveProcess,
  processPlaces,
} from "../../src/shared/process_memory.ts";
import { run } from "../../src/shared/steps.ts";
import {
  claimServer,
  createUpstreamMemory,
  joinUpstream,
  leaveUpstream,
  type ServerPlaces,
  upstreamPlaces,
} from "../../src/shared/upstream_memory.ts";

const THREADS = 3;

/** Every word as it was, but those of one thread, which are 0. */
function assertLeft(
  words: Int32Array,
  before: Int32Array,
  isGone: (at: number) => boolean,
): void {
  before.forEach((word, at) => assert.equal(words[at], isGone(at) ? 0 : word, `word ${at}`));
}

test("Of a thread that died every count of the process is 0, and of the others none", () => {
  for (let thread = 0; thread < THREADS; thread++) {
    const memory = createProcessMemory(THREADS, 16, { low: 1, high: 2 });
    memory.words.fill(7);
    const before = memory.words.slice();
    run(memory.words, leaveProcess(memory, thread));
    const { placed, delay, clients, spill, buffers, addresses } = processPlaces(memory);
    const own = [placed, delay, clients.at, spill.at, buffers.at].map((at) => at + thread);
    const rows = (memory.words.length - addresses.at) / THREADS;
    const first = addresses.at + thread * rows;
    assertLeft(
      memory.words,
      before,
      (at) => own.includes(at) || (at >= first && at < first + rows),
    );
  }
});

test("Of a thread that died every word of an upstream is 0, and of the others none", () => {
  for (let thread = 0; thread < THREADS; thread++) {
    const memory = createUpstreamMemory(THREADS, 2, 4, 0);
    const { words } = memory;
    const servers = ["unix:/a", "unix:/b"].map((name) => run(words, claimServer(memory, name))!);
    for (let one = 0; one < THREADS; one++) {
      run(words, joinUpstream(memory, one, ownerOf(one, 0)));
      for (const places of servers) {
        assert.ok(run(words, takePermit(places, ownerOf(one, 0), 4)));
        words[places.idle + one] = 7;
        words[places.held + one] = 7;
        words[places.turns] = 7;
        words[places.begun + one] = 7;
      }
      const { waiting, urgent, tunnels } = servers[0] as ServerPlaces & { tunnels: number };
      for (const at of [waiting, urgent, tunnels]) words[at + one] = 7;
    }
    const before = words.slice();
    run(words, leaveUpstream(memory, thread));
    const own = new Set<number>();
    const { owners, waiting, urgent, tunnels } = servers[0] as ServerPlaces & { tunnels: number };
    for (const at of [owners, waiting, urgent, tunnels]) own.add(at + thread);
    for (const { idle, held, wants, slots, slotCount } of servers) {
      own.add(idle + thread);
      own.add(held + thread);
      own.add(wants + thread);
      for (let at = slots; at < slots + slotCount; at++) {
        if (before[at] === ownerOf(thread, 0)) own.add(at);
      }
    }
    assertLeft(words, before, (at) => own.has(at));
  }
});

test("What a thread said while it was dying is nothing of the one that takes its place", () => {
  const memory = createUpstreamMemory(THREADS, 1, 4, 0);
  const { words } = memory;
  run(words, joinUpstream(memory, 1, ownerOf(1, 0)));
  run(words, leaveUpstream(memory, 1));
  const { waiting, urgent, tunnels } = upstreamPlaces(memory);
  for (const at of [waiting, urgent, tunnels]) words[at + 1] = -1;
  run(words, joinUpstream(memory, 1, ownerOf(1, 1)));
  assert.deepEqual([waiting, urgent, tunnels].map((at) => words[at + 1]), [0, 0, 0]);
});

interface Held {
  /** Of each thread: permits, idle connections, requests that wait. */
  readonly permits: readonly number[];
  readonly idle?: readonly number[];
  readonly waiting?: readonly number[];
  /** Threads that are dead. */
  readonly dead?: readonly number[];
}

function worldOf({ permits, idle = [], waiting = [], dead = [] }: Held) {
  const memory = createUpstreamMemory(THREADS, 1, 8, 0);
  const { words } = memory;
  const places = run(words, claimServer(memory, "unix:/a"))!;
  permits.forEach((count, thread) => {
    run(words, joinUpstream(memory, thread, dead.includes(thread) ? 0 : ownerOf(thread, 0)));
    for (let one = 0; one < count; one++) run(words, takePermit(places, ownerOf(thread, 0), 8));
    words[places.idle + thread] = idle[thread] ?? 0;
    words[places.waiting + thread] = waiting[thread] ?? 0;
  });
  return { words, places: places as PermitPlaces };
}

test("Permits that are taken are counted, whoever has them", () => {
  for (const permits of [[0, 0, 0], [1, 0, 0], [0, 2, 0], [1, 2, 3]]) {
    const { words, places } = worldOf({ permits });
    const sum = permits.reduce((total, count) => total + count, 0);
    assert.equal(run(words, countTaken(places)), sum, `${permits}`);
  }
});

test("Who waits rings those that have something idle, and who has nothing all that have anything", () => {
  const table: readonly (readonly [held: Held, asks: readonly number[]])[] = [
    [{ permits: [0, 0, 0] }, []],
    [{ permits: [0, 2, 0] }, [1]],
    [{ permits: [0, 1, 1] }, [1, 2]],
    [{ permits: [1, 1, 1] }, []],
    [{ permits: [1, 1, 1], idle: [0, 0, 1] }, [2]],
    [{ permits: [2, 1, 1], idle: [1, 0, 0] }, []],
    [{ permits: [0, 1, 1], idle: [0, 1, 0] }, [1, 2]],
  ];
  for (const [held, asks] of table) {
    const { words, places } = worldOf(held);
    const found = run(words, threadsToAsk(places, ownerOf(0, 0)));
    assert.deepEqual(found, asks, JSON.stringify(held));
  }
});

test("A permit goes to who waits with fewest, to nobody who is dead, and who should look is rung", () => {
  const table: readonly (readonly [held: Held, rung: number, free: number])[] = [
    [{ permits: [1, 0, 0] }, NOBODY, 8],
    [{ permits: [1, 0, 0], waiting: [0, 1, 0] }, 1, 7],
    [{ permits: [1, 2, 1], waiting: [0, 1, 1] }, 2, 4],
    [{ permits: [1, 1, 1], waiting: [1, 0, 0] }, NOBODY, 6],
    // It has died while it waited: its permit is free, and another one that waits may take it.
    [{ permits: [1, 0, 1], waiting: [0, 1, 1], dead: [1] }, 1, 7],
    [{ permits: [1, 1, 0], waiting: [0, 1, 1], dead: [2] }, 1, 7],
    [{ permits: [0, 0, 0], waiting: [0, 1, 1] }, NOBODY, 8],
  ];
  for (const [held, rung, free] of table) {
    const { words, places } = worldOf(held);
    assert.equal(run(words, givePermit(places, ownerOf(0, 0))), rung, JSON.stringify(held));
    assert.equal(8 - run(words, countTaken(places)), free, JSON.stringify(held));
  }
});

test("For a thread that has waited for long one thread yields, not all", () => {
  const { words, places } = worldOf({ permits: [1, 1, 0], waiting: [0, 0, 1] });
  const yields = (thread: number) => run(words, mustYield(places, ownerOf(thread, 0)));
  assert.deepEqual([yields(0), yields(1)], [false, false], "it has not");
  words[places.urgent + 2] = 1;
  assert.deepEqual([yields(0), yields(1)], [true, false]);
});

test("The main thread in its first life is given a permit as any other", () => {
  const { words, places } = worldOf({ permits: [0, 1, 1], waiting: [1, 0, 1] });
  // Owner 1 is the main thread's, and no word for anything else.
  assert.equal(ownerOf(0, 0), 1);
  assert.equal(run(words, givePermit(places, ownerOf(1, 0))), 0);
  assert.equal(run(words, countTaken(places)), 2);
});
