/**
 * Features that meet in one request, over HTTP/1 and HTTP/2 alike: compression and ranges, error pages and
 * HEAD, hints and hand-over to a file, conditions and cookies that come in crumbs.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Afcgi } from "../support/afcgi.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { temporaryDirectory } from "../support/places.ts";
import { HttpConnection, httpRequest } from "../support/raw_http.ts";

const TEXT = "The quick brown fox. ".repeat(500);
const PAGE = "<p>this is the page</p>";
const HINT = "</a.css>; rel=preload";

let application: Server;
let afcgi: Afcgi;
let http2: SocketHttp2Client;

/** Says hints and hands a file over, or fails. */
function respond(head: string): string {
  if (head.includes(" /fail")) return "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
  const fields = "Content-Type: text/plain\r\nX-Accel-Redirect: /private/file.txt\r\n";
  return `HTTP/1.1 103 Early Hints\r\nLink: ${HINT}\r\n\r\n` +
    `HTTP/1.1 200 OK\r\n${fields}Content-Length: 0\r\n\r\n`;
}

before(async () => {
  application = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => void socket.write(respond(bytes.toString("latin1"))));
  });
  await new Promise<void>((resolve) => application.listen(0, "127.0.0.1", resolve));
  const { port } = application.address() as { port: number };
  const root = temporaryDirectory();
  mkdirSync(join(root, "private"));
  writeFileSync(join(root, "private/file.txt"), "handed over");
  writeFileSync(join(root, "page.html"), PAGE);
  writeFileSync(join(root, "text.txt"), TEXT);
  const cookie = { a: "1", b: "2" };
  const upstream = { proxy: { upstream: "app" } };
  afcgi = await Afcgi.start({
    config: {
      log: { access: "off" },
      upstreams: { app: { http: [`127.0.0.1:${port}`] } },
      sites: [{
        root,
        compression: { min_size: 100 },
        error_pages: { "404": "/page.html", "5xx": "/page.html" },
        routes: [
          { path: "/private/*", internal: true, static: {} },
          { path: "/cookie", cookie, respond: { body: "both" } },
          { path: "/cookie", respond: { body: "not both" } },
          { path: "/hint", ...upstream },
          { path: "/fail", intercept_errors: true, ...upstream },
          { static: {} },
        ],
      }],
    },
  });
  http2 = await SocketHttp2Client.open(afcgi.port);
});

after(async () => {
  http2.destroy();
  await afcgi.stop();
  application.close();
});

interface Seen {
  readonly status: number;
  readonly field: (name: string) => string | undefined;
  readonly body: Uint8Array;
}

/** The same request over both. */
async function both(target: string, headers = {}, method = "GET"): Promise<readonly Seen[]> {
  const request = { target, method, headers: { Host: "a", ...headers } };
  const one = await httpRequest(afcgi.port, request);
  const other = await http2.fetch(request);
  const fields = new Map(other.fields);
  return [
    { status: one.status, field: (name) => one.headers.get(name), body: one.body },
    { status: Number(other.status), field: (name) => fields.get(name), body: other.body },
  ];
}

const textOf = (body: Uint8Array) => new TextDecoder().decode(body);
const GZIP = { "Accept-Encoding": "gzip" };

test("A part of a file is never compressed, the whole file is", async () => {
  for (const { status, field, body } of await both("/text.txt", GZIP)) {
    assert.deepEqual([status, field("content-encoding")], [200, "gzip"]);
    assert.equal(gunzipSync(body).toString(), TEXT);
    assert.equal(field("accept-ranges"), undefined, "its parts are not the file's");
  }
  for (const { status, field, body } of await both("/text.txt", { ...GZIP, Range: "bytes=4-8" })) {
    assert.deepEqual([status, textOf(body)], [206, "quick"]);
    assert.equal(field("content-encoding"), undefined);
    assert.equal(field("content-range"), `bytes 4-8/${TEXT.length}`);
  }
  for (const { field, body } of await both("/text.txt", GZIP, "HEAD")) {
    assert.deepEqual([body.length, field("content-encoding")], [0, "gzip"]);
    assert.notEqual(field("content-length"), String(TEXT.length));
  }
});

test("An error page has its length and no body for HEAD", async () => {
  for (const [target, status] of [["/missing", 404], ["/fail", 500]] as const) {
    for (const method of ["GET", "HEAD"]) {
      for (const seen of await both(target, {}, method)) {
        assert.deepEqual([seen.status, seen.field("content-length")], [status, `${PAGE.length}`]);
        assert.equal(textOf(seen.body), method === "HEAD" ? "" : PAGE);
      }
    }
  }
});

test("Hints come before a file that is handed over, for HEAD as well", async () => {
  for (const method of ["GET", "HEAD"]) {
    const body = method === "HEAD" ? "" : "handed over";
    const other = await http2.fetch({ target: "/hint", method });
    assert.deepEqual(other.interim, [103]);
    assert.deepEqual([Number(other.status), textOf(other.body)], [200, body]);
    const client = await HttpConnection.open(afcgi.port);
    await client.send({ target: "/hint", method });
    const hint = await client.readAnyHeaders();
    assert.deepEqual([hint.status, hint.headers.get("link")], [103, HINT]);
    const response = await client.readResponse(method);
    assert.deepEqual([response.status, textOf(response.body)], [200, body]);
    client.destroy();
  }
});

test("Conditions on cookies see those that HTTP/2 sends one by one", async () => {
  const ask = async (...cookies: string[]) => {
    const fields = cookies.map((cookie) => ["cookie", cookie] as const);
    const id = http2.request([
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/cookie"],
      [":authority", "a"],
      ...fields,
    ]);
    return textOf((await http2.whole(id)).body);
  };
  assert.equal(await ask("a=1", "b=2"), "both");
  assert.equal(await ask("x=1; a=1", "y=2", "b=2"), "both");
  assert.equal(await ask("a=1", "b=3"), "not both");
  assert.equal(await ask("a=1"), "not both");
});
