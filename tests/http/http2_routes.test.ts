/**
 * HTTP/2 together with what routes do: authorization by an HTTP server before a rewrite, WebSockets of
 * HTTP/1 on the same listener, sites that only some listeners serve.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { selfSigned } from "../support/certificates.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters } from "../support/gateway.ts";
import { requestFields } from "../support/http2_client.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { freePort } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";
import { fieldsOf, RawServer, response } from "../support/raw_server.ts";

/** Each user is who the cookie says; without one nobody is. */
function authServer(asked: string[]): Promise<RawServer> {
  return RawServer.answering((request) => {
    const fields = fieldsOf(request);
    asked.push(fields["x-forwarded-uri"] ?? "");
    const user = /user=(\w+)/.exec(fields["cookie"] ?? "")?.[1];
    return user === undefined
      ? response("who are you", { "Set-Cookie": "seen=1" }, "401 Unauthorized")
      : response("", { "Remote-User": user });
  });
}

test("Who asks on which stream decides what a rewritten route gets, and not who asks beside it", async () => {
  const asked: string[] = [];
  const auth = await authServer(asked);
  const text = `
upstreams:
  app: { servers: ["\${env.APP}"], multiplex: "on" }
  auth: { http: ["127.0.0.1:${auth.address.port}"] }
sites:
  - routes:
      - path: /old/*
        forward_auth: { upstream: auth, uri: /verify, copy_headers: [Remote-User] }
        rewrite: "/new/\${match}"
        fastcgi: { upstream: app }
      - path: /turned/*
        rewrite: "/old/\${match}"
      - { fastcgi: { upstream: app } }
`;
  try {
    await withConfig({ text, application: echoParameters }, async ({ port }) => {
      const client = await SocketHttp2Client.open(port);
      const asks = Array.from({ length: 30 }, (_, at) => {
        const path = `${at % 2 === 0 ? "/old" : "/turned"}/page-${at}?q=${at}`;
        const cookie = at % 3 === 0 ? [] : [["cookie", `user=u${at}`] as const];
        const fields = requestFields("GET", path, [...cookie, ["remote-user", "root"]]);
        return { at, path, id: client.request(fields) };
      });
      for (const { at, path, id } of asks) {
        const { status, headers } = await client.whole(id);
        if (at % 3 === 0) {
          assert.deepEqual([status, headers.get("set-cookie")], [401, "seen=1"], path);
          assert.equal(client.text(id), "who are you");
          continue;
        }
        const params = JSON.parse(client.text(id));
        assert.equal(status, 200, path);
        assert.equal(params.HTTP_REMOTE_USER, `u${at}`);
        assert.equal(params.REQUEST_URI, path);
        assert.equal(params.DOCUMENT_URI, `/new/page-${at}`);
        assert.equal(params.SERVER_PROTOCOL, "HTTP/2.0");
      }
      assert.deepEqual(asked.toSorted(), asks.map(({ path }) => path).toSorted());
      // The same over HTTP/1.
      const first = await httpRequest(port, {
        target: "/turned/x",
        headers: { Cookie: "user=anna", "Remote-User": "root" },
      });
      const { HTTP_REMOTE_USER, DOCUMENT_URI } = JSON.parse(first.body.toString());
      assert.deepEqual([HTTP_REMOTE_USER, DOCUMENT_URI], ["anna", "/new/x"]);
      client.destroy();
    });
  } finally {
    await auth.close();
  }
});

const AGREED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Accept: abc\r\n\r\n";
const WEBSOCKET = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n";

test("A WebSocket goes over HTTP/1 beside streams of HTTP/2, which can be none", async () => {
  const requests: string[] = [];
  const server = await RawServer.start((served) => {
    const end = served.received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const request = served.received.slice(0, end + 4);
    if (!/^(?:GET|POST) /.test(request)) return;
    requests.push(request);
    served.received = served.received.slice(end + 4);
    served.write(/^upgrade: websocket/mi.test(request) ? AGREED : response("page"));
  });
  const text = `
upstreams: { app: { http: ["127.0.0.1:${server.address.port}"] } }
sites: [{ routes: [{ proxy: { upstream: app } }] }]
`;
  try {
    await withConfig({ text }, async ({ port }) => {
      const socket = await HttpConnection.open(port);
      await socket.write(WEBSOCKET);
      assert.equal((await socket.readAnyHeaders()).status, 101);
      const tunnel = server.connections[0]!;
      const client = await SocketHttp2Client.open(port);
      for (let count = 0; count < 5; count++) {
        await socket.write("ping");
        await server.until(() => tunnel.received.endsWith("ping"));
        tunnel.write("pong");
        assert.equal(await socket.readUntil("pong"), "pong");
        const id = client.request(requestFields("GET", "/page"));
        await client.whole(id);
        assert.equal(client.text(id), "page");
        tunnel.received = "";
      }
      const before = requests.length;
      const wrong = [
        requestFields("GET", "/ws", [["upgrade", "websocket"], ["connection", "upgrade"]]),
        requestFields("GET", "/ws", [["upgrade", "websocket"]]),
        // Extended CONNECT, which we do not offer (RFC 8441 section 3).
        [[":protocol", "websocket"] as const, ...requestFields("CONNECT", "/ws")],
      ];
      for (const fields of wrong) {
        const { status, reset } = await client.whole(client.request(fields, false));
        assert.deepEqual([status, reset], [0, "PROTOCOL_ERROR"]);
      }
      // What is about WebSockets alone is a request like any other.
      const plain = client.request(
        requestFields("GET", "/ws", [["sec-websocket-key", "x3JJHMbDL1EzLkh9GBhXDw=="]]),
      );
      await client.whole(plain);
      assert.equal(client.text(plain), "page");
      assert.equal(requests.length, before + 1);
      assert.doesNotMatch(requests.at(-1)!, /^upgrade:/mi);
      tunnel.write("still there");
      assert.equal(await socket.readUntil("there"), "still there");
      assert.equal(client.goaway, undefined);
      client.destroy();
      socket.destroy();
      tunnel.destroy();
    });
  } finally {
    await server.close();
  }
});

test("A site of one listener is over HTTP/2 at no other, in cleartext and over TLS", async () => {
  const { certPath, keyPath } = selfSigned("/CN=a.test", "subjectAltName=DNS:a.test");
  const [open, inner, tls] = [await freePort(), await freePort(), await freePort()];
  const text = `
listen:
  - "127.0.0.1:${open}"
  - "127.0.0.1:${inner}"
  - { address: "127.0.0.1:${tls}", tls: { cert: "${certPath}", key: "${keyPath}" } }
${APP_UPSTREAM}
sites:
  - { hosts: [inner.test], listen: ["127.0.0.1:${inner}", "127.0.0.1:${tls}"], routes: [{ respond: { body: inner } }] }
  - { hosts: ["*.test"], listen: ["127.0.0.1:${open}"], routes: [{ respond: { body: open } }] }
  - { hosts: [every.test], routes: [{ respond: { body: every } }] }
`;
  await withConfig({ text, listen: "file" }, async () => {
    const clients = [
      await SocketHttp2Client.open(open),
      await SocketHttp2Client.open(inner),
      await SocketHttp2Client.openTls(tls),
    ];
    const expected = [
      ["inner.test", "open", "inner", "inner"],
      ["b.test", "open", 404, 404],
      ["every.test", "every", "every", "every"],
      ["other", 404, 404, 404],
    ] as const;
    for (const [host, ...told] of expected) {
      // Streams of one connection may be for different sites.
      for (const [at, client] of clients.entries()) {
        const { status, body } = await client.fetch({ headers: { Host: host } });
        const text = new TextDecoder().decode(body);
        assert.equal(status === 200 ? text : status, told[at], `${host} at listener ${at}`);
      }
    }
    for (const client of clients) client.destroy();
  });
});

test("Trailers of a request and hints of a response are of no other stream", async () => {
  const text = `
${APP_UPSTREAM}
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  const application = async (request: Request, info: { params: ReadonlyMap<string, string> }) =>
    new Response(
      `${[...info.params.keys()].filter((name) => /TRAILER|GRPC/.test(name))} ${
        (await request.arrayBuffer()).byteLength
      }`,
    );
  await withConfig({ text, application }, async ({ port }) => {
    const client = await SocketHttp2Client.open(port);
    const ids = [1, 2, 3].map(() => client.request(requestFields("POST", "/"), false));
    for (const id of ids) client.data(id, "body");
    for (const id of ids) client.headers(id, [["x-trailer", "1"], ["grpc-status", "0"]], true);
    for (const id of ids) {
      await client.whole(id);
      assert.equal(client.text(id), " 4");
    }
    client.destroy();
  });
});
