/** What one thread has found out about an application, another reads as it was, in every combination. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerOf } from "../../src/shared/owners.ts";
import { createUpstreamMemory } from "../../src/shared/upstream_memory.ts";
import { SharedUpstream } from "../../src/upstream/shared_upstream.ts";
import { ManualClock } from "../support/memory/memory.ts";

function permitsOfThreads(server: string) {
  const memory = createUpstreamMemory(2, 1, 8);
  return [0, 1].map((thread) =>
    new SharedUpstream({
      memory,
      thread,
      owner: ownerOf(thread, 0),
      leads: thread === 0,
      clock: new ManualClock(),
      ring: () => {},
      tell: () => {},
    }).permitsOf(server)
  );
}

test("Manners are the same in all threads, and forgotten in all", () => {
  const [one, other] = permitsOfThreads("tcp://127.0.0.1:9000");
  assert.equal(other!.manner, undefined);
  for (const outcome of ["answered", "closed", "refused", "silent", "unread"] as const) {
    for (const multiplexes of [true, false]) {
      for (const connections of [1, 7, Infinity]) {
        for (const requests of [1, 9, 65_536, Infinity]) {
          const manner = { outcome, multiplexes, connections, requests };
          one!.manner = manner;
          assert.deepEqual(other!.manner, manner);
        }
      }
    }
  }
  other!.manner = undefined;
  assert.equal(one!.manner, undefined);
});

test("Workers are counted for all threads, and unbounded until somebody has counted", () => {
  const [one, other] = permitsOfThreads("tcp://127.0.0.1:9000");
  assert.equal(other!.workers, Infinity);
  for (const workers of [1, 5, 128, Infinity]) {
    one!.workers = workers;
    assert.deepEqual([one!.workers, other!.workers], [workers, workers]);
  }
});
