/**
 * A server that is asked how it is, stopped and started again at any moment: it is taken for up, and it
 * takes as many checks as at first to say otherwise. While it is not asked there is no timer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../src/runtime/address.ts";
import { HealthWatch } from "../../src/upstream/health_watch.ts";
import { fillUpstreamOptions, UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { untilIdle } from "../support/idle.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { ADDRESS, ScriptedApplication } from "../support/scripted_application.ts";

const INTERVAL_MS = 1_000;

async function world(rise: number, fall: number) {
  const runtime = new MemoryRuntime();
  const application = new ScriptedApplication({ values: "truth" });
  await application.listen(runtime);
  const address = parseAddress(ADDRESS);
  let checks = 0;
  const watch = new HealthWatch({
    runtime,
    address,
    options: fillUpstreamOptions({
      servers: [ADDRESS],
      health: { ...UPSTREAM_DEFAULTS.health, intervalMs: INTERVAL_MS, timeoutMs: 500, rise, fall },
    }),
    random: () => 0.5,
    onResult: () => void checks++,
  });
  /** Lets so many checks pass, which fail or not. */
  const check = async (count: number, fails: boolean): Promise<void> => {
    runtime.network.fail(address, fails ? "refused" : undefined);
    for (const end = checks + count; checks < end;) {
      runtime.clock.advance(INTERVAL_MS / 4);
      await untilIdle();
    }
  };
  return { runtime, watch, check };
}

for (const [rise, fall] of [[1, 1], [2, 3], [3, 2]] as const) {
  test(`Checks count anew when they begin again, with rise ${rise} and fall ${fall}`, async () => {
    for (let failed = 0; failed <= fall; failed++) {
      const { runtime, watch, check } = await world(rise, fall);
      watch.start();
      if (failed > 0) await check(failed, true);
      assert.equal(watch.isUp, failed < fall);
      await watch.stop();
      assert.equal(runtime.clock.timerCount, 0, "a timer is left");
      watch.start();
      assert.equal(watch.isUp, true, "it is taken for up");
      if (fall > 1) await check(fall - 1, true);
      assert.equal(watch.isUp, true, `${fall - 1} checks are not enough`);
      await check(1, true);
      assert.equal(watch.isUp, false);
      if (rise > 1) await check(rise - 1, false);
      assert.equal(watch.isUp, false, `${rise - 1} checks are not enough`);
      await check(1, false);
      assert.equal(watch.isUp, true);
      await watch.stop();
      await untilIdle();
      assert.equal(runtime.clock.timerCount, 0);
    }
  });
}
