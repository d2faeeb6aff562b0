/** The `proxy` handler: what an HTTP server gets of a request, and what a client gets of its response. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteOptions, SiteOptions } from "../../src/http/options.ts";
import { type Gateway, type GatewayOptions, LISTEN, withGateway } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";
import { fieldsOf, RawServer, response } from "../support/raw_server.ts";

const PROXY: RouteOptions = {
  path: undefined,
  methods: undefined,
  handler: { kind: "proxy", upstream: "app", headers: {} },
};

interface World {
  readonly gateway: Gateway;
  readonly server: RawServer;
  /** Requests as they came, in order. */
  readonly requests: string[];
}

async function withProxy(
  options: Omit<GatewayOptions, "server"> & { site?: Partial<SiteOptions> },
  use: (world: World) => Promise<void>,
  respond: (request: string) => string | undefined = () => response("ok"),
): Promise<void> {
  const requests: string[] = [];
  const server = await RawServer.answering((request) => {
    requests.push(request);
    return respond(request);
  });
  const { site, routes = [PROXY], upstream, ...rest } = options;
  try {
    await withGateway({
      ...rest,
      server: server.address,
      upstream: { protocol: "http", multiplex: "auto", ...upstream },
      ...(site ? { sites: [{ hosts: [], root: undefined, routes, ...site }] } : { routes }),
    }, async (gateway) => await use({ gateway, server, requests }));
  } finally {
    await server.close();
  }
}

test("A request goes on with its own fields, and with what we know of the client", async () => {
  await withProxy({}, async ({ gateway, requests }) => {
    const got = await gateway.send({
      target: "/app/a%2Cb?x=1&y=%20",
      headers: { Host: "Shop.Example:8443", Accept: "a/b", "X-Own": "1", Cookie: "a=b" },
    });
    assert.equal(got.status, 200);
    assert.equal(got.body.toString(), "ok");
    const [request = ""] = requests;
    assert.match(
      request,
      /^GET \/app\/a%2Cb\?x=1&y=%20 HTTP\/1\.1\r\nhost: shop\.example:8443\r\n/,
    );
    assert.deepEqual(fieldsOf(request), {
      host: "shop.example:8443",
      accept: "a/b",
      "x-own": "1",
      cookie: "a=b",
      "x-real-ip": "127.0.0.1",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "shop.example:8443",
      "x-forwarded-port": "8443",
      forwarded: 'for=127.0.0.1;host="shop.example:8443";proto=http',
      via: "1.1 afcgi",
    });
  });
});

test("What a client says of itself is replaced, and fields of one hop end here", async () => {
  await withProxy({}, async ({ gateway, requests }) => {
    await gateway.send({
      headers: {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-User": "root",
        "X-Real-IP": "6.6.6.6",
        Forwarded: "for=6.6.6.6",
        Via: "1.1 before",
        Connection: "keep-alive, X-Mine, Host, X-Forwarded-For, Authorization",
        "Keep-Alive": "timeout=5",
        "Proxy-Connection": "keep-alive",
        "Proxy-Authorization": "Basic eDp5",
        Proxy: "http://evil.example",
        "X-Mine": "1",
        TE: "trailers",
        Trailer: "X-T",
        Upgrade: "h2c",
        "HTTP2-Settings": "AAMAAABk",
        Expect: "100-continue",
        Authorization: "Bearer t",
        X_Real_IP: "6.6.6.6",
        "Remote_User": "root",
      },
    });
    const fields = fieldsOf(requests[0]!);
    assert.deepEqual(fields, {
      host: "test.example",
      authorization: "Bearer t",
      "x-real-ip": "127.0.0.1",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "test.example",
      "x-forwarded-port": String(gateway.port),
      forwarded: "for=127.0.0.1;host=test.example;proto=http",
      via: "1.1 before, 1.1 afcgi",
    });
  });
});

test("What a trusted proxy says of its client is passed on, and what the client made up is not", async () => {
  const proxies = { trusted: ["127.0.0.1"], headers: ["for", "proto", "host", "port"] as const };
  await withProxy({ site: { proxies } }, async ({ gateway, requests }) => {
    await gateway.send({
      headers: {
        "X-Forwarded-For": "6.6.6.6, 2001:db8::1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Prefix": "/shop",
        Forwarded: "for=6.6.6.6",
      },
    });
    const fields = fieldsOf(requests[0]!);
    assert.equal(fields["x-forwarded-for"], "2001:db8::1, 127.0.0.1");
    assert.equal(fields["x-real-ip"], "2001:db8::1");
    assert.equal(fields["x-forwarded-proto"], "https");
    assert.equal(fields["x-forwarded-host"], "shop.example");
    assert.equal(fields["x-forwarded-port"], "443");
    assert.equal(fields["x-forwarded-prefix"], "/shop");
    assert.equal(
      fields["forwarded"],
      'for="[2001:db8::1]";host=shop.example;proto=https, for=127.0.0.1',
    );
  });
});

test("A route may set the host, add and take out fields, and strip a prefix", async () => {
  const handler = {
    kind: "proxy",
    upstream: "app",
    host: "api.internal",
    headers: { "X-Path": "${request.path}", "X-Key": "secret", Cookie: null, Via: null },
  } as const;
  const routes = [{ path: "/api/*", methods: undefined, stripPrefix: "/api", handler }];
  await withProxy({ routes }, async ({ gateway, requests }) => {
    await gateway.send({ target: "/api/a%20b/%0d%0aEvil:%201?q=%0d", headers: { Cookie: "a=b" } });
    assert.match(requests[0]!, /^GET \/a%20b\/%0D%0AEvil:%201\?q=%0d HTTP\/1\.1\r\n/);
    const fields = fieldsOf(requests[0]!);
    assert.equal(fields["host"], "api.internal");
    assert.equal(fields["x-forwarded-host"], "test.example");
    assert.equal(fields["x-key"], "secret");
    assert.equal(fields["x-path"], "/api/a b/%0D%0AEvil: 1");
    assert.equal(fields["cookie"], undefined);
    assert.equal(fields["via"], undefined);
    await gateway.send("/api");
    assert.match(requests[1]!, /^GET \/ HTTP\/1\.1\r\n/);
  });
});

test("Bodies go on with their length or in chunks, and an empty one is said to be one", async () => {
  await withProxy({}, async ({ gateway, requests }) => {
    await gateway.send({ method: "POST", body: "Hello" });
    await gateway.send({ method: "POST", body: "Hello", chunked: true });
    await gateway.send({ method: "POST", body: "" });
    await gateway.send({ method: "DELETE" });
    assert.ok(requests[0]!.endsWith("content-length: 5\r\n\r\nHello"), requests[0]!);
    assert.ok(
      requests[1]!.endsWith("transfer-encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n"),
      requests[1]!,
    );
    assert.ok(requests[2]!.endsWith("content-length: 0\r\n\r\n"), requests[2]!);
    assert.ok(!/content-length|transfer-encoding/.test(requests[3]!), requests[3]!);
  });
});

test("A client gets the response without what belongs to one hop, and without trailers", async () => {
  const text = "HTTP/1.1 201 Made\r\nX-A: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nX-Hop: 1\r\n" +
    "Connection: X-Hop, keep-alive\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n" +
    "Trailer: X-T\r\nX-Accel-Expires: 5\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n";
  await withProxy({}, async ({ gateway }) => {
    const got = await gateway.send("/");
    assert.match(got.text, /^HTTP\/1\.1 201 Made\r\n/);
    assert.equal(got.headers.get("x-a"), "1");
    assert.equal(got.headers.get("set-cookie"), "a, b");
    for (const name of ["x-hop", "keep-alive", "trailer", "x-t", "x-accel-expires"]) {
      assert.equal(got.headers.has(name), false, name);
    }
    assert.equal(got.body.toString(), "ok");
    assert.equal(got.complete, true);
    const line = await gateway.access.ofPath("/");
    assert.equal(line["status"], 201);
    assert.equal(line["bytes_out"], 2);
    assert.equal(line["upstream"], "app");
  }, () => text);
});

test("HEAD, 204 and 304 have no body, and the connection behind them is used again", async () => {
  await withProxy({}, async ({ gateway, server }) => {
    const asked = await gateway.send({ method: "HEAD", target: "/200" });
    assert.equal(asked.headers.get("content-length"), "2");
    for (const status of ["204 No Content", "304 Not Modified"]) {
      const got = await gateway.send(`/${status.slice(0, 3)}`);
      assert.equal(got.status, Number(status.slice(0, 3)));
      assert.equal(got.body.length, 0);
    }
    assert.equal((await gateway.send("/200")).body.toString(), "ok");
    assert.equal(server.connections.length, 1);
  }, (request) => {
    if (request.includes("/204")) return "HTTP/1.1 204 No Content\r\n\r\n";
    if (request.includes("/304")) return 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n';
    return request.startsWith("HEAD")
      ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
      : response("ok");
  });
});

test("What is no response is 502, and the client learns nothing of it", async () => {
  await withProxy({}, async ({ gateway }) => {
    const got = await gateway.send("/");
    assert.equal(got.status, 502);
    assert.equal(got.headers.has("x-secret"), false);
    assert.match(got.body.toString(), /bad_answer/);
  }, () => "HTTP/1.1 200 OK\r\nX-Secret: 1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab");
});

test("A server that is not there is 502, and one that does not answer is 504", async () => {
  const timeouts = { connectMs: 1000, firstByteMs: 200, idleMs: 1000, totalMs: 0, abortMs: 1000 };
  await withProxy({ upstream: { timeouts } }, async ({ gateway, server }) => {
    assert.equal((await gateway.send("/silent")).status, 504);
    await server.close();
    assert.equal((await gateway.send("/gone")).status, 502);
  }, () => "");
});

test("Early hints go on, and 100 is between the client and us", async () => {
  await withProxy(
    {},
    async ({ gateway }) => {
      const connection = await HttpConnection.open(gateway.port);
      await connection.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      const text = await connection.readToEnd();
      connection.destroy();
      assert.match(
        text,
        /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK/,
      );
      assert.ok(!text.includes("100 Continue"));
      assert.ok(!text.includes("x-secret"));
    },
    () =>
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n" +
      `X-Secret: 1\r\n\r\n${response("ok")}`,
  );
});

test("An event stream reaches the client as it is said, piece by piece", async () => {
  const server = await RawServer.start((served) => {
    if (!served.received.includes("\r\n\r\n")) return;
    served.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
  });
  const compression = {
    encodings: ["gzip"],
    minSize: 0,
    types: ["text/*"],
    level: "fast",
    concurrentMax: 8,
  } as const;
  await withGateway({
    server: server.address,
    upstream: { protocol: "http" },
    routes: [{ ...PROXY, compression }],
  }, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    await connection.readUntil("data: 1\n\n");
    server.connections[0]!.write("data: 2\n\n");
    await connection.readUntil("data: 2\n\n");
    connection.destroy();
    await server.until(() => server.connections[0]!.hasEnded || server.connections[0]!.isGone);
  });
  await server.close();
});

test("X-Accel-Redirect of an HTTP server leads to an internal route", async () => {
  const routes: RouteOptions[] = [
    {
      path: "/inside",
      methods: undefined,
      internal: true,
      handler: { kind: "respond", status: 200, body: "inside" },
    },
    PROXY,
  ];
  await withProxy({ routes }, async ({ gateway }) => {
    assert.equal((await gateway.send("/inside")).status, 404);
    assert.equal((await gateway.send("/x")).body.toString(), "inside");
  }, () => response("mine", { "X-Accel-Redirect": "/inside" }));
});

test("A request that comes round repeatedly is ended", async () => {
  let gatewayPort = 0;
  const server = await RawServer.answering(() => undefined);
  await withGateway({
    server: { transport: "tcp", host: "127.0.0.1", port: 1 },
    upstream: { protocol: "http" },
    routes: [PROXY],
    listen: [LISTEN],
  }, async (gateway) => {
    gatewayPort = gateway.port;
    const via = Array.from({ length: 8 }, () => "1.1 afcgi").join(", ");
    const got = await gateway.send({ headers: { Via: via } });
    assert.equal(got.status, 508);
    assert.equal((await gateway.access.find(({ status }) => status === 508))["code"], "proxy_loop");
    const once = await gateway.send({ headers: { Via: "1.1 afcgi, 1.1 other" } });
    assert.equal(once.status, 502);
  });
  assert.ok(gatewayPort > 0);
  await server.close();
});

test("balance: hash keeps a client's requests with one server", async () => {
  const first = await RawServer.answering(() => response("1"));
  const second = await RawServer.answering(() => response("2"));
  const { UPSTREAM_DEFAULTS } = await import("../../src/upstream/options.ts");
  const { gatewayAppOptions, startGateway } = await import("../support/gateway.ts");
  const options = gatewayAppOptions({ routes: [PROXY] }, first.address);
  const gateway = await startGateway({
    ...options,
    upstreams: [{
      ...UPSTREAM_DEFAULTS,
      name: "app",
      protocol: "http",
      balance: "hash",
      hash: "HTTP_X_KEY",
      servers: [first, second].map(({ address }) => ({ address, weight: 1, backup: false })),
    }],
  });
  const of = new Map<string, Set<string>>();
  for (let round = 0; round < 3; round++) {
    for (let key = 0; key < 16; key++) {
      const got = await gateway.send({ headers: { "X-Key": `k${key}` } });
      const servers = of.get(`k${key}`) ?? new Set();
      of.set(`k${key}`, servers.add(got.body.toString()));
    }
  }
  assert.ok([...of.values()].every(({ size }) => size === 1));
  assert.equal(new Set([...of.values()].flatMap((servers) => [...servers])).size, 2);
  await gateway.app.stop();
  await first.close();
  await second.close();
});

test("Metrics and the status page know HTTP servers", async () => {
  await withProxy({ admin: true }, async ({ gateway }) => {
    await gateway.send("/");
    const metrics = (await gateway.admin("/metrics")).body.toString();
    assert.match(metrics, /afcgi_upstream_tunnels\{upstream="app"\} 0/);
    const status = JSON.parse((await gateway.admin("/status")).body.toString());
    assert.equal(status.upstreams[0].protocol, "http");
    assert.equal(status.upstreams[0].tunnels, 0);
  });
});
