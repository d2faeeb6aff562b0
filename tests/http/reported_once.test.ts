/**
 * Whatever goes wrong with a request, and whatever was noted of its response before: it is counted, told
 * and over once, when its own response has gone. One that never is would hold up every reload.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createGateway, type GatewaySite } from "../../src/http/gateway.ts";
import { HttpMetrics } from "../../src/http/http_metrics.ts";
import { RequestIdSource } from "../../src/http/request_id.ts";
import type { RequestContext, ResponsePart } from "../../src/http/request_context.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import { SiteTable } from "../../src/routing/site_table.ts";
import { FileError } from "../../src/runtime/file_error.ts";
import { toResponse } from "../../src/runtime/http_response.ts";
import { untilIdle } from "../support/idle.ts";
import { ManualClock, MemorySink } from "../support/memory/memory.ts";

/** Of a body that nobody will read any more. */
const STALE = { bytes: 7, ended: false, error: undefined, onEnded: undefined };

const ERRORS = {
  "an exception of ours": () => new TypeError("It fails"),
  "a file that cannot be looked at": () => new FileError("read", "/a", "EIO"),
} as const;

const PLACES = ["at once", "later", "in the rules", "in the rules, and again"] as const;

for (const [what, create] of Object.entries(ERRORS)) {
  for (const place of PLACES) {
    for (const isBegun of [false, true]) {
      test(`Behind ${what}, ${place}, with a response that has ${isBegun ? "" : "not "}begun, a request is over once`, async () => {
        const clock = new ManualClock();
        const access = new MemorySink();
        const logOf = (sink: MemorySink) =>
          new Logger({ sink, clock, level: "debug", format: "json" });
        let open = 0;
        let ended = 0;
        let failures = 0;
        const isInRules = place.startsWith("in the rules");
        const note = (context: RequestContext): void => {
          const part: ResponsePart = context;
          if (isBegun) part.bodyProgress = { ...STALE };
          if (isInRules) {
            part.rules = {
              apply(_context, _asked, response) {
                failures++;
                const fails = failures === 1 || place === "in the rules, and again";
                return fails ? Promise.reject(create()) : Promise.resolve(response);
              },
            };
          }
        };
        const site: GatewaySite = {
          name: "a.test",
          hasRules: isInRules,
          app: { fetch: () => assert.fail("nobody asks it") },
          direct(_request, context) {
            note(context);
            if (isInRules) return new Response("x");
            if (place === "at once") throw create();
            return Promise.reject(create());
          },
        };
        const sites = new SiteTable<GatewaySite>();
        sites.add([], site);
        const handle = createGateway({
          clock,
          sites,
          requestIds: new RequestIdSource(),
          metrics: new HttpMetrics(new MetricsRegistry()),
          accessLog: logOf(access),
          log: logOf(new MemorySink()),
          listener: { scheme: "http", host: "", port: 80 },
          open: { begin: () => void open++, end: () => void ended++ },
        });
        const request = new Request("http://a.test/");
        const response = toResponse(await handle(request, { host: "192.0.2.1", port: 1 }));
        assert.equal(response.status >= 400, true);
        await response.arrayBuffer();
        await untilIdle();
        clock.advance(0);
        assert.deepEqual([open, ended], [1, 1]);
        const lines = access.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
        assert.deepEqual(lines.map(({ status }) => status), [response.status]);
        assert.notEqual(lines[0].bytes_out, STALE.bytes);
      });
    }
  }
}
