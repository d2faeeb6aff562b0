/**
 * The same request over HTTP/1 and over HTTP/2 gets the same response: status, fields and body, for
 * every pair of what a request may be and what a gateway does with it. What differs is how a version
 * says where a body ends, what time it is, and which request it was.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { freshPath } from "../support/gateway.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import type { HttpRequest } from "../support/raw_http.ts";
import { assertSameResponse } from "../support/same_response.ts";

const CONFIG = `
${APP_UPSTREAM}
sites:
  - root: \${env.ROOT}
    sendfile: ["\${env.ROOT}/private"]
    error_pages: { "404": { body: "Not here", type: text/plain }, "5xx": { body: "Broken", type: text/plain } }
    compression: true
    routes:
      - { path: /static/*, static: {} }
      - { path: /secret/*, basic_auth: { users: { anna: pass } }, fastcgi: { upstream: app } }
      - { path: /moved, redirect: { to: "/static/a.txt", status: 301 } }
      - { path: /said, respond: { status: 418, body: "short" } }
      - { path: /get, methods: [GET], fastcgi: { upstream: app } }
      - { path: /app/*, fastcgi: { upstream: app } }
`;

/** An application that does what the query asks. */
async function application(request: Request): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const status = Number(query.get("status") ?? 200);
  const body = new Uint8Array(await request.arrayBuffer());
  const length = Number(query.get("length") ?? 0);
  const headers = new Headers({ "content-type": "text/plain", "x-body": String(body.length) });
  if (query.has("sendfile")) headers.set("x-sendfile", query.get("sendfile")!);
  if (query.has("cookies")) {
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
  }
  if (status === 204 || status === 304) return new Response(null, { status, headers });
  const text = `${request.method} ${request.headers.get("cookie")} ${"x".repeat(length)}`;
  if (!query.has("stream")) return new Response(text, { status, headers });
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (let at = 0; at < text.length; at += 10_000) {
        controller.enqueue(new TextEncoder().encode(text.slice(at, at + 10_000)));
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      controller.close();
    },
  });
  return new Response(stream, { status, headers });
}

const TARGETS = [
  "/static/a.txt",
  "/static/big.txt",
  "/static/none.txt",
  "/static/",
  "/moved",
  "/said",
  "/nowhere",
  "/get",
  "/secret/x",
  "/app/x?status=200&length=3",
  "/app/x?status=201&cookies",
  "/app/x?status=204",
  "/app/x?status=304",
  "/app/x?status=404&length=100",
  "/app/x?status=500",
  "/app/x?stream&length=100000",
  "/app/x?length=70000",
  "/app/x?sendfile=private/file.txt",
  "/app/x?sendfile=/etc/passwd",
  "/app/%2e%2e/x",
  "/app/x#y",
] as const;

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] as const;

const FIELDS: readonly Readonly<Record<string, string>>[] = [
  {},
  { range: "bytes=2-5" },
  { range: "bytes=-3" },
  { range: "bytes=99999999-" },
  { "accept-encoding": "gzip" },
  { "if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT" },
  { "if-none-match": "*" },
  { authorization: `Basic ${btoa("anna:pass")}` },
  { authorization: "Basic nobody" },
  { cookie: "a=b; c=d" },
  { expect: "100-continue" },
  { accept: "text/html" },
  { Host: "a:port" },
];

const BODIES: readonly Pick<HttpRequest, "body" | "chunked">[] = [
  {},
  { body: "" },
  { body: "some" },
  { body: "x".repeat(50_000) },
  { body: "chunks", chunked: true },
];

test("The same request over HTTP/1 and HTTP/2 gets the same response", async () => {
  const root = freshPath();
  mkdirSync(join(root, "static"), { recursive: true });
  mkdirSync(join(root, "private"));
  writeFileSync(join(root, "static/a.txt"), "0123456789");
  writeFileSync(join(root, "static/big.txt"), "y".repeat(300_000));
  writeFileSync(join(root, "private/file.txt"), "private");
  await withConfig({ text: CONFIG, application, env: { ROOT: root } }, async (gateway) => {
    const client = await SocketHttp2Client.open(gateway.port);
    const asked = fc.record({
      target: fc.constantFrom(...TARGETS),
      method: fc.constantFrom(...METHODS),
      headers: fc.constantFrom(...FIELDS),
      body: fc.constantFrom(...BODIES),
    });
    await fc.assert(
      fc.asyncProperty(asked, async ({ body, ...rest }) => {
        const request: HttpRequest = { ...rest, ...body };
        const first = await gateway.send(request);
        const second = await client.fetch(request);
        assertSameResponse(second, first);
        assert.ok(second.isWhole);
      }),
      { numRuns: 300, endOnFailure: true },
    );
    client.destroy();
  });
});

test("An application sees the same request over HTTP/1 and HTTP/2, but for the version", async () => {
  const text = `
${APP_UPSTREAM}
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  const application = (_request: Request, info: { params: ReadonlyMap<string, string> }) =>
    Response.json(Object.fromEntries(info.params));
  await withConfig({ text, application }, async (gateway) => {
    const client = await SocketHttp2Client.open(gateway.port);
    for (
      const request of [
        { target: "/a%20b?c=d" },
        { headers: { cookie: "a=b", "x-y": "z" } },
        { method: "POST", body: "some", headers: { "content-type": "text/plain" } },
      ] as HttpRequest[]
    ) {
      const first = JSON.parse((await gateway.send(request)).body.toString());
      const second = JSON.parse(new TextDecoder().decode((await client.fetch(request)).body));
      assert.deepEqual([first.SERVER_PROTOCOL, second.SERVER_PROTOCOL], ["HTTP/1.1", "HTTP/2.0"]);
      assert.equal(second.HTTP_HOST, "test.example");
      for (const own of ["SERVER_PROTOCOL", "REMOTE_PORT"]) {
        delete first[own];
        delete second[own];
      }
      assert.deepEqual(second, first);
    }
    await client.fetch({ target: "/logged" });
    assert.equal((await gateway.access.ofPath("/logged"))["protocol"], "HTTP/2.0");
    client.destroy();
  });
});
