/**
 * What the log and the metrics say that a request took: from its header section until the end of its
 * response, to the hundredth of a millisecond and to the bucket, whenever its body ends and however.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createGateway, type GatewaySite } from "../../src/http/gateway.ts";
import { HttpMetrics } from "../../src/http/http_metrics.ts";
import type { BodyWatch, ResponsePart, UpstreamTrace } from "../../src/http/request_context.ts";
import { RequestIdSource } from "../../src/http/request_id.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import { SiteTable } from "../../src/routing/site_table.ts";
import { MemoryRuntime, MemorySink } from "../support/memory/memory.ts";

/** In seconds. */
const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

interface Course {
  readonly method?: string;
  /** Until the response is there. */
  readonly responseMs: number;
  /** From then until the body has ended; left out: nobody watches it. */
  readonly bodyMs?: number;
  readonly error?: BodyWatch["error"];
  readonly upstreamMs?: number;
}

interface Measured {
  readonly line: Record<string, unknown>;
  readonly errors: readonly Record<string, unknown>[];
  readonly metrics: ReadonlyMap<string, number>;
}

async function measure(course: Course): Promise<Measured> {
  const { method = "GET", responseMs, bodyMs, error, upstreamMs } = course;
  const { clock } = new MemoryRuntime();
  const [log, access] = [new MemorySink(), new MemorySink()];
  const logOf = (sink: MemorySink) => new Logger({ sink, clock, level: "info", format: "json" });
  const linesOf = (sink: MemorySink): Record<string, unknown>[] => {
    clock.advance(0);
    return sink.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  };
  const registry = new MetricsRegistry();
  const progress: BodyWatch = { bytes: 7, ended: false, error: undefined, onEnded: undefined };
  const sites = new SiteTable<GatewaySite>();
  sites.add([], {
    name: "all",
    app: { fetch: () => assert.fail("nobody asks it") },
    hasRules: false,
    async direct(_request, context) {
      await Promise.resolve();
      clock.advance(responseMs);
      const trace: UpstreamTrace = context.trace;
      if (upstreamMs !== undefined) trace.upstreamMs = upstreamMs;
      const part: ResponsePart = context;
      if (bodyMs !== undefined) part.bodyProgress = progress;
      return new Response("hello", { headers: { "Content-Length": "5" } });
    },
  });
  const gateway = createGateway({
    clock,
    sites,
    requestIds: new RequestIdSource(),
    metrics: new HttpMetrics(registry),
    accessLog: logOf(access),
    log: logOf(log),
    listener: { scheme: "http", host: "", port: 80 },
  });
  // It is not the first.
  clock.advance(12_345.5);
  const request = new Request("http://a.test/x", { method, headers: { Host: "a.test" } });
  await gateway(request, { host: "192.0.2.1", port: 1 });
  if (bodyMs !== undefined) {
    assert.deepEqual(linesOf(access), [], "it is not over");
    clock.advance(bodyMs);
    const watched = progress as { -readonly [Key in keyof BodyWatch]: BodyWatch[Key] };
    watched.ended = true;
    watched.error = error;
    progress.onEnded!();
  }
  const lines = linesOf(access);
  assert.equal(lines.length, 1);
  const metrics = new Map(
    registry.render().split("\n").filter((text) => text !== "" && !text.startsWith("#"))
      .map((text): [string, number] => {
        const space = text.lastIndexOf(" ");
        return [text.slice(0, space), Number(text.slice(space + 1))];
      }),
  );
  return { line: lines[0]!, errors: linesOf(log), metrics };
}

test("A request took what was between its headers and the end of its response", async () => {
  for (const totalMs of [0, 1, 1.004, 1.006, 4.999, 5, 999.999, 1_000, 60_000, 60_000.01, 3e6]) {
    for (const bodyMs of [undefined, 0, totalMs / 2, totalMs]) {
      const { line, metrics } = await measure({
        responseMs: totalMs - (bodyMs ?? 0),
        ...(bodyMs !== undefined && { bodyMs }),
      });
      const what = `${totalMs} ${bodyMs}`;
      assert.ok(Math.abs(Number(line["duration_ms"]) - totalMs) <= 0.005 + 1e-9, what);
      assert.match(String(line["duration_ms"]), /^\d+(?:\.\d{1,2})?$/);
      const name = "afcgi_http_request_duration_seconds";
      assert.ok(Math.abs(metrics.get(`${name}_sum`)! - totalMs / 1000) < 1e-6, what);
      assert.equal(metrics.get(`${name}_count`), 1);
      for (const bound of BUCKETS) {
        if (Math.abs(totalMs / 1000 - bound) < 1e-9) continue;
        const expected = totalMs / 1000 < bound ? 1 : 0;
        assert.equal(metrics.get(`${name}_bucket{le="${bound}"}`), expected, `${what} ${bound}`);
      }
      assert.equal(metrics.get(`${name}_bucket{le="+Inf"}`), 1);
    }
  }
});

test("What an application took stands beside it, and nothing where none was asked", async () => {
  const cases = [[undefined, undefined], [0, 0], [0.004, 0], [0.006, 0.01], [12.345_6, 12.35]];
  for (const [upstreamMs, shown] of cases) {
    const { line } = await measure({
      responseMs: 20,
      ...(upstreamMs !== undefined && { upstreamMs }),
    });
    assert.equal(line["upstream_ms"], shown);
  }
});

test("Bytes are those that went, or those of a response that nobody watches", async () => {
  for (const [method, bytes] of [["GET", 5], ["HEAD", 0]] as const) {
    assert.equal((await measure({ method, responseMs: 1 })).line["bytes_out"], bytes);
    assert.equal((await measure({ method, responseMs: 1, bodyMs: 1 })).line["bytes_out"], 7);
  }
});

test("How a body ended stands in the line, and is an error unless its client left", async () => {
  const broke = { code: "idle_timeout", message: "it said no more" } as const;
  const left = { code: "client_gone", message: "it left" } as const;
  for (const [error, isError] of [[undefined, false], [broke, true], [left, false]] as const) {
    const { line, errors } = await measure({ responseMs: 1, bodyMs: 1, error });
    assert.deepEqual([line["status"], line["code"]], [200, error?.code]);
    const said = errors.map(({ level, msg, code, path }) => [level, msg, code, path]);
    const expected = ["error", "Response broke off: it said no more", "idle_timeout", "/x"];
    assert.deepEqual(said, isError ? [expected] : []);
  }
});
