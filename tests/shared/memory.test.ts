/** Where what is in shared memory, and what is left of a thread that died. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BUCKETS_MAX, bucketsFor } from "../../src/shared/address_counts.ts";
import { THREADS_MAX } from "../../src/shared/layout.ts";
import { ownerOf, threadOf } from "../../src/shared/owners.ts";
import { countOwn, takePermit } from "../../src/shared/permits.ts";
import {
  createProcessMemory,
  leaveProcess,
  processPlaces,
} from "../../src/shared/process_memory.ts";
import { run } from "../../src/shared/steps.ts";
import { enterTally, totalOf } from "../../src/shared/tally.ts";
import {
  CELLS_SPARE,
  claimServer,
  createUpstreamMemory,
  joinUpstream,
  leaveUpstream,
} from "../../src/shared/upstream_memory.ts";

test("An owner is a thread in one of its lives, and never nobody", () => {
  const seen = new Set<number>();
  for (const life of [0, 1, 2, 1_000_000]) {
    for (let thread = 0; thread < THREADS_MAX; thread++) {
      const owner = ownerOf(thread, life);
      assert.ok(owner > 0 && owner < 2 ** 31);
      assert.equal(threadOf(owner), thread);
      seen.add(owner);
    }
  }
  assert.equal(seen.size, 4 * THREADS_MAX);
  assert.ok(ownerOf(THREADS_MAX - 1, 2 ** 40) < 2 ** 31);
});

test("Threads find the same server in the same place, and another one elsewhere", () => {
  const memory = createUpstreamMemory(2, 1, 4);
  const claim = (address: string) => run(memory.words, claimServer(memory, address));
  const first = claim("tcp://127.0.0.1:1");
  assert.deepEqual(claim("tcp://127.0.0.1:1"), first);
  const second = claim("tcp://127.0.0.1:2");
  assert.equal(second!.slots, first!.slots + 8 + 4 * 2 + 4);
  assert.equal(second!.waiting, first!.waiting);
});

test("There is a bound for servers of one upstream", () => {
  const memory = createUpstreamMemory(2, 1, 1);
  const claim = (number: number) => run(memory.words, claimServer(memory, `unix:/run/${number}`));
  for (let number = 0; number <= CELLS_SPARE; number++) assert.ok(claim(number));
  assert.equal(claim(CELLS_SPARE + 1), undefined);
});

test("A thread that died holds nothing of an upstream", () => {
  const memory = createUpstreamMemory(2, 1, 2);
  const { words } = memory;
  const places = run(words, claimServer(memory, "unix:/run/a"))!;
  run(words, joinUpstream(memory, 0, ownerOf(0, 0)));
  run(words, joinUpstream(memory, 1, ownerOf(1, 0)));
  assert.ok(run(words, takePermit(places, ownerOf(0, 0), 2)));
  assert.ok(run(words, takePermit(places, ownerOf(1, 0), 2)));
  assert.ok(!run(words, takePermit(places, ownerOf(0, 0), 2)));
  run(words, leaveUpstream(memory, 1));
  assert.equal(run(words, countOwn(places, ownerOf(1, 0))), 0);
  assert.ok(run(words, takePermit(places, ownerOf(0, 0), 2)));
  assert.equal(run(words, countOwn(places, ownerOf(0, 0))), 2);
});

test("A thread that died counts no clients and no files", () => {
  const memory = createProcessMemory(2, 100, { low: 1, high: 2 });
  const { clients, spill, placed } = processPlaces(memory);
  const { words } = memory;
  for (const tally of [clients, spill]) assert.ok(run(words, enterTally(tally, 1, 7, 10)));
  words[placed + 1] = 3;
  run(words, leaveProcess(memory, 1));
  for (const tally of [clients, spill]) assert.equal(run(words, totalOf(tally)), 0);
  assert.equal(words[placed + 1], 0);
});

test("Addresses have four buckets for each connection, up to a bound", () => {
  assert.equal(bucketsFor(1), 256);
  assert.equal(bucketsFor(1_000), 4_096);
  assert.equal(bucketsFor(1_000_000), BUCKETS_MAX);
});
