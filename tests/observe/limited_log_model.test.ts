/**
 * Lines of a flood, against a small model: of each kind one in its time, and each says how many were
 * left out since the one before, no matter what other kinds do. The sum is what there was.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITED_LOG_MS, LimitedLog } from "../../src/observe/limited_log.ts";
import { Logger } from "../../src/observe/logger.ts";
import { ManualClock, MemorySink } from "../support/memory/memory.ts";
import { Random } from "../simulation/random.ts";

const KINDS = ["a", "b", "c"] as const;

test("A line says how many of its kind were left out since the one before, and none is lost", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new Random(seed);
    const clock = new ManualClock();
    const sink = new MemorySink();
    const logger = new Logger({ sink, clock, level: "debug", format: "json" });
    const limited = new LimitedLog(logger, clock);
    const expected: [kind: string, leftOut: number | undefined][] = [];
    const silentUntilMs = new Map<string, number>();
    const leftOut = new Map<string, number>();
    for (let step = 0; step < 200; step++) {
      if (random.chance(0.1)) clock.advance(random.pick([1, 300, LIMITED_LOG_MS - 1, 5_000]));
      const kind = random.pick([...KINDS]);
      limited.log(kind, "warn", kind, {});
      if (clock.nowMs() < (silentUntilMs.get(kind) ?? 0)) {
        leftOut.set(kind, (leftOut.get(kind) ?? 0) + 1);
        continue;
      }
      expected.push([kind, leftOut.get(kind)]);
      leftOut.delete(kind);
      silentUntilMs.set(kind, clock.nowMs() + LIMITED_LOG_MS);
    }
    clock.advance(10_000);
    const lines = sink.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ msg, left_out }) => [msg, left_out]), expected, `seed ${seed}`);
  }
});
