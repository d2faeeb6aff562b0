/** OpenRequests: who waits until nothing is open, and when a burst is over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../support/memory/memory.ts";
import {
  BURST_INTERVAL_MS,
  BURST_MIN,
  BURST_REST,
  OpenRequests,
} from "../../src/upstream/open_requests.ts";
import { UpstreamWorld } from "../support/upstream_world.ts";

function openRequests() {
  const clock = new ManualClock();
  const told: number[] = [];
  const open = new OpenRequests(clock, () => void told.push(open.count));
  const times = (count: number, step: () => void) => {
    for (let index = 0; index < count; index++) step();
  };
  return {
    clock,
    told,
    open,
    begin: (count: number) => times(count, () => open.begin()),
    end: (count: number) => times(count, () => open.end()),
  };
}

test("A burst is over when little of it is left, and is told once", () => {
  const { told, begin, end } = openRequests();
  begin(BURST_MIN);
  end(BURST_MIN * (1 - BURST_REST));
  assert.deepEqual(told, [], "just as much is left as may be");
  end(1);
  const left = BURST_MIN * BURST_REST - 1;
  assert.deepEqual(told, [left]);
  end(left);
  assert.deepEqual(told, [left]);
});

test("A burst is as large as it was at its height, also where requests begin in its middle", () => {
  const { told, begin, end } = openRequests();
  begin(4 * BURST_MIN);
  end(4 * BURST_MIN - BURST_MIN / 2);
  begin(1);
  // Below the part of its height, and not of what there was since.
  end(BURST_MIN / 2 + 1 - 4 * BURST_MIN * BURST_REST);
  assert.deepEqual(told, [], "just as much is left as may be");
  end(1);
  assert.deepEqual(told, [4 * BURST_MIN * BURST_REST - 1]);
});

test("Requests that are never many at once are no burst, however many there are", () => {
  const { told, begin, end } = openRequests();
  for (let round = 0; round < 10; round++) {
    begin(BURST_MIN - 1);
    end(BURST_MIN - 1);
  }
  assert.deepEqual(told, []);
});

test("A burst that ends too soon after the one before is not told, the next one is", () => {
  const { clock, told, begin, end } = openRequests();
  const burst = () => {
    begin(BURST_MIN);
    end(BURST_MIN);
  };
  burst();
  clock.advance(BURST_INTERVAL_MS - 1);
  burst();
  assert.equal(told.length, 1);
  clock.advance(1);
  burst();
  assert.equal(told.length, 2);
});

test("Who waits for nothing to be open hears of it, or of the end of the time", async () => {
  const { clock, open, begin, end } = openRequests();
  await open.idle(0);
  begin(2);
  const heard: string[] = [];
  const waits = [
    open.idle(100).then(() => heard.push("time")),
    open.idle(0).then(() => heard.push("idle")),
  ];
  clock.advance(100);
  await waits[0];
  assert.deepEqual(heard, ["time"]);
  end(2);
  await Promise.all(waits);
  assert.deepEqual(heard, ["time", "idle"]);
});

test("An upstream has garbage collected when a burst of requests is over", async () => {
  const world = new UpstreamWorld({ multiplex: "on", connections: { streamsMax: BURST_MIN } });
  const application = await world.application();
  const responses = Array.from({ length: BURST_MIN }, () => world.send());
  const requests = await Promise.all(responses.map(() => application.next()));
  assert.equal(world.runtime.collections, 0);
  for (const request of requests) request.answer();
  await Promise.all(responses);
  await world.settle();
  assert.equal(world.runtime.collections, 1);
  await world.close();
});
