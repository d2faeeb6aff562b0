/** WaitingQueue: first come first served, bounded, and to be left from anywhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WaitingQueue } from "../../src/upstream/waiting_queue.ts";

test("WaitingQueue keeps the order, and takes no more than its length", () => {
  const queue = new WaitingQueue<string>(3);
  assert.deepEqual(["a", "b", "c", "d"].map((item) => queue.push(item)), [true, true, true, false]);
  queue.remove("b");
  queue.remove("never there");
  assert.equal(queue.push("e"), true);
  assert.deepEqual([...queue], ["a", "c", "e"]);
  assert.equal(queue.length, 3);
});

test("WaitingQueue may be emptied on the way through it", () => {
  const queue = new WaitingQueue<number>(10);
  for (const item of [1, 2, 3, 4]) queue.push(item);
  const seen: number[] = [];
  for (const item of queue) {
    seen.push(item);
    queue.remove(item);
    queue.remove(3);
  }
  assert.deepEqual(seen, [1, 2, 4]);
  assert.equal(queue.length, 0);
});
