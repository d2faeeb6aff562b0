/** One connection of a web server, however many requests it opens, leaves places for the others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestQuota } from "../../src/protocol/request_quota.ts";
import { COMPLETE, gate, OVERLOADED, serve, turns } from "../responder/setup.ts";
import { inWorld } from "../support/world_test.ts";

for (const maxRequests of [2, 3, 8, 40]) {
  test(
    `Of ${maxRequests} places one connection gets not all`,
    inWorld(async () => {
      const goOn = gate();
      const { connect } = await serve(async () => {
        await goOn.promise;
        return new Response("x");
      }, { maxRequests });
      const [greedy, other] = [await connect(), await connect()];
      const greedyOnes = Array.from({ length: maxRequests }, () => greedy.begin());
      await turns();
      assert.deepEqual(await greedyOnes.at(-1)!.ended(), OVERLOADED);
      const modest = other.begin();
      await turns();
      goOn.resolve();
      assert.deepEqual(await modest.ended(), COMPLETE);
      assert.deepEqual(await greedyOnes[0]!.ended(), COMPLETE);
    }),
  );
}

test(
  "A single place is for whoever comes first, and connections together may take all",
  inWorld(() => {
    assert.equal(new RequestQuota(1, 0).take(0), true);
    const quota = new RequestQuota(16, 2);
    for (let held = 0; held < 14; held++) assert.equal(quota.take(held), true);
    assert.equal(quota.take(14), false);
    assert.deepEqual([quota.take(0), quota.take(1), quota.take(0)], [true, true, false]);
  }),
);
