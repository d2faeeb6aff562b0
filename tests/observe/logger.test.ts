/** Log lines: their form, their level, and when they leave. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogFormat, Logger, type LogLevel } from "../../src/observe/logger.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import type { TextSink } from "../../src/runtime/text_sink.ts";

/** Where every manual clock begins. */
const START = "2001-09-09T01:46:40.000Z";

class RecordingSink implements TextSink {
  readonly writes: string[] = [];
  flushes = 0;

  write(text: string): void {
    this.writes.push(text);
  }

  async flush(): Promise<void> {
    this.flushes++;
  }
}

function createLogger(format: LogFormat, level: LogLevel = "debug") {
  const sink = new RecordingSink();
  const clock = new ManualClock();
  return { sink, clock, logger: new Logger({ sink, clock, level, format }) };
}

/** What a logger writes for one line, without its line end. */
async function lineOf(format: LogFormat, write: (logger: Logger) => void): Promise<string> {
  const { sink, logger } = createLogger(format);
  write(logger);
  await logger.flush();
  const text = sink.writes.join("");
  assert.ok(text.endsWith("\n"));
  return text.slice(0, -1);
}

test("A JSON line has time, level and message first, then the fields that are defined", async () => {
  const line = await lineOf(
    "json",
    (logger) => logger.warn("It rains", { count: 3, where: "here", unknown: undefined, wet: true }),
  );
  assert.equal(
    line,
    `{"ts":"${START}","level":"warn","msg":"It rains","count":3,"where":"here","wet":true}`,
  );
});

test("A JSON line is one line whatever the message holds", async () => {
  const message = 'a "quote"\r\nand \u2028 \0 \u001b[31m';
  const line = await lineOf("json", (logger) => logger.info(message, { path: "/\n" }));
  assert.equal(line.includes("\n"), false);
  const { msg, path } = JSON.parse(line);
  assert.deepEqual([msg, path], [message, "/\n"]);
});

test("A line of text quotes what has spaces, quotes or nothing in it", async () => {
  const fields = {
    plain: "a/b?c",
    spaced: "a b",
    nothing: undefined,
    quoted: 'a"b',
    empty: "",
    count: 0,
  };
  const line = await lineOf("text", (logger) => logger.info("It rains", fields));
  assert.equal(
    line,
    `${START} INFO  It rains plain=a/b?c spaced="a b" quoted="a\\"b" empty="" count=0`,
  );
});

test("A line of text tells a terminal nothing", async () => {
  const line = await lineOf(
    "text",
    (logger) => logger.error("red \u001b[31m\n\u009b31m\u007f", { path: "/\u009b\r" }),
  );
  assert.equal(
    line,
    `${START} ERROR red \\u001b[31m\\u000a\\u009b31m\\u007f path="/\\u009b\\r"`,
  );
});

test("Lines below the logger's level are not written", async () => {
  const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];
  for (const [index, level] of levels.entries()) {
    const { sink, logger } = createLogger("json", level);
    for (const each of levels) logger.log(each, each);
    await logger.flush();
    const written = sink.writes.join("").trim().split("\n").map((line) => JSON.parse(line).msg);
    assert.deepEqual(written, levels.slice(index));
  }
});

test("Lines of one turn leave in one write, those of the next in another", () => {
  const { sink, clock, logger } = createLogger("json");
  logger.info("one");
  logger.info("two");
  assert.deepEqual(sink.writes, []);
  assert.equal(clock.timerCount, 1);
  clock.advance(0);
  assert.equal(sink.writes.length, 1);
  assert.equal(sink.writes.join("").split("\n").length, 3);
  logger.info("three");
  clock.advance(0);
  assert.equal(sink.writes.length, 2);
  clock.advance(1000);
  assert.equal(sink.writes.length, 2);
  assert.equal(clock.timerCount, 0);
});

test("Each line has the time at which it was written", async () => {
  const { sink, clock, logger } = createLogger("json");
  logger.info("first");
  clock.advance(1500);
  logger.info("second");
  await logger.flush();
  const times = sink.writes.map((text) => JSON.parse(text).ts);
  assert.deepEqual(times, [START, "2001-09-09T01:46:41.500Z"]);
});

test("More than 64 KiB of lines do not wait for the end of the turn", () => {
  const { sink, logger } = createLogger("json");
  for (let length = 0; length <= 64 * 1024; length += 1000) logger.info("x".repeat(1000));
  assert.equal(sink.writes.length, 1);
});

test("Flushing hands over what waits, and waits for the sink", async () => {
  const { sink, clock, logger } = createLogger("json");
  logger.info("last words");
  await logger.flush();
  assert.equal(sink.writes.length, 1);
  assert.equal(sink.flushes, 1);
  // The timer finds nothing left to write.
  clock.advance(0);
  assert.equal(sink.writes.length, 1);
});

test("A batch of 64 KiB waits for the end of the turn, with one more character it leaves", () => {
  const lengthOfEmpty = `{"ts":"${START}","level":"info","msg":""}\n`.length;
  for (const [length, writes] of [[64 * 1024, 0], [64 * 1024 + 1, 1]] as const) {
    const { sink, clock, logger } = createLogger("json");
    logger.info("x".repeat(length - lengthOfEmpty));
    assert.equal(sink.writes.length, writes);
    assert.equal(clock.timerCount, 1);
    clock.advance(0);
    assert.equal(sink.writes.length, 1);
    assert.equal(sink.writes[0]!.length, length);
  }
});

test("A logger is told anew from which level on it writes, and how", async () => {
  const { sink, logger } = createLogger("json", "error");
  logger.configure({ level: "info", format: "text" });
  logger.debug("not");
  logger.info("it rains");
  logger.configure({ level: "error", format: "json" });
  logger.warn("not");
  await logger.flush();
  assert.deepEqual(sink.writes, [`${START} INFO  it rains\n`]);
});

test("Lines that nobody took are counted, and told once somebody does", async () => {
  const { sink, logger } = createLogger("json");
  assert.equal(logger.lostLines, 0);
  Object.assign(sink, { lostLines: 3 });
  assert.equal(logger.lostLines, 3);
  (sink as TextSink).onRecovered?.(3);
  await logger.flush();
  const { level, code, lines } = JSON.parse(sink.writes.join(""));
  assert.deepEqual([level, code, lines], ["warn", "log_lines_lost", 3]);
});

test("What has no width, or turns the direction of a text, is spelled out; other letters are not", async () => {
  const shown = "a\u00e9\u4e2d\u{1f600}";
  for (const character of ["\u00ad", "\u200b", "\u202e", "\u2028", "\ufeff", "\u0085"]) {
    const line = await lineOf("json", (logger) => logger.info(`${shown}${character}b`));
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    assert.ok(line.includes(`"msg":"${shown}\\u${code}b"`), line);
    assert.equal(JSON.parse(line).msg, `${shown}${character}b`);
  }
});
