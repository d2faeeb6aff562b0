/** The places that an application's requests take: how many there are, for whom, and given back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestQuota } from "../../src/protocol/request_quota.ts";

test("There are as many places as were said, and one given back is there again", () => {
  const quota = new RequestQuota(2);
  assert.deepEqual([quota.take(), quota.take(), quota.take()], [true, true, false]);
  assert.equal(quota.taken, 2);
  quota.release();
  assert.equal(quota.taken, 1);
  assert.deepEqual([quota.take(), quota.take()], [true, false]);
});

test("A place that nobody took cannot be given back, and the count stays", () => {
  const quota = new RequestQuota(1);
  const refusal = { name: "RangeError", message: "Cannot release a place: none is taken" };
  assert.throws(() => quota.release(), refusal);
  assert.equal(quota.take(), true);
  quota.release();
  assert.throws(() => quota.release(), refusal);
  assert.equal(quota.taken, 0);
});

test("The last places are for connections that hold few", () => {
  const quota = new RequestQuota(4, 2);
  assert.deepEqual([quota.take(2), quota.take(2), quota.take(2)], [true, true, false]);
  assert.equal(quota.take(1), true);
  assert.equal(quota.take(2), false);
  assert.equal(quota.take(0), true);
  assert.equal(quota.take(0), false);
});
