import { test } from "node:test";
import assert from "node:assert/strict";
import { CertificateStore } from "../../src/certificates/store.ts";
import {
  LOCK_HEARTBEAT_MS,
  LOCK_POLL_MS,
  LOCK_STALE_MS,
  LockLostError,
} from "../../src/certificates/store_lock.ts";
import { currentRuntime } from "../../src/runtime/current.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { MemoryPrivateDirectory } from "../support/memory/memory_private_directory.ts";
import { freshPath } from "../runtime/support.ts";
import { untilIdle } from "../support/idle.ts";

/** Processes that share a directory; each has a clock of its own, as processes do. */
function world(count: number) {
  const directory = new MemoryPrivateDirectory("/store");
  const clocks = Array.from({ length: count }, () => new ManualClock());
  const stores = clocks.map((clock) => new CertificateStore(directory, clock));
  /** Lets time pass for some of them; the others are dead or asleep. */
  const advance = async (durationMs: number, who = clocks) => {
    for (let passedMs = 0; passedMs < durationMs; passedMs += LOCK_POLL_MS) {
      for (const clock of who) clock.advance(LOCK_POLL_MS);
      await untilIdle();
    }
  };
  return { directory, clocks, stores, advance };
}

/** The lock, once there is one. */
function watched<T>(promise: Promise<T>): { value: T | undefined } {
  const found: { value: T | undefined } = { value: undefined };
  promise.then((value) => found.value = value, () => {});
  return found;
}

test("A lock has one holder, the next one follows when it is released", async () => {
  const { stores, advance } = world(2);
  const first = await stores[0]!.lock("a");
  const second = watched(stores[1]!.lock("a"));
  await advance(LOCK_STALE_MS * 5);
  assert.equal(second.value, undefined, "a heartbeat keeps it");
  await first.release();
  await first.release();
  await advance(LOCK_POLL_MS);
  assert.ok(second.value);
  assert.equal(first.lost.aborted, false);
});

test("Locks of different names have nothing to do with each other", async () => {
  const { stores } = world(1);
  await stores[0]!.lock("a");
  await stores[0]!.lock("a.1");
  await stores[0]!.lock("a.1.1");
});

test("A holder that has died is followed by one of those that wait", async () => {
  const { stores, clocks, advance } = world(3);
  await stores[0]!.lock("a");
  const rest = clocks.slice(1);
  const waiting = [watched(stores[1]!.lock("a")), watched(stores[2]!.lock("a"))];
  await advance(LOCK_STALE_MS - LOCK_POLL_MS, rest);
  assert.equal(waiting.some(({ value }) => value), false);
  await advance(LOCK_POLL_MS * 2, rest);
  assert.equal(waiting.filter(({ value }) => value).length, 1);
  await advance(LOCK_STALE_MS * 3, rest);
  assert.equal(waiting.filter(({ value }) => value).length, 1);
});

test("A holder that was only asleep learns that the lock is another's, and leaves it alone", async () => {
  const { stores, clocks, advance } = world(2);
  const first = await stores[0]!.lock("a");
  const second = watched(stores[1]!.lock("a"));
  await advance(LOCK_STALE_MS + LOCK_POLL_MS, [clocks[1]!]);
  assert.ok(second.value);
  await advance(LOCK_HEARTBEAT_MS);
  assert.ok(first.lost.reason instanceof LockLostError);
  await first.release();
  const third = watched(stores[0]!.lock("a"));
  await advance(LOCK_STALE_MS * 2);
  assert.equal(third.value, undefined);
  assert.equal(second.value.lost.aborted, false);
});

test("Who no longer wants a lock stops waiting for it", async () => {
  const { stores, clocks } = world(2);
  await stores[0]!.lock("a");
  const controller = new AbortController();
  const waiting = stores[1]!.lock("a", controller.signal);
  controller.abort(new Error("No more"));
  await assert.rejects(waiting, /No more/);
  assert.equal(clocks[1]!.timerCount, 0);
});

test("A disk that is full for a moment costs nobody the lock", async () => {
  const { stores, directory, advance } = world(2);
  const first = await stores[0]!.lock("a");
  const second = watched(stores[1]!.lock("a"));
  directory.writeError = "no space left on device";
  await advance(LOCK_HEARTBEAT_MS * 3);
  directory.writeError = undefined;
  await advance(LOCK_STALE_MS * 3);
  assert.equal(second.value, undefined);
  assert.equal(first.lost.aborted, false);
});

test("A lock that is taken a hundred times leaves a bounded number of files behind", async () => {
  const { stores, directory } = world(1);
  for (let count = 0; count < 100; count++) await (await stores[0]!.lock("a")).release();
  assert.ok(directory.list("locks").length <= 4, `${directory.list("locks")}`);
});

test("Thirty that want a lock of a real directory have it one after the other", async () => {
  const runtime = currentRuntime();
  const path = freshPath();
  let holders = 0;
  let most = 0;
  let turns = 0;
  // Waiting ones look every half second; here they look at every turn.
  const clock = {
    ...runtime.clock,
    nowMs: () => runtime.clock.nowMs(),
    setTimer: (callback: () => void, delayMs: number) =>
      runtime.clock.setTimer(callback, delayMs === LOCK_POLL_MS ? 1 : delayMs),
    clearTimer: (id: Parameters<typeof runtime.clock.clearTimer>[0]) =>
      runtime.clock.clearTimer(id),
  };
  await Promise.all(Array.from({ length: 30 }, async () => {
    const store = CertificateStore.open(path, {
      openPrivateDirectory: runtime.openPrivateDirectory,
      clock,
    });
    await store.withLock("shared", async (lost) => {
      most = Math.max(most, ++holders);
      await untilIdle();
      assert.equal(lost.aborted, false);
      turns++;
      holders--;
    });
  }));
  assert.deepEqual([most, turns], [1, 30]);
});
