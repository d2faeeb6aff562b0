/** What becomes of a request whose route fails in a way that no route should. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createGateway, type GatewaySite } from "../../src/http/gateway.ts";
import type { ResponseFilter, ResponsePart } from "../../src/http/request_context.ts";
import { HttpMetrics } from "../../src/http/http_metrics.ts";
import { RequestIdSource } from "../../src/http/request_id.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import { asResponse } from "../../src/runtime/http_response.ts";
import { SiteTable } from "../../src/routing/site_table.ts";
import { LineSink, runtime } from "../support/gateway.ts";

const failingRules: ResponseFilter = { apply: () => Promise.reject(new Error("no such rule")) };

const FAILURES: Readonly<Record<string, Partial<GatewaySite>>> = {
  "throws": {
    direct: () => {
      throw new Error("no such thing");
    },
  },
  "rejects": { direct: () => Promise.reject(new Error("no such thing")) },
  "has rules that reject": {
    direct: (_request, context) => {
      const part: ResponsePart = context;
      part.rules = failingRules;
      return new Response("never seen");
    },
    hasRules: true,
  },
};

for (const [what, site] of Object.entries(FAILURES)) {
  test(`A route that ${what} gives 500, and each sink one line that says so`, async () => {
    const [sink, access] = [new LineSink(), new LineSink()];
    const logger = (sink: LineSink) =>
      new Logger({ sink, clock: runtime.clock, level: "info", format: "json" });
    const [log, accessLog] = [logger(sink), logger(access)];
    const sites = new SiteTable<GatewaySite>();
    const app = { fetch: () => new Response("of Hono") } as never;
    sites.add([], { name: "all", app, direct: () => undefined, hasRules: false, ...site });
    const gateway = createGateway({
      clock: runtime.clock,
      sites,
      requestIds: new RequestIdSource(),
      metrics: new HttpMetrics(new MetricsRegistry()),
      accessLog,
      log,
      listener: { scheme: "http", host: "127.0.0.1", port: 80 },
    });
    const request = new Request("http://a.example/x", { headers: { host: "a.example" } });
    const response = await asResponse(gateway(request, { host: "192.0.2.1", port: 1 }));
    const text = await response.text();
    await Promise.all([log.flush(), accessLog.flush()]);
    assert.deepEqual([response.status, text.includes("no such")], [500, false]);
    const said = sink.lines.map(({ level, code, path }) => [level, code, path]);
    assert.deepEqual(said, [["error", "internal_error", "/x"]]);
    assert.match(String(sink.lines[0]!["msg"]), /no such/);
    const noted = access.lines.map(({ status, code }) => [status, code]);
    assert.deepEqual(noted, [[500, "internal_error"]]);
  });
}
