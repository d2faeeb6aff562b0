/**
 * HTTP servers behind afcgi, attacked from both sides. A client tries to have the server see another
 * request than afcgi saw (smuggling): what goes over the wire is read again by a strict parser. A
 * server tries to have another client get what it made up, or to hold afcgi up.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteOptions } from "../../src/http/options.ts";
import { FieldNames } from "../../src/http1/field_names.ts";
import { FieldsMemory } from "../../src/http1/fields_memory.ts";
import { ChunkedDecoder } from "../../src/http1/chunked_decoder.ts";
import { type ReadFields, readRequestHeaders } from "../../src/http1/request_headers.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { withGateway } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";
import { RawServer, response } from "../support/raw_server.ts";

const PROXY: RouteOptions = {
  path: undefined,
  methods: undefined,
  handler: { kind: "proxy", upstream: "app", headers: { "X-Path": "${request.path}" } },
};

interface Parsed {
  readonly target: string;
  readonly body: string;
}

/** Every request of a connection, read strictly. @throws for anything that is not one */
function parseAll(text: string): Parsed[] {
  const requests: Parsed[] = [];
  for (let rest = text; rest !== "";) {
    const end = rest.indexOf("\r\n\r\n");
    assert.ok(end > 0, `no header section: ${JSON.stringify(rest.slice(0, 80))}`);
    const headers = readRequestHeaders(
      rest.slice(0, end + 2),
      new FieldNames(),
      new FieldsMemory<ReadFields>(),
    );
    rest = rest.slice(end + 4);
    const { framing, fields, target } = headers;
    assert.equal(fields.has("content-length") && fields.has("transfer-encoding"), false);
    let body = "";
    if (framing.kind === "length") {
      assert.ok(rest.length >= framing.length, "the body is short");
      body = rest.slice(0, framing.length);
      rest = rest.slice(framing.length);
    } else if (framing.kind === "chunked") {
      const decoder = new ChunkedDecoder();
      const count = decoder.read(latin1(rest), 0, (piece) => body += fromLatin1(piece));
      assert.ok(decoder.isDone, "the chunks have no end");
      rest = rest.slice(count);
    }
    requests.push({ target, body });
  }
  return requests;
}

const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
/** A second request that stands where one may. */
const ASKED = SMUGGLED.replace("/smuggled", "/asked");

/** What clients have tried on others. */
const REQUESTS: readonly string[] = [
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${
    SMUGGLED.length.toString(16)
  }\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nContent-Length: 5\r\nHost: b\r\n\r\n`,
  `POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n${
    SMUGGLED.length.toString(16)
  }\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  `POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `GET /a%0d%0aX-Evil:%201%0d%0a%0d%0a${encodeURIComponent(SMUGGLED)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET /a%20HTTP/1.1%0d%0a HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET //evil/x HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xe9\r\n\r\n`,
  `FOO%0d%0a / HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a b\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab${ASKED}`,
  `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1\r\n\r\n${ASKED}`,
];

test("Whatever a client sends, the server gets requests that can be read in one way", async () => {
  const seen: string[] = [];
  const recording = await RawServer.answering((request) => {
    seen.push(request);
    return response("ok");
  });
  await withGateway({
    server: recording.address,
    upstream: { protocol: "http" },
    routes: [PROXY],
  }, async (gateway) => {
    for (const request of REQUESTS) {
      const client = await HttpConnection.open(gateway.port);
      await client.write(Uint8Array.from(request, (character) => character.charCodeAt(0)));
      client.end();
      await client.readToEnd();
      client.destroy();
    }
    // Whoever comes afterwards gets a response to what it asked.
    for (let count = 0; count < 3; count++) {
      assert.equal((await gateway.send("/after")).body.toString(), "ok");
    }
  });
  const parsed = seen.flatMap(parseAll);
  assert.ok(parsed.length > 10, "most are refused, some go on");
  assert.deepEqual(
    parsed.filter(({ target }) => target === "/smuggled").map(({ target }) => target),
    [],
  );
  assert.equal(parsed.filter(({ target }) => target === "/after").length, 3);
  for (const { received, isGone } of recording.connections) {
    // A client that ends its direction before it has its response has left: where that is seen first,
    // its request is cut short, and nothing follows it, for its connection is cut as well.
    assert.ok(received === "" || isGone, `left over on a connection that goes on: ${received}`);
  }
  await recording.close();
});

const POISON = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nSet-Cookie: evil=1\r\n\r\npoison";

/** What a server may say to have another client get it. */
const RESPONSES: readonly string[] = [
  response("ok") + POISON,
  `HTTP/1.1 204 No Content\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}`,
  `HTTP/1.1 304 Not Modified\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}`,
  `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${POISON}`,
  `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}`,
  `HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n${POISON}`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${POISON}`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n${POISON}`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0;\n\r\n${POISON}`,
  `HTTP/1.1 103 Early Hints\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}${POISON}`,
  `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n${POISON}`,
  `HTTP/1.1 200 OK\nContent-Length: 0\n\n${POISON}`,
  `\r\n\r\n${POISON}`,
];

test("What a server says beyond its response never becomes another client's", async () => {
  for (const said of RESPONSES) {
    let count = 0;
    const server = await RawServer.answering((request) => {
      if (++count === 1) return said;
      return response(`own ${request.split(" ")[1]}`);
    });
    await withGateway({
      server: server.address,
      upstream: { protocol: "http" },
      routes: [PROXY],
    }, async (gateway) => {
      await gateway.send("/first").catch(() => {});
      for (const target of ["/second", "/third"]) {
        const got = await gateway.send(target);
        assert.equal(got.body.toString(), `own ${target}`, JSON.stringify(said));
        assert.equal(got.headers.has("set-cookie"), false);
      }
    });
    await server.close();
  }
});

test("What a server says late, on a connection that rests, ends the connection", async () => {
  const server = await RawServer.answering((request) => response(`own ${request.split(" ")[1]}`));
  await withGateway({
    server: server.address,
    upstream: { protocol: "http" },
    routes: [PROXY],
  }, async (gateway) => {
    assert.equal((await gateway.send("/first")).body.toString(), "own /first");
    server.connections[0]!.write(POISON);
    await server.until(() => server.connections[0]!.hasEnded || server.connections[0]!.isGone);
    assert.equal((await gateway.send("/second")).body.toString(), "own /second");
  });
  await server.close();
});

test("A server cannot hold a request up without end, nor fill the memory", async () => {
  const timeouts = { ...UPSTREAM_DEFAULTS.timeouts, firstByteMs: 300, idleMs: 300 };
  const endless: readonly ((write: (text: string) => void) => void)[] = [
    (write) => write("HTTP/1.1 200 OK\r\nA: "),
    (write) => write(`HTTP/1.1 200 OK\r\nA: ${"a".repeat(1 << 20)}`),
    (write) => write("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000)),
    (write) => write(`HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(2000)}\r\n`),
    (write) => write("HTTP/1.1 100 Continue\r\n\r\n"),
    (write) =>
      write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${"a".repeat(1 << 20)}`),
    (write) =>
      write(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + "A: b\r\n".repeat(100_000),
      ),
    (write) => write("HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\nab"),
  ];
  for (const [index, say] of endless.entries()) {
    const server = await RawServer.start((served) => {
      if (!served.received.includes("\r\n\r\n")) return;
      served.received = "";
      say((text) => served.write(text));
    });
    await withGateway({
      server: server.address,
      upstream: { protocol: "http", timeouts },
      routes: [PROXY],
    }, async (gateway) => {
      const client = await HttpConnection.open(gateway.port);
      await client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      const startMs = performance.now();
      await client.readToEnd();
      assert.ok(performance.now() - startMs < 5_000, `case ${index}`);
      client.destroy();
      await server.until(() =>
        server.connections.every(({ hasEnded, isGone }) => hasEnded || isGone)
      );
    });
    await server.close();
  }
});

test("No part of a request chooses the server, and a server cannot redirect afcgi", async () => {
  const other = await RawServer.answering(() => response("other"));
  const { port } = other.address;
  const server = await RawServer.answering((request) =>
    request.includes("/redirect")
      ? response("", { Location: `http://127.0.0.1:${port}/` }, "302 Found")
      : response("own")
  );
  await withGateway({
    server: server.address,
    upstream: { protocol: "http" },
    routes: [PROXY],
  }, async (gateway) => {
    const targets = [
      "/",
      `//127.0.0.1:${port}/`,
      `/@127.0.0.1:${port}/`,
      `/http://127.0.0.1:${port}/`,
    ];
    for (const target of targets) {
      const got = await gateway.send({ target, headers: { Host: `127.0.0.1:${port}` } });
      assert.equal(got.body.toString(), "own", target);
    }
    const absolute = await gateway.send({ target: `http://127.0.0.1:${port}/x` });
    assert.equal(absolute.body.toString(), "own");
    assert.equal((await gateway.send("/redirect")).status, 302);
  });
  assert.equal(other.connections.length, 0);
  await server.close();
  await other.close();
});
