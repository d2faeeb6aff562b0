/** `limits.memory` over threads: each knows what the others hold, and what a dead one held is free. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerOf } from "../../src/shared/owners.ts";
import { createProcessMemory, leaveProcess } from "../../src/shared/process_memory.ts";
import { run } from "../../src/shared/steps.ts";
import { BEAT_INTERVAL_MS } from "../../src/threads/heartbeat.ts";
import { SharedProcess } from "../../src/threads/shared_process.ts";
import { BufferMemory, TOLD_LENGTH } from "../../src/upstream/buffer_memory.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const MAX = 10 * TOLD_LENGTH;

function threads(count: number) {
  const clock = new ManualClock();
  const memory = createProcessMemory(count, 100, { low: 1, high: 2 });
  const all = Array.from({ length: count }, (_, thread) => {
    const shared = new SharedProcess({
      memory,
      thread,
      owner: ownerOf(thread, 0),
      clock,
      memoryOf: () => {
        throw new Error("There are no upstreams");
      },
      tell: () => {},
      secret: new Uint8Array(32),
      tellPassword: () => {},
    });
    return { shared, buffers: new BufferMemory(MAX, () => {}, shared.memory) };
  });
  return {
    clock,
    buffers: all.map(({ buffers }) => buffers),
    bury: (thread: number) => run(memory.words, leaveProcess(memory, thread)),
    close: () => all.forEach(({ shared }) => shared.close()),
  };
}

test("What one thread's buffers hold counts for all, but for less than a step", () => {
  const { buffers: [first, second], close } = threads(2);
  first!.count(3 * TOLD_LENGTH);
  assert.equal(second!.used, 3 * TOLD_LENGTH);
  first!.count(TOLD_LENGTH - 1);
  assert.equal(second!.used, 3 * TOLD_LENGTH);
  assert.equal(first!.used, 4 * TOLD_LENGTH - 1);
  second!.count(3 * TOLD_LENGTH);
  assert.equal(first!.used, 7 * TOLD_LENGTH - 1);
  assert.equal(first!.isTight(1), true);
  assert.equal(second!.isFull, false);
  second!.count(4 * TOLD_LENGTH);
  assert.equal(first!.isFull, true);
  first!.count(-(4 * TOLD_LENGTH - 1));
  assert.equal(first!.used, second!.used);
  second!.count(-7 * TOLD_LENGTH);
  assert.deepEqual([first!.used, second!.used], [0, 0]);
  close();
});

test("Who waits goes on when another thread has made room, or has died", () => {
  for (const end of ["room", "death"] as const) {
    const { buffers: [first, second], clock, bury, close } = threads(2);
    second!.count(MAX + TOLD_LENGTH);
    let isCalled = false;
    assert.equal(first!.isOver(), true);
    first!.wait(() => isCalled = true);
    clock.advance(2 * BEAT_INTERVAL_MS);
    assert.equal(isCalled, false);
    if (end === "room") second!.count(-2 * TOLD_LENGTH);
    else bury(1);
    clock.advance(BEAT_INTERVAL_MS);
    assert.equal(isCalled, true, end);
    close();
  }
});
