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
import { HttpConnection, rawRequest } from "../support/raw_http.ts";

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
      const response = await rawRequest(gateway.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      assert.equal(JSON.parse(response.body.toString()).PATH_INFO, "/b", target);
    }
    const above = await rawRequest(gateway.port, "GET /../../etc HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal(above.status, 400);
  });
});

test("A target that names a host counts, whatever its Host field says", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    const at = (target: string, host = "field.example") =>
      rawRequest(gateway.port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const seen = async (target: string) => {
      const { HTTP_HOST, SERVER_NAME, SERVER_PORT, REQUEST_URI, PATH_INFO, QUERY_STRING } = JSON
        .parse((await at(target)).body.toString());
      return [HTTP_HOST, SERVER_NAME, SERVER_PORT, REQUEST_URI, PATH_INFO, QUERY_STRING];
    };
    const port = String(gateway.port);
    const named = ["target.example", "target.example", port];
    assert.deepEqual(await seen("http://target.example/x?y"), [...named, "/x?y", "/x", "y"]);
    assert.deepEqual(await seen("HTTP://target.example?a"), [...named, "/?a", "/", "a"]);
    assert.deepEqual(
      await seen("http://Target.example:81/x"),
      ["Target.example:81", "target.example", "81", "/x", "/x", ""],
    );
    assert.deepEqual(
      await seen("http://field.example:80/"),
      ["field.example", "field.example", port, "/", "/", ""],
      "a port that goes without saying",
    );
    for (const target of ["http://", "http://?x", "http://a@b/", "http://a b/", "ftp://a/"]) {
      assert.equal((await at(target)).status, 400, target);
    }
    assert.equal((await at("http://a/", "b/c")).status, 400, "a Host field that is none");
    // The next request of a connection has the host of its own field.
    const again = await at("/x");
    assert.equal(JSON.parse(again.body.toString())["HTTP_HOST"], "field.example");
  });
});

test("The fields of a request whose target names a host are no other request's", async () => {
  await withGateway({ application: echoParameters }, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    const hosts: string[] = [];
    for (const target of ["/", "http://other.example/", "/", "http://other.example/", "/"]) {
      await connection.write(`GET ${target} HTTP/1.1\r\nHost: own.example\r\n\r\n`);
      hosts.push(JSON.parse((await connection.readResponse()).body.toString())["HTTP_HOST"]);
    }
    connection.destroy();
    const [own, other] = ["own.example", "other.example"];
    assert.deepEqual(hosts, [own, other, own, other, own]);
  });
});

/** What a gateway makes of a request whose Host field the runtime does not show. */
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
  const gateway = createGateway({
    clock: runtime.clock,
    sites,
    requestIds: new RequestIdSource(),
    metrics: new HttpMetrics(new MetricsRegistry()),
    accessLog: undefined,
    log: new Logger({ sink, clock: runtime.clock, level: "error", format: "json" }),
    listener: { scheme, host: "127.0.0.1", port: 8443 },
  });
  const request = { method: "GET", url, headers: new Headers() } as Request;
  const { status } = await gateway(request, { host: "192.0.2.1", port: 1 });
  const [first] = seen;
  return [status, first?.host.name, first?.host.port];
}

test("HTTP/1.0 without Host is for the server", async () => {
  assert.deepEqual(await seenWithoutHost("/x", "http"), [200, "127.0.0.1", 8443]);
});
