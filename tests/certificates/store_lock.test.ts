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

test("Of a lock's files the holder's and the two before it are kept", async () => {
  const { stores, directory } = world(1);
  for (let count = 1; count <= 12; count++) {
    const lock = await stores[0]!.lock("a");
    const kept = [count - 2, count - 1, count].filter((generation) => generation > 0);
    assert.deepEqual([...directory.list("locks")].sort(), kept.map((one) => `a.${one}`).sort());
    await lock.release();
  }
});

test("A generation that was listed too late to be the highest is given back", async () => {
  const { stores, directory, advance } = world(1);
  await (await stores[0]!.lock("a")).release();
  const list = directory.list.bind(directory);
  let looks = 0;
  // Behind the first look somebody else has come much further.
  directory.list = (name) => {
    if (++looks === 2) directory.texts.set("locks/a.9", "another's");
    return list(name);
  };
  const waiting = watched(stores[0]!.lock("a"));
  await advance(LOCK_POLL_MS);
  assert.equal(waiting.value, undefined);
  assert.deepEqual([...list("locks")].sort(), ["a.1", "a.9"]);
  await advance(LOCK_STALE_MS + LOCK_POLL_MS);
  assert.ok(waiting.value);
  assert.ok(directory.texts.has("locks/a.10"));
});

test("A lock that is released holds no timer and says nothing more, however often", async () => {
  const { stores, clocks, directory, advance } = world(2);
  const first = await stores[0]!.lock("a");
  assert.equal(clocks[0]!.timerCount, 1);
  await first.release();
  assert.equal(clocks[0]!.timerCount, 0);
  assert.equal(directory.texts.get("locks/a.1"), "free");
  await stores[1]!.lock("a");
  directory.remove("locks/a.1");
  await first.release();
  await advance(LOCK_HEARTBEAT_MS);
  assert.equal(directory.texts.has("locks/a.1"), false);
});

test("Who has lost a lock says nothing more of it, at its release neither", async () => {
  const { stores, clocks, directory, advance } = world(2);
  const first = await stores[0]!.lock("a");
  const second = watched(stores[1]!.lock("a"));
  await advance(LOCK_STALE_MS + LOCK_POLL_MS, [clocks[1]!]);
  assert.ok(second.value);
  const said = directory.texts.get("locks/a.1");
  await advance(LOCK_HEARTBEAT_MS * 3, [clocks[0]!]);
  assert.equal(first.lost.aborted, true);
  assert.equal(clocks[0]!.timerCount, 0);
  await first.release();
  assert.equal(directory.texts.get("locks/a.1"), said);
});

test("A release waits for the heartbeat that is being written, and plans no other", async () => {
  const { stores, clocks, directory } = world(1);
  const write = directory.write.bind(directory);
  const turns: (() => void)[] = [];
  directory.write = async (name, text) => {
    if (text !== "free") await new Promise<void>((resolve) => turns.push(resolve));
    await write(name, text);
  };
  const lock = await stores[0]!.lock("a");
  clocks[0]!.advance(LOCK_HEARTBEAT_MS);
  const released = lock.release();
  await untilIdle();
  assert.notEqual(directory.texts.get("locks/a.1"), "free");
  for (const turn of turns) turn();
  await released;
  assert.equal(directory.texts.get("locks/a.1"), "free");
  assert.equal(clocks[0]!.timerCount, 0);
});

test("A heartbeat is another text each time, every two seconds", async () => {
  const { stores, directory, advance } = world(1);
  await stores[0]!.lock("a");
  const said = [directory.texts.get("locks/a.1")];
  for (let beat = 1; beat <= 3; beat++) {
    await advance(LOCK_HEARTBEAT_MS - LOCK_POLL_MS);
    assert.equal(directory.texts.get("locks/a.1"), said.at(-1));
    await advance(LOCK_POLL_MS);
    said.push(directory.texts.get("locks/a.1"));
  }
  assert.equal(new Set(said).size, 4);
});

test("Who waits for a lock listens to its signal once at a time, and no longer than it waits", async () => {
  const { stores, advance } = world(2);
  const first = await stores[0]!.lock("a");
  const { signal } = new AbortController();
  let listeners = 0;
  let most = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  Object.assign(signal, {
    addEventListener: (...given: Parameters<typeof add>) => {
      most = Math.max(most, ++listeners);
      add(...given);
    },
    removeEventListener: (...given: Parameters<typeof remove>) => {
      listeners--;
      remove(...given);
    },
  });
  const second = watched(stores[1]!.lock("a", signal));
  await advance(LOCK_STALE_MS);
  await first.release();
  await advance(LOCK_POLL_MS);
  assert.ok(second.value);
  assert.deepEqual([listeners, most], [0, 1]);
});
