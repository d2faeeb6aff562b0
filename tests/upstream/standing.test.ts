/** How a server stands: when it is passed over, what its share is, and what other threads are told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import { Deadlines } from "../../src/upstream/deadlines.ts";
import { UPSTREAM_DEFAULTS, type UpstreamOptions } from "../../src/upstream/options.ts";
import { ServerStanding, type StandingDeps } from "../../src/upstream/server_standing.ts";
import type { UpstreamShare } from "../../src/upstream/upstream_share.ts";
import { untilIdle } from "../support/idle.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { ADDRESS, ScriptedApplication } from "../support/scripted_application.ts";

function world(
  { slowStartMs = 0, intervalMs = 0, leads = undefined as boolean | undefined, connectMs = 3_000 } =
    {},
) {
  const runtime = new MemoryRuntime();
  const told: string[] = [];
  const health: string[] = [];
  let warmings = 0;
  const share: Pick<UpstreamShare, "leads" | "tell"> | undefined = leads === undefined
    ? undefined
    : { leads, tell: (server, news) => void told.push(`${server} ${news}`) };
  const options: UpstreamOptions = {
    ...UPSTREAM_DEFAULTS,
    name: "app",
    servers: [],
    slowStartMs,
    health: { ...UPSTREAM_DEFAULTS.health, intervalMs, rise: 1, fall: 2 },
    timeouts: { ...UPSTREAM_DEFAULTS.timeouts, connectMs },
  };
  const standing = new ServerStanding({
    runtime,
    deadlines: new Deadlines(runtime.clock),
    server: { address: parseAddress(ADDRESS), weight: 20, backup: false },
    options,
    random: () => 0.5,
    address: "a",
    share: share as StandingDeps<unknown>["share"],
    onWarming: () => warmings++,
    onHealth: ({ kind }, changed) => health.push(`${kind}${changed ? " changed" : ""}`),
  });
  return { standing, runtime, told, health, warmings: () => warmings };
}

test("One that failed is passed over for 10 s, or until its trial or a connection shows better", () => {
  const { standing, runtime: { clock }, told } = world({ leads: true });
  assert.deepEqual([standing.isUp, standing.isEjected, standing.weight], [true, false, 20]);
  standing.recover();
  standing.beginTrial();
  assert.deepEqual([standing.isEjected, told], [false, []], "it has not failed");
  standing.fail();
  clock.advance(9_999);
  assert.equal(standing.isEjected, true);
  clock.advance(1);
  assert.equal(standing.isEjected, false);
  standing.beginTrial();
  clock.advance(2_999);
  assert.equal(standing.isEjected, true, "others stay away from the trial");
  clock.advance(1);
  assert.equal(standing.isEjected, false);
  standing.fail();
  standing.recover();
  assert.equal(standing.isEjected, false);
  standing.recover();
  assert.deepEqual(told, ["a failed", "a failed", "a recovered"]);
  assert.equal(standing.weight, 20, "without a slow start it has all of its weight");
});

test("With a slow start one that failed or is new begins with a twentieth and grows", () => {
  const { standing, runtime: { clock }, warmings } = world({ slowStartMs: 1_000 });
  standing.fail();
  assert.deepEqual([standing.weight, warmings(), standing.grow()], [1, 1, true]);
  clock.advance(500);
  assert.deepEqual([standing.grow(), standing.weight], [true, 1]);
  standing.recover();
  clock.advance(500);
  assert.deepEqual([standing.grow(), standing.weight], [true, 10]);
  standing.configure(40);
  assert.equal(standing.weight, 20);
  clock.advance(500);
  assert.deepEqual([standing.grow(), standing.weight], [false, 40]);
  standing.startSlowly();
  assert.deepEqual([standing.weight, warmings()], [2, 2]);
  clock.advance(1_000);
  assert.deepEqual([standing.grow(), standing.weight], [false, 40]);
  const whole = world();
  whole.standing.fail();
  whole.standing.startSlowly();
  assert.deepEqual([whole.standing.weight, whole.warmings()], [20, 0]);
});

test("What another thread has found out counts here, and is told nobody again", () => {
  const { standing, told, warmings, runtime: { clock } } = world({
    slowStartMs: 1_000,
    intervalMs: 1_000,
    leads: false,
  });
  assert.equal(clock.timerCount, 0, "another one asks");
  assert.deepEqual([standing.hear("up"), standing.hear("down"), standing.hear("down")], [
    ...[false, true, false],
  ]);
  assert.deepEqual([standing.isUp, standing.weight, warmings()], [false, 1, 1]);
  assert.equal(standing.hear("up"), true);
  clock.advance(500);
  standing.grow();
  assert.deepEqual([standing.isUp, standing.weight], [true, 10]);
  assert.deepEqual([standing.hear("failed"), standing.isEjected, standing.weight], [
    false,
    true,
    1,
  ]);
  assert.deepEqual([standing.hear("recovered"), standing.isEjected], [false, false]);
  clock.advance(500);
  standing.grow();
  assert.deepEqual([standing.weight, told], [10, []]);
});

test("Checks take it down and bring it back, each told once, and a good one ends its ejection", async () => {
  for (const leads of [true, undefined]) {
    const { standing, runtime, told, health } = world({
      intervalMs: 1_000,
      leads,
      slowStartMs: 100,
    });
    const round = async (): Promise<void> => {
      runtime.clock.advance(1_000);
      await untilIdle();
    };
    await round();
    assert.deepEqual([health, standing.isUp], [["failed"], true]);
    await round();
    assert.deepEqual([health[1], standing.isUp, standing.weight], ["failed changed", false, 1]);
    const application = new ScriptedApplication({});
    await application.listen(runtime);
    standing.fail();
    await round();
    assert.deepEqual([health[2], standing.isUp, standing.isEjected], [
      ...["passed changed", true, false],
    ]);
    runtime.clock.advance(50);
    standing.grow();
    assert.equal(standing.weight, 10);
    await round();
    assert.equal(health[3], "passed");
    const all = ["a up", "a down", "a failed", "a up", "a recovered"];
    assert.deepEqual(told, leads === undefined ? [] : all);
    await standing.stop();
    assert.equal(runtime.clock.timerCount, 0);
    standing.start();
    assert.equal(runtime.clock.timerCount, 1);
    await standing.stop();
  }
});
