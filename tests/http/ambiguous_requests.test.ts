/**
 * Requests that two servers could read differently, through a whole gateway: what is
 * refused and must not come further (docs/security.md).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createGateway, type GatewaySite } from "../../src/http/gateway.ts";
import { HttpMetrics } from "../../src/http/http_metrics.ts";
import { RequestIdSource } from "../../src/http/request_id.ts";
import { Logger } from "../../src/observe/logger.ts";
import { MetricsRegistry } from "../../src/observe/metrics.ts";
import { SiteTable } from "../../src/routing/site_table.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import { echoParameters, LineSink, runtime, withGateway } from "../support/gateway.ts";
import { rawRequest } from "../support/raw_http.ts";

const REFUSED: Readonly<Record<string, string>> = {
  "the same length twice":
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
  "a coding before chunked":
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  "HTTP/1.1 without Host": "GET / HTTP/1.1\r\n\r\n",
  "an empty Host": "GET / HTTP/1.1\r\nHost: \r\n\r\n",
  "two Hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  "the same Host twice": "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
};

for (const [what, bytes] of Object.entries(REFUSED)) {
  test(`An application never sees a request with ${what}`, async () => {
    let requests = 0;
    const application = () => {
      requests++;
      return new Response("reached");
    };
    await withGateway({ application }, async (gateway) => {
      const { status } = await rawRequest(gateway.port, bytes);
      assert.ok(status === 400 || status === 501, String(status));
      assert.equal(requests, 0);
    });
  });
}

test("Dots in the target mean the same to routes and to the application on both runtimes", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    for (const target of ["/a/../b", "/a/%2e%2e/b", "/a/./../b", "//b", "/x/..//b"]) {
      const answer = await rawRequest(gateway.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      assert.equal(JSON.parse(answer.body.toString()).PATH_INFO, "/b", target);
    }
    const above = await rawRequest(gateway.port, "GET /../../etc HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal(above.status, 400);
  });
});

test("A target that names another host than its Host field is refused", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    const answer = await rawRequest(
      gateway.port,
      "GET http://evil.example/x HTTP/1.1\r\nHost: good.example\r\n\r\n",
    );
    assert.equal(answer.status, 400);
  });
});

/** What a front makes of a request whose Host field the runtime does not show. */
async function seenWithoutHost(url: string, scheme: "http" | "https" = "https") {
  const seen: RequestContext[] = [];
  const sites = new SiteTable<GatewaySite>();
  const sink = new LineSink();
  sites.add([], {
    name: "all",
    app: { fetch: () => new Response("app") } as never,
    direct: (_request, context) => {
      seen.push(context);
      return Promise.resolve(new Response("direct"));
    },
    hasRules: false,
  });
  const front = createGateway({
    clock: runtime.clock,
    sites,
    requestIds: new RequestIdSource(),
    metrics: new HttpMetrics(new MetricsRegistry()),
    accessLog: undefined,
    log: new Logger({ sink, clock: runtime.clock, level: "error", format: "json" }),
    listener: { scheme, host: "127.0.0.1", port: 8443 },
  });
  const request = { method: "GET", url, headers: new Headers() } as Request;
  const { status } = await front(request, { host: "192.0.2.1", port: 1 });
  const [first] = seen;
  return [status, first?.host.name, first?.host.port];
}

test("HTTP/1.0 without Host is for the server", async () => {
  assert.deepEqual(await seenWithoutHost("/x", "http"), [200, "127.0.0.1", 8443]);
});
