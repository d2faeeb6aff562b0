/** Warnings and errors that no other test meets: what they say, with which fields, and how often. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  registerUpstreamGauges,
  stderrBudget,
  UpstreamMetrics,
} from "../../src/app/upstream_metrics.ts";
import { untilStopped } from "../../src/cli/lifetime.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import { WatchedBody } from "../../src/http/watched_body.ts";
import { logError } from "../../src/app/error_log.ts";
import { logUnexpected } from "../../src/app/unexpected_log.ts";
import { LimitedLog } from "../../src/observe/limited_log.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import { ManualClock, MemoryProcess, MemorySink } from "../support/memory/memory.ts";
import { logLines, startCommand, untilLogged } from "../cli/run_program.ts";
import { turn } from "../support/idle.ts";

type Line = Readonly<Record<string, unknown>>;

function loggedTo() {
  const sink = new MemorySink();
  const clock = new ManualClock();
  const logger = new Logger({ sink, clock, level: "debug", format: "json" });
  const lines = async (): Promise<Line[]> => {
    clock.advance(1);
    await logger.flush();
    return sink.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  };
  return { logger, clock, lines };
}

test("A second signal, a stop that fails and signals of other servers are told", async () => {
  const { logger, lines } = loggedTo();
  const process = new MemoryProcess();
  const failing = untilStopped(process, logger, () => Promise.reject(new Error("no way")));
  process.raise("SIGHUP");
  await lines();
  process.raise("SIGUSR2");
  process.raise("SIGHUP");
  await new Promise((resolve) => setTimeout(resolve, 0));
  process.raise("SIGTERM");
  assert.equal(await failing, 1);
  process.raise("SIGTERM");
  const told = (await lines()).filter(({ level }) => level !== "info")
    .map(({ level, msg, error, signal }) => [level, msg, error ?? signal]);
  assert.deepEqual(told, [
    ["warn", "SIGHUP is ignored: there is nothing to read again", "SIGHUP"],
    ["warn", "SIGUSR2 is ignored: restart to run another executable", "SIGUSR2"],
    ["warn", "SIGHUP is ignored: there is nothing to read again", "SIGHUP"],
    ["error", "could not stop", "no way"],
    ["warn", "stopped at once", "SIGTERM"],
  ]);
});

test("A log file that cannot be opened anew is told, and nothing ends", async () => {
  const { logger, lines } = loggedTo();
  const process = new MemoryProcess();
  const stopped = untilStopped(process, logger, () => Promise.resolve(), {
    reopenLogs() {
      throw new Error("no such directory");
    },
  });
  process.raise("SIGUSR1");
  const [line] = await lines();
  assert.equal(line!["msg"], "cannot open a log file anew; the one before stays");
  assert.equal(line!["level"], "error");
  assert.deepEqual([line!["signal"], line!["error"]], ["SIGUSR1", "no such directory"]);
  process.raise("SIGTERM");
  assert.equal(await stopped, 0);
});

test("Exceptions of our own are told once a second, however many a client causes", async () => {
  const { logger, clock, lines } = loggedTo();
  const limited = new LimitedLog(logger, clock);
  const registry = new MetricsRegistry();
  const stderr = stderrBudget(registry, logger, clock);
  const metrics = new UpstreamMetrics(registry, { logger, limited }, new Map(), stderr);
  const context = {
    id: "1",
    trace: {},
    method: "GET",
    target: { raw: "/" },
  } as unknown as RequestContext;
  const places = [
    (error: Error) => logUnexpected(limited)(error, "a client's connection"),
    (error: Error) => logError({ logger, limited }, error, context),
    (error: Error) => metrics.onFailure("app", error),
  ];
  for (const fails of places) {
    for (let time = 0; time < 1_000; time++) fails(new TypeError(`bug ${time}`));
    clock.advance(1_000);
    fails(new TypeError("later"));
  }
  const told = (await lines()).map(({ code, msg, left_out }) => [code, msg, left_out]);
  const each = [["internal_error", "bug 0", undefined], ["internal_error", "later", 999]];
  assert.deepEqual(told, [...each, ...each, ...each]);
});

test("Temporary files that cannot be written are told once a minute, with the reason", async () => {
  const { logger, clock, lines } = loggedTo();
  const registry = new MetricsRegistry();
  const metrics = new UpstreamMetrics(
    registry,
    { logger, limited: new LimitedLog(logger, clock) },
    new Map(),
    stderrBudget(registry, logger, clock),
  );
  registerUpstreamGauges(registry, () => []);
  metrics.onSpillStuck(new Error("ENOSPC"));
  clock.advance(59_999);
  metrics.onSpillStuck(new Error("ENOSPC"));
  clock.advance(1);
  metrics.onSpillStuck(undefined);
  metrics.onMemoryFull();
  clock.advance(59_999);
  metrics.onMemoryFull();
  assert.deepEqual((await lines()).map(({ level, code, msg }) => [level, code, msg]), [
    ["warn", "spill_stuck", "Cannot write temporary files, slow clients wait: ENOSPC"],
    [
      "warn",
      "spill_stuck",
      "Cannot write temporary files, slow clients wait: limits.spill_total is used up",
    ],
    [
      "warn",
      "memory_full",
      "Buffers hold more than limits.memory, bodies of new requests wait",
    ],
  ]);
});

test("A body that breaks off is answer_broke_off, one whose client leaves client_gone", async () => {
  const broken = new WatchedBody(
    new ReadableStream({
      pull(controller) {
        controller.error(new Error("broken"));
      },
    }),
  );
  await assert.rejects(new Response(broken.stream).bytes());
  assert.equal(broken.error?.code, "answer_broke_off");

  let end!: () => void;
  const waiting = new WatchedBody(
    new ReadableStream({ start: (controller) => void (end = () => controller.close()) }),
  );
  const reader = waiting.stream.getReader();
  const read = reader.read();
  await reader.cancel();
  assert.equal((await read).done, true);
  assert.equal(waiting.error?.code, "client_gone");
  // Its source was cancelled, so that is over too, and says nothing else of it.
  assert.throws(end);
  await turn();
  assert.equal(waiting.error?.code, "client_gone");
});

test("serve warns of a route by which any file runs as PHP", async () => {
  const file = `
upstreams: { php: { servers: ["127.0.0.1:9000"] } }
sites:
  - root: /www
    routes:
      - fastcgi: { upstream: php }
`;
  const command = startCommand("serve -c /afcgi.yaml", {
    tree: { "/afcgi.yaml": file, "/www/a.php": "" },
  });
  await untilLogged(command, "listening");
  const codes = logLines(command).filter(({ level }) => level === "warn").map(({ code }) => code);
  command.runtime.process.raise("SIGTERM");
  await command.outcome;
  assert.deepEqual(codes, ["php_runs_any_file"]);
});
