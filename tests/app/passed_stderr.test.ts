/** What php-fpm says of requests in several threads: the main thread, which has its output, tells it once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PassedStderr } from "../../src/app/passed_stderr.ts";
import { stderrBudget, UpstreamMetrics } from "../../src/app/upstream_metrics.ts";
import { LimitedLog } from "../../src/observe/limited_log.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import { FpmMessages } from "../../src/spawn/fpm_messages.ts";
import { ManualClock, MemorySink } from "../support/memory/memory.ts";

const REQUEST = {
  requestId: "1",
  upstream: "app",
  server: undefined,
  connection: undefined,
  stream: 1,
};

test("A line that php-fpm writes twice is told once, of its request in whichever thread", async () => {
  const clock = new ManualClock();
  const sink = new MemorySink();
  const logger = new Logger({ sink, clock, level: "debug", format: "json" });
  const limited = new LimitedLog(logger, clock);
  const fpm = new FpmMessages(clock);
  const metricsWith = (
    fpmMessages: ReadonlyMap<string, FpmMessages>,
    passStderr?: PassedStderr["push"],
  ) => {
    const registry = new MetricsRegistry();
    const budget = stderrBudget(registry, logger, clock);
    const logs = { logger, limited, passStderr };
    return new UpstreamMetrics(registry, logs, new Map(fpmMessages), budget);
  };
  const main = metricsWith(new Map([["app", fpm]]));
  const push = (line: string) => fpm.push(line, () => logger.warn(line, { source: "output" }));
  for (const thread of [1, 2]) {
    // A message is a copy.
    const passed = new PassedStderr(
      clock,
      (lines) => structuredClone(lines).forEach(main.takeStderr),
    );
    const metrics = metricsWith(new Map(), passed.push);
    // Before the request's, and behind it.
    push(`NOTICE: PHP message: before ${thread}`);
    push("its second line");
    metrics.onStderrLine(`PHP message: before ${thread}`, REQUEST);
    metrics.onStderrLine("its second line", REQUEST);
    metrics.onStderrLine(`PHP message: behind ${thread}`, REQUEST);
    passed.flush();
    push(`NOTICE: PHP message: behind ${thread}`);
  }
  fpm.flush();
  clock.advance(0);
  await logger.flush();
  const told = sink.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  assert.deepEqual(told.map(({ msg, request_id }) => [msg, request_id]), [
    ["PHP message: before 1", "1"],
    ["its second line", "1"],
    ["PHP message: behind 1", "1"],
    ["PHP message: before 2", "1"],
    ["its second line", "1"],
    ["PHP message: behind 2", "1"],
  ]);
});
