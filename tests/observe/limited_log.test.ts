/** Lines of a flood are said once in a while, and what several threads would say is said once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LIMITED_LOG_KINDS_MAX,
  LIMITED_LOG_MS,
  type LimitedLine,
  LimitedLog,
} from "../../src/observe/limited_log.ts";
import { Logger } from "../../src/observe/logger.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { LineSink } from "../support/gateway.ts";

function world() {
  const clock = new ManualClock();
  const sink = new LineSink();
  const logger = new Logger({ sink, clock, level: "info", format: "json" });
  const main = new LimitedLog(logger, clock);
  /** As a message to the main thread goes. */
  const pass = (line: LimitedLine) => main.take(structuredClone(line));
  const threads = [1, 2, 3].map(() => new LimitedLog(logger, clock, pass));
  const told = () => {
    clock.advance(0);
    return sink.lines.splice(0).map(({ msg, left_out }) => [msg, left_out]);
  };
  return { clock, main, threads, told };
}

test("A flood that several threads meet is one line a second, with all that was left out", () => {
  const { clock, main, threads, told } = world();
  for (let round = 0; round < 100; round++) {
    for (const log of [main, ...threads]) log.log("full", "warn", "full", { round });
  }
  assert.deepEqual(told(), [["full", undefined]]);
  clock.advance(LIMITED_LOG_MS);
  for (const log of threads) log.log("full", "warn", "full again", {});
  main.log("full", "warn", "not this one", {});
  // What threads have left out themselves they tell with their next line.
  assert.deepEqual(told(), [["full again", 99 + 3 + 99]]);
  clock.advance(LIMITED_LOG_MS);
  main.log("full", "warn", "the rest", {});
  assert.deepEqual(told(), [["the rest", 2 * 99 + 3]]);
});

test("A kind of line may be silent for longer", () => {
  const { clock, main, told } = world();
  main.log("stuck", "warn", "first", {}, 60_000);
  clock.advance(59_999);
  main.log("stuck", "warn", "second", {}, 60_000);
  clock.advance(1);
  main.log("stuck", "warn", "third", {}, 60_000);
  assert.deepEqual(told(), [["first", undefined], ["third", 1]]);
});

test("News that each thread finds out are told once, and told again when they are others", () => {
  const { threads, told } = world();
  const [first, second] = threads;
  const say = (log: LimitedLog | undefined, state: string) =>
    log!.news("name", state, "error", state, {});
  for (const log of threads) say(log, "failed");
  assert.deepEqual(told(), [["failed", undefined]]);
  for (const log of threads) say(log, "back");
  say(first, "failed");
  say(second, "failed");
  assert.deepEqual(told(), [["back", undefined], ["failed", undefined]]);
});

test("What a thread has said last need not be what was said last: it passes the same again", () => {
  const { threads, told } = world();
  const states = ["failed", "back", "failed", "back"];
  for (const [index, state] of states.entries()) {
    threads[index % 2]!.news("name", state, "error", state, {});
    threads[index % 2]!.news("name", state, "error", state, {});
  }
  assert.deepEqual(told().map(([message]) => message), states);
});

test("News are remembered of so many kinds, and with one more all may be told again", () => {
  const { main, told } = world();
  const say = (kind: number) => main.news(`${kind}`, "failed", "error", `${kind}`, {});
  for (let kind = 0; kind < LIMITED_LOG_KINDS_MAX; kind++) say(kind);
  told();
  say(0);
  main.news("0", "back", "error", "known, and other news", {});
  say(1);
  assert.deepEqual(told().map(([message]) => message), ["known, and other news"]);
  say(LIMITED_LOG_KINDS_MAX);
  say(1);
  assert.deepEqual(told().map(([message]) => message), [`${LIMITED_LOG_KINDS_MAX}`, "1"]);
});

test("Nothing of a level that is not written goes to another thread", () => {
  const clock = new ManualClock();
  const logger = new Logger({ sink: new LineSink(), clock, level: "warn", format: "json" });
  const passed: string[] = [];
  const log = new LimitedLog(logger, clock, ({ message }) => void passed.push(message));
  for (const level of ["debug", "info", "warn", "error"] as const) {
    log.log(level, level, `line of ${level}`, {});
    log.news(level, "a", level, `news of ${level}`, {});
  }
  assert.deepEqual(passed, ["line of warn", "news of warn", "line of error", "news of error"]);
});

test("Lines below the log's level are not passed on, and kinds that are remembered have a bound", () => {
  const { clock, main, threads, told } = world();
  threads[0]!.log("debug", "debug", "nobody reads it", {});
  assert.deepEqual(told(), []);
  main.log("first", "info", "first", {});
  for (let kind = 0; kind < LIMITED_LOG_KINDS_MAX; kind++) {
    main.log(`${kind}`, "debug", "", {});
    main.news(`${kind}`, "a", "debug", "", {});
  }
  main.log("first", "info", "may speak again", {});
  clock.advance(0);
  assert.deepEqual(told().map(([message]) => message), ["first", "may speak again"]);
});
