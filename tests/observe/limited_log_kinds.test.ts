/** Lines of a flood: one a second of each kind, with how many were left out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITED_LOG_KINDS_MAX, LimitedLog } from "../../src/observe/limited_log.ts";
import type { LogFields, Logger } from "../../src/observe/logger.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";

function world() {
  const lines: (readonly [level: string, message: string, fields: LogFields])[] = [];
  const logger = {
    writes: () => true,
    log: (level: string, message: string, fields: LogFields) =>
      void lines.push([level, message, fields]),
  } as unknown as Logger;
  const clock = new ManualClock();
  return { lines, clock, limited: new LimitedLog(logger, clock) };
}

test("A kind of line is silent for a second, then says how many were left out, once", () => {
  const { lines, clock, limited } = world();
  const say = () => limited.log("a", "warn", "text", { code: "x" });
  for (let count = 1; count <= 4; count++) say();
  assert.deepEqual(lines, [["warn", "text", { code: "x" }]]);
  clock.advance(999);
  say();
  assert.equal(lines.length, 1);
  clock.advance(1);
  say();
  assert.deepEqual(lines[1], ["warn", "text", { code: "x", left_out: 4 }]);
  say();
  assert.equal(lines.length, 2);
  clock.advance(1000);
  say();
  assert.deepEqual(lines[2]?.[2], { code: "x", left_out: 1 });
  clock.advance(5000);
  say();
  assert.deepEqual(lines[3]?.[2], { code: "x" });
});

test("Kinds are told apart up to a bound, and one more lets all of them speak", () => {
  const { lines, clock, limited } = world();
  const say = (kind: number) => limited.log(String(kind), "info", "text", {});
  for (let kind = 0; kind < LIMITED_LOG_KINDS_MAX; kind++) say(kind);
  assert.equal(lines.length, LIMITED_LOG_KINDS_MAX);
  say(0);
  clock.advance(1000);
  say(0);
  assert.equal(lines.length, LIMITED_LOG_KINDS_MAX + 1);
  say(0);
  say(1);
  say(1);
  assert.equal(lines.length, LIMITED_LOG_KINDS_MAX + 2, "one that is known takes no place");
  say(LIMITED_LOG_KINDS_MAX);
  say(0);
  assert.equal(lines.length, LIMITED_LOG_KINDS_MAX + 4);
});
