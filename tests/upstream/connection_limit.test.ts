/** How many connections a server gets that serve one request each. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AUTO_BLIND_MAX,
  AUTO_SHARED_MAX,
  AUTO_SINGLE_MAX,
  ConnectionLimit,
  TRIAL_WAIT_MAX_MS,
  TRIAL_WAIT_MS,
} from "../../src/upstream/connection_limit.ts";

test("auto allows many where it can be told when nobody accepts, few where it cannot", () => {
  const limit = new ConnectionLimit("auto");
  assert.equal(limit.single, AUTO_BLIND_MAX);
  limit.canTell = true;
  assert.equal(limit.single, AUTO_SINGLE_MAX);
  assert.equal(limit.shared, AUTO_SHARED_MAX);
});

test("The least of what is configured, said and found holds", () => {
  const limit = new ConnectionLimit(20);
  assert.deepEqual([limit.single, limit.shared], [20, 20]);
  limit.say(10);
  assert.deepEqual([limit.single, limit.shared], [10, 10]);
  assert.equal(limit.find(4, 0), true, "news");
  assert.deepEqual([limit.single, limit.shared], [4, 10]);
  limit.forget();
  assert.equal(limit.single, 20);
});

test("One more is tried after a second, at once when it was taken, later each time it was not", () => {
  const limit = new ConnectionLimit(6);
  assert.equal(limit.tryMore(0), false, "nothing was found: the limit is the configured one");
  limit.find(3, 0);
  assert.equal(limit.tryMore(TRIAL_WAIT_MS - 1), false);
  assert.equal(limit.tryMore(TRIAL_WAIT_MS), true);
  assert.equal(limit.single, 4);
  limit.taken(3, TRIAL_WAIT_MS);
  assert.equal(limit.tryMore(TRIAL_WAIT_MS), false, "the one more was not taken yet");
  limit.taken(4, TRIAL_WAIT_MS);
  assert.equal(limit.tryMore(TRIAL_WAIT_MS), true);
  assert.equal(limit.find(4, 0), false, "no news");
  limit.taken(4, 0);
  assert.equal(limit.tryMore(TRIAL_WAIT_MS), false, "what it always took is no reason to try");
  let nowMs = 0;
  for (let waitMs = 2 * TRIAL_WAIT_MS; waitMs < TRIAL_WAIT_MAX_MS; waitMs *= 2) {
    assert.equal(limit.tryMore(nowMs + waitMs - 1), false);
    assert.equal(limit.tryMore(nowMs + waitMs), true);
    nowMs += waitMs;
    limit.find(4, nowMs);
  }
  assert.equal(limit.tryMore(nowMs + TRIAL_WAIT_MAX_MS), true, "the wait has an end");
  limit.taken(5, nowMs);
  assert.equal(limit.tryMore(nowMs), true);
  limit.taken(6, nowMs);
  assert.equal(limit.tryMore(Infinity), false, "never beyond what is configured");
});
