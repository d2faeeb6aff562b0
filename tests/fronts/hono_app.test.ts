/**
 * The Hono application of `examples/`, started as its header section says, behind nginx and behind
 * afcgi: what a client gets is what the same application gives when the runtime itself serves it
 * over HTTP.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { app } from "../../examples/hono_app.ts";
import { pattern } from "../interop/common.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";
import { type HttpRequest, httpRequest, type HttpResponse } from "../support/raw_http.ts";
import { afcgi } from "./afcgi.ts";
import { startWebServer, type WebServer } from "./web_server.ts";
import { startHonoExample } from "./hono_example.ts";
import { nginx } from "./nginx.ts";

const WEB_SERVERS: readonly WebServer[] = [nginx, afcgi];
const HOST = "127.0.0.1";

/** What belongs to the server and its connection, not to the application's response. */
const OF_THE_SERVER = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "server",
  "transfer-encoding",
]);

const REQUESTS: Readonly<Record<string, HttpRequest>> = {
  "a page": { target: "/" },
  "a HEAD": { method: "HEAD", target: "/" },
  "a parameter of the path": { target: "/hello/J%C3%B6rg%20%2F%3F?x=1&y=%26" },
  "a route that is not there": { target: "/nowhere?x" },
  "a method that the route has not": { method: "PATCH", target: "/notes", body: "x" },
  "a first visit": { target: "/visits" },
  "a visit with cookies": {
    target: "/visits",
    headers: { Cookie: "visits=41; other=%20a" },
  },
  "JSON": {
    method: "POST",
    target: "/notes",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text: "äöü \u{1f600}", tags: [1, null, { a: "b" }] }),
  },
  "JSON in chunks": {
    method: "POST",
    target: "/notes",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text: "x".repeat(100_000) }),
    chunked: true,
  },
  "JSON that is none": { method: "POST", target: "/notes", body: "{" },
  "a DELETE": { method: "DELETE", target: "/notes/one" },
  "an upload": {
    method: "POST",
    target: "/upload",
    headers: { "Content-Type": "multipart/form-data; boundary=cut" },
    body: multipart("cut"),
  },
  "a page with an entity tag": { target: "/manual" },
  "a page that the client has": {
    target: "/manual",
    headers: { "If-None-Match": '"6ce03c083875416e59ce4047447452ac6a991b0e"' },
  },
  "a redirect": { target: "/moved" },
  "a stream": { target: "/count/20" },
};

/** A text and a file of 300 kB. */
function multipart(boundary: string): Buffer {
  const headers = (rest: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name=${rest}\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(`${headers('"title"')}Ein Stück\r\n`),
    Buffer.from(headers('"file"; filename="a b.bin"\r\nContent-Type: application/x-pattern')),
    pattern(300_000),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
}

/** What an application is answerable for. */
function essence({ status, headers, body }: HttpResponse) {
  const own = [...headers].filter(([name]) => !OF_THE_SERVER.has(name));
  return { status, headers: Object.fromEntries(own.sort()), body: body.toString("latin1") };
}

/** The same application, served over HTTP by the runtime itself. */
interface Direct {
  readonly port: number;
  stop(): Promise<unknown>;
}

function serveDirectly(): Direct {
  const fetch = (request: Request) => app.fetch(request);
  if ("Bun" in globalThis) {
    const server = Bun.serve({ hostname: HOST, port: 0, fetch });
    return { port: server.port!, stop: () => server.stop(true) };
  }
  const server = Deno.serve({ hostname: HOST, port: 0, onListen() {} }, fetch);
  return { port: server.addr.port, stop: () => server.shutdown() };
}

const ports = new Map<string, number>();
const running: Child[] = [];
let direct: Direct;

before(async () => {
  const directory = temporaryDirectory();
  const socket = join(directory, "app.sock");
  const example = await startHonoExample(socket);
  for (const webServer of WEB_SERVERS) {
    if (webServer.peer !== undefined && missingPeer(webServer.peer)) continue;
    const port = await freePort();
    running.push(await startWebServer(webServer, directory, { socket, port }));
    ports.set(webServer.name, port);
  }
  running.push(example);
  direct = serveDirectly();
});

after(async () => {
  for (const child of running) await child.stop();
  await direct.stop();
});

for (const webServer of WEB_SERVERS) {
  const skip = webServer.peer === undefined ? false : missingPeer(webServer.peer);
  for (const [what, request] of Object.entries(REQUESTS)) {
    test(
      `The Hono example behind ${webServer.name} answers ${what} as over HTTP`,
      { skip },
      async () => {
        const expected = await httpRequest(direct.port, request);
        const response = await httpRequest(ports.get(webServer.name)!, request);
        assert.deepEqual(essence(response), essence(expected));
        assert.ok(response.complete);
      },
    );
  }
}
