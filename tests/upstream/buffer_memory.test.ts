/** What buffers of all requests hold together: who is told of it, who waits, and who is called. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BufferMemory, type MemoryShare } from "../../src/upstream/buffer_memory.ts";

const MIB = 1_048_576;

test("Where nothing is said buffers may hold 256 MiB, also after a reload", () => {
  const memory = new BufferMemory();
  assert.equal(memory.max, 256 * MIB);
  memory.count(256 * MIB);
  assert.equal(memory.isFull, false);
  memory.count(1);
  assert.equal(memory.isFull, true);
  memory.configure(5);
  assert.equal(memory.max, 5);
  memory.configure();
  assert.equal(memory.max, 256 * MIB);
});

test("Memory is tight from half of the limit on, and over beyond all of it", () => {
  let overs = 0;
  const memory = new BufferMemory(100, () => void overs++);
  assert.deepEqual([memory.isTight(50), memory.isTight(51)], [false, true]);
  memory.count(40);
  assert.deepEqual([memory.isTight(10), memory.isTight(11)], [false, true]);
  memory.count(60);
  assert.deepEqual([memory.isFull, memory.isOver(), overs], [false, false, 0]);
  memory.count(1);
  assert.deepEqual([memory.isFull, memory.isOver(), overs], [true, true, 1]);
  assert.equal(memory.used, 101);
});

test("Who waits is called in its order, once, as long as there is room", () => {
  const memory = new BufferMemory(10);
  const called: string[] = [];
  memory.count(20);
  memory.wait(() => called.push("first"));
  memory.wait(() => {
    called.push("second");
    // It takes what there is, and somebody else gives some back meanwhile.
    memory.count(9);
    memory.count(-1);
  });
  const leave = memory.wait(() => called.push("left"));
  memory.wait(() => called.push("third"));
  leave();
  assert.equal(memory.waiting, 3);
  memory.count(-9);
  assert.deepEqual(called, [], "it is over by one");
  memory.count(1);
  memory.count(-6);
  assert.deepEqual(called, ["first", "second"]);
  assert.deepEqual([memory.waiting, memory.used], [1, 14]);
  memory.count(-4);
  assert.deepEqual(called, ["first", "second", "third"]);
  memory.count(-1);
  assert.deepEqual([called.length, memory.waiting], [3, 0]);
});

test("More bytes call nobody, another limit does", () => {
  const memory = new BufferMemory(10);
  let calls = 0;
  memory.count(5);
  memory.wait(() => calls++);
  memory.count(1);
  assert.equal(calls, 0);
  memory.configure(20);
  assert.equal(calls, 1);
});

test("Each 32 MiB that pass, in and out, are told", () => {
  const told: boolean[] = [];
  const memory = new BufferMemory(undefined, undefined, undefined, (isOver) => told.push(isOver));
  for (let round = 1; round <= 3; round++) {
    memory.count(16 * MIB);
    memory.count(-16 * MIB + 1);
    assert.equal(told.length, round - 1);
    memory.count(-1);
    assert.deepEqual(told, Array(round).fill(false));
  }
});

test("Many buffers that are over are told once, few never", () => {
  for (const [most, rest] of [[64, 4], [160, 10], [63, undefined]] as const) {
    const told: [number, boolean][] = [];
    let open = 0;
    const onPassed = (isOver: boolean) => told.push([open, isOver]);
    const memory = new BufferMemory(undefined, undefined, undefined, onPassed);
    for (; open < most; open++) memory.opened();
    while (open > 0) {
      open--;
      memory.closed();
    }
    assert.deepEqual(told, rest === undefined ? [] : [[rest, true]], `${most}`);
  }
});

test("Other threads are told in steps, and of nothing always", () => {
  const told: number[] = [];
  let look!: () => void;
  const share = {
    elsewhere: 0,
    tell: (used: number) => void told.push(used),
    listen: (listener: () => void) => void (look = listener),
  } satisfies MemoryShare;
  const memory = new BufferMemory(100_000, undefined, share);
  memory.count(65_535);
  assert.deepEqual(told, []);
  memory.count(1);
  memory.count(65_535);
  assert.deepEqual(told, [65_536]);
  memory.count(-65_535 - 65_535);
  assert.deepEqual(told, [65_536]);
  memory.count(-1);
  assert.deepEqual(told, [65_536, 0]);
  memory.count(1);
  share.elsewhere = 100_000;
  assert.deepEqual([memory.used, memory.isFull], [100_001, true]);
  let calls = 0;
  memory.wait(() => calls++);
  look();
  assert.equal(calls, 0);
  share.elsewhere = 99_999;
  look();
  assert.equal(calls, 1);
  memory.count(-1);
});
