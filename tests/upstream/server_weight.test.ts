/** How a server's share grows from a twentieth of its weight to all of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerWeight } from "../../src/upstream/server_weight.ts";

test("A server has its whole weight until it goes, and grows from a twentieth when it is back", () => {
  const weight = new ServerWeight(40, 1_000);
  assert.equal(weight.value, 40);
  assert.equal(weight.grow(0), false);
  assert.equal(weight.value, 40);
  weight.shrink();
  assert.equal(weight.value, 2);
  assert.equal(weight.grow(5_000), true, "it is not back");
  assert.equal(weight.value, 2);
  weight.startGrowing(5_000);
  for (const [nowMs, value] of [[5_000, 2], [5_050, 2], [5_051, 2.04], [5_500, 20]] as const) {
    assert.equal(weight.grow(nowMs), true);
    assert.ok(Math.abs(weight.value - value) < 1e-9, `${weight.value} at ${nowMs}`);
  }
  weight.startGrowing(5_900);
  assert.equal(weight.grow(5_999), true);
  assert.equal(weight.grow(6_000), false, "that it is back is said once");
  assert.equal(weight.value, 40);
  assert.equal(weight.grow(9_000), false);
  assert.equal(weight.value, 40);
});

test("Another weight keeps how far it has grown", () => {
  const weight = new ServerWeight(40, 1_000);
  weight.shrink();
  weight.startGrowing(0);
  weight.grow(250);
  weight.configure(80);
  assert.equal(weight.value, 20);
  weight.grow(500);
  assert.equal(weight.value, 40);
  weight.configure(8);
  assert.equal(weight.value, 4);
});
