/** What is forgotten of a thread that died, and of an upstream that no configuration has any more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerOf } from "../../src/shared/owners.ts";
import { createProcessMemory } from "../../src/shared/process_memory.ts";
import { createWords } from "../../src/shared/layout.ts";
import { createUpstreamMemory } from "../../src/shared/upstream_memory.ts";
import { Placement } from "../../src/threads/placement.ts";
import { SharedProcess } from "../../src/threads/shared_process.ts";
import { fillUpstreamOptions } from "../../src/upstream/options.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

const WAYS = ["late", "late while all are", "in time"] as const;

for (const way of WAYS) {
  test(`A thread that was ${way} when it died gets clients as soon as it is back`, () => {
    const given: number[] = [];
    const placement = new Placement({
      words: createWords(6),
      places: { placed: 0, taken: 3 },
      give: (thread) => given.push(thread),
      refuse: () => assert.fail("one is refused"),
    });
    placement.add(1);
    placement.add(2);
    if (way === "late while all are") placement.setLate(2, true);
    if (way !== "in time") placement.setLate(1, true);
    placement.remove(1);
    placement.add(1);
    placement.setLate(2, false);
    for (let descriptor = 1; descriptor <= 4; descriptor++) {
      placement.place({ listener: "a", descriptor });
    }
    assert.deepEqual(given.toSorted(), [1, 1, 2, 2]);
  });
}

test("News are for the upstreams of configurations that there are, and for no other", () => {
  const clock = new ManualClock();
  const memories = [0, 1].map(() => createUpstreamMemory(2, 1, 4));
  let current = 0;
  const shared = new SharedProcess({
    memory: createProcessMemory(2, 100, { low: 1, high: 2 }),
    thread: 1,
    owner: ownerOf(1, 0),
    clock,
    memoryOf: () => memories[current]!,
    tell: () => {},
    secret: new Uint8Array(32),
    tellPassword: () => {},
  });
  const options = fillUpstreamOptions({ name: "app", servers: ["unix:/run/app.sock"] });
  const heard: number[] = [];
  const use = (index: number): void => {
    current = index;
    shared.upstreamOf(options).attach({
      onRung() {},
      onTurn() {},
      onBeat() {},
      onNews: () => void heard.push(index),
    });
  };
  const tell = (): number[] => {
    for (const { id } of memories) {
      shared.hear({ upstream: id, server: "unix:/run/app.sock", news: "down" });
    }
    return heard.splice(0);
  };
  use(0);
  assert.deepEqual(tell(), [0]);
  use(1);
  assert.deepEqual(tell(), [0, 1], "requests of the one before may not have ended");
  shared.keep([memories[1]!]);
  assert.deepEqual(tell(), [1]);
  shared.keep([]);
  assert.deepEqual(tell(), []);
  shared.close();
  assert.equal(clock.timerCount, 0);
});
