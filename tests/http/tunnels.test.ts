/** WebSockets through the `proxy` handler: agreed upon, carried both ways, bounded, ended, counted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteOptions } from "../../src/http/options.ts";
import { type Gateway, type GatewayOptions, withGateway } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";
import { fieldsOf, RawServer, response, type Served } from "../support/raw_server.ts";

const PROXY: RouteOptions = {
  path: undefined,
  methods: undefined,
  handler: { kind: "proxy", upstream: "app", headers: {} },
};

const AGREED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Accept: abc\r\nSet-Cookie: a=b\r\n\r\n";

const ASK =
  "GET /ws?a=b HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
  "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://a\r\n\r\n";

interface World {
  readonly gateway: Gateway;
  readonly server: RawServer;
  readonly client: HttpConnection;
  /** The server's end of the tunnel. */
  readonly served: Served;
  readonly request: string;
}

async function withTunnel(
  options: GatewayOptions,
  use: (world: World) => Promise<void>,
  agreed = AGREED,
): Promise<void> {
  let request = "";
  const server = await RawServer.start((served) => {
    const end = served.received.indexOf("\r\n\r\n");
    if (request !== "" || end < 0) return;
    request = served.received.slice(0, end + 4);
    served.received = served.received.slice(end + 4);
    served.write(agreed);
  });
  try {
    await withGateway({
      routes: [PROXY],
      ...options,
      server: server.address,
      upstream: { protocol: "http", ...options.upstream },
    }, async (gateway) => {
      const client = await HttpConnection.open(gateway.port);
      try {
        await client.write(ASK);
        const opened = await client.readAnyHeaders();
        assert.equal(opened.status, 101);
        const served = server.connections[0]!;
        await use({ gateway, server, client, served, request });
      } finally {
        client.destroy();
        for (const served of server.connections) served.destroy();
      }
    });
  } finally {
    await server.close();
  }
}

test("A WebSocket is asked for as its client asks, and its server agrees as it does", async () => {
  let request = "";
  const server = await RawServer.answering((text) => {
    request = text;
    return AGREED;
  });
  await withGateway(
    { server: server.address, upstream: { protocol: "http" }, routes: [PROXY] },
    async (gateway) => {
      const client = await HttpConnection.open(gateway.port);
      await client.write(ASK);
      const opened = await client.readAnyHeaders();
      assert.match(opened.text, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
      assert.equal(opened.headers.get("upgrade"), "websocket");
      assert.equal(opened.headers.get("connection"), "upgrade");
      assert.equal(opened.headers.get("sec-websocket-accept"), "abc");
      assert.equal(opened.headers.get("set-cookie"), "a=b");
      assert.equal(opened.headers.has("transfer-encoding"), false);
      const fields = fieldsOf(request);
      assert.equal(fields["connection"], "upgrade");
      assert.equal(fields["upgrade"], "websocket");
      assert.equal(fields["sec-websocket-key"], "x3JJHMbDL1EzLkh9GBhXDw==");
      assert.equal(fields["origin"], "http://a");
      client.destroy();
      await server.until(() => server.connections[0]!.hasEnded);
      server.connections[0]!.end();
    },
  );
  await server.close();
});

test("Bytes go both ways as they are, those that came with the request among them", async () => {
  await withTunnel({}, async ({ client, server, served }) => {
    served.write("\x81\x02hi");
    assert.equal(await client.readUntil("hi"), "\x81\x02hi");
    await client.write("\x81\x80abcd\0\r\n\r\n");
    await server.until(() => served.received.endsWith("\0\r\n\r\n"));
    await client.write("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    await server.until(() => served.received.includes("/smuggled"));
    assert.equal(server.connections.length, 1, "it is no request any more");
  });
});

test("What a client has sent before the server agreed is the tunnel's, or the next request", async () => {
  for (const agrees of [true, false]) {
    const server = await RawServer.start((served) => {
      const end = served.received.indexOf("\r\n\r\n") + 4;
      if (end < 4) return;
      if (served.received.includes("/next")) return served.write(response("next"));
      served.received = served.received.slice(end);
      setTimeout(() => served.write(agrees ? AGREED : response("no", {}, "400 Bad")), 50);
    });
    await withGateway(
      { server: server.address, upstream: { protocol: "http" }, routes: [PROXY] },
      async (gateway) => {
        const client = await HttpConnection.open(gateway.port);
        await client.write(`${ASK}${agrees ? "DATA" : "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"}`);
        if (agrees) {
          assert.equal((await client.readAnyHeaders()).status, 101);
          await server.until(() => server.connections[0]!.received === "DATA");
        } else {
          assert.equal((await client.readResponse()).status, 400);
          assert.equal((await client.readResponse()).body.toString(), "next");
        }
        client.destroy();
        for (const served of server.connections) served.destroy();
      },
    );
    await server.close();
  }
});

test("A client that ends its side still gets what the server has to say", async () => {
  await withTunnel({}, async ({ client, server, served, gateway }) => {
    await client.write("last words");
    client.end();
    await server.until(() => served.hasEnded && served.received === "last words");
    served.write("goodbye");
    served.end();
    assert.equal(await client.readToEnd(), "goodbye");
    const line = await gateway.access.ofPath("/ws?a=b");
    assert.equal(line["status"], 101);
    assert.equal(line["bytes_in"], 10);
    assert.equal(line["bytes_out"], 7);
    assert.equal(line["code"], undefined);
  });
});

test("A server that ends its side ends the tunnel behind its last byte", async () => {
  await withTunnel({}, async ({ client, served, gateway }) => {
    served.write("goodbye");
    served.end();
    assert.equal(await client.readToEnd(), "goodbye");
    assert.equal((await gateway.access.ofPath("/ws?a=b"))["bytes_out"], 7);
  });
});

test("A side that breaks is broken for the other one", async () => {
  await withTunnel({}, async ({ client, server, served, gateway }) => {
    client.destroy();
    await server.until(() => served.isGone || served.hasEnded);
    served.end();
    await gateway.access.ofPath("/ws?a=b");
  });
  await withTunnel({}, async ({ client, served, gateway }) => {
    served.reset();
    await client.readToEnd();
    assert.equal((await gateway.access.ofPath("/ws?a=b"))["code"], "connection_lost");
  });
});

test("Who does not read stops who sends, in both directions", async () => {
  const limits = { responseHeaderMax: 65_536, responseBufferMax: 65_536, spillMax: 1 << 30 };
  await withTunnel({ upstream: { limits } }, async ({ client, served, gateway }) => {
    const piece = "x".repeat(1 << 20);
    client.pause();
    for (let count = 0; count < 12; count++) served.write(piece);
    served.write("END");
    // Nothing of it goes into a file: it waits in the server's socket.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const line = gateway.log.lines.find(({ code }) => code === "spill_stuck");
    assert.equal(line, undefined);
    client.resume();
    let length = 0;
    length += (await client.readUntil("END")).length;
    assert.equal(length, 12 * piece.length + 3);
  });
  await withTunnel({}, async ({ client, server, served }) => {
    served.pause();
    const piece = "y".repeat(1 << 20);
    let written = 0;
    const writing = (async () => {
      for (; written < 16; written++) await client.write(piece);
      await client.write("END");
    })();
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(written < 16, "the client is held back");
    served.resume();
    await writing;
    // Its length alone is asked for: a text that grows is not put together anew for each piece.
    await server.until(() => served.received.length >= 16 * piece.length + 3);
    assert.equal(served.received.length, 16 * piece.length + 3);
    assert.ok(served.received.endsWith("END"));
  });
});

test("A silent tunnel ends after its own idle time, and the count has a bound", async () => {
  const upstream = { tunnels: { max: 1, idleMs: 400 } };
  await withTunnel({ upstream, admin: true }, async ({ client, gateway }) => {
    const metrics = (await gateway.admin("/metrics")).body.toString();
    assert.match(metrics, /afcgi_upstream_tunnels\{upstream="app"\} 1/);
    assert.match(metrics, /state="tunnel"\} 1/);
    const second = await HttpConnection.open(gateway.port);
    await second.write(ASK);
    const refused = await second.readResponse();
    assert.equal(refused.status, 503);
    assert.match(refused.body.toString(), /"?tunnels_full"?/);
    second.destroy();
    await client.readToEnd();
    assert.equal(
      (await gateway.access.findAll(2, ({ path }) => path === "/ws?a=b"))[1]!["code"],
      "idle_timeout",
    );
  });
});

test("A stop waits for tunnels as long as the grace, then ends them", async () => {
  await withTunnel({ shutdownGraceMs: 300 }, async ({ gateway, client, served }) => {
    const startMs = performance.now();
    const stopping = gateway.app.stop();
    served.write("still here");
    assert.equal(await client.readUntil("here"), "still here");
    await stopping;
    assert.ok(performance.now() - startMs >= 290);
    await client.readToEnd();
  });
});

test("Only a WebSocket leaves HTTP, and only where it was asked for properly", async () => {
  const requests: string[] = [];
  const server = await RawServer.answering((request) => {
    requests.push(request);
    return response("plain");
  });
  const asks = [
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab",
  ];
  await withGateway(
    { server: server.address, upstream: { protocol: "http" }, routes: [PROXY] },
    async (gateway) => {
      for (const ask of asks) {
        const client = await HttpConnection.open(gateway.port);
        await client.write(ask);
        assert.equal((await client.readResponse()).body.toString(), "plain", ask);
        client.destroy();
      }
    },
  );
  assert.equal(requests.length, asks.length);
  for (const request of requests) {
    const fields = fieldsOf(request);
    assert.equal(fields["upgrade"], undefined, request);
    assert.equal(fields["http2-settings"], undefined, request);
  }
  await server.close();
});

test("A tunnel works behind what stands before a route, and is refused by it", async () => {
  const routes: RouteOptions[] = [{
    ...PROXY,
    middleware: {
      ipRestriction: { allow: ["127.0.0.1"], deny: [] },
      securityHeaders: {},
      etag: true,
    },
  }];
  await withTunnel({ routes }, async ({ client, server, served }) => {
    await client.write("through");
    await server.until(() => served.received === "through");
  });
  const closed: RouteOptions[] = [{
    ...PROXY,
    middleware: { ipRestriction: { allow: ["10.0.0.1"], deny: [] } },
  }];
  const server = await RawServer.answering(() => AGREED);
  await withGateway(
    { server: server.address, upstream: { protocol: "http" }, routes: closed },
    async (gateway) => {
      const client = await HttpConnection.open(gateway.port);
      await client.write(ASK);
      assert.equal((await client.readResponse()).status, 403);
      client.destroy();
    },
  );
  assert.equal(server.connections.length, 0);
  await server.close();
});
