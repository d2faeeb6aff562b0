/**
 * Responses of applications over HTTP/2: every kind that speaks to the gateway, with each method and
 * with fields that change what is sent, gets what it gets over HTTP/1. What handing over is to come
 * to is in handover.test.ts and handover_matrix.test.ts.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { freshPath, type Gateway } from "../support/gateway.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import type { HttpRequest } from "../support/raw_http.ts";
import { assertSameResponse } from "../support/same_response.ts";

const CONTENT = "0123456789".repeat(30);

/** What an application says, by what it is; `ROOT` is the site's. */
const RESPONSES: Readonly<Record<string, string>> = {
  "a page": "Content-Type: text/html\n\n<p>page</p>",
  "a page with its length": "Content-Length: 4\n\npage",
  "a page that is too short": "Content-Length: 40\n\npage",
  "a page that is too long": "Content-Length: 2\n\npage",
  "a page without any byte": "Content-Type: text/plain\n\n",
  "a large page": `Content-Type: text/plain\n\n${"large ".repeat(20_000)}`,
  "a page with cookies": "Set-Cookie: a=1\nSet-Cookie: b=2\nExpires: 0\nExpires: 1\n\npage",
  "a page that is packed already": "Content-Encoding: gzip\n\nnot really",
  "a page with a tag": 'ETag: "x"\nContent-Type: text/plain\n\ntagged',
  "201 with a place": "Status: 201 Made\nLocation: http://other.test/x\n\nmade",
  "204": "Status: 204\n\n",
  "205": "Status: 205\n\nbody",
  "304": "Status: 304\n\n",
  "404 of its own": "Status: 404\nContent-Type: text/plain\n\nnothing of mine",
  "503 of its own": "Status: 503\nRetry-After: 3\n\nlater",
  "a status that nobody knows": "Status: 599\n\nodd",
  "a redirect": "Location: http://other.test/\n\n",
  "no header section": "nothing that ends",
  "hints before the page": "Status: 103\nLink: </a.css>; rel=preload\n\nStatus: 200\n\nhinted",
  "X-Accel-Redirect to a file": "X-Accel-Redirect: /protected/file.txt\nSet-Cookie: a=1\n\nown",
  "X-Accel-Redirect to a file, with a length":
    "X-Accel-Redirect: /protected/file.txt\nContent-Length: 3\n\nown",
  "X-Accel-Redirect to an application": "X-Accel-Redirect: /inner/a?b=c\n\nown",
  "X-Accel-Redirect to nothing": "X-Accel-Redirect: /protected/none.txt\n\n",
  "X-Accel-Redirect out of the root": "X-Accel-Redirect: /protected/../../x\n\n",
  "X-Accel-Redirect in a circle": "X-Accel-Redirect: /again\n\n",
  "X-Accel-Limit-Rate": "X-Accel-Limit-Rate: 100000\n\nslowly",
  "X-Accel-Buffering": "X-Accel-Buffering: no\n\nat once",
  "X-Sendfile": "X-Sendfile: ROOT/protected/file.txt\nContent-Type: a/b\n\nown",
  "X-Sendfile of nothing": "X-Sendfile: ROOT/protected/none.txt\n\n",
  "X-Sendfile of what is not allowed": "X-Sendfile: /etc/passwd\n\n",
  "a local redirect": "Location: /inner/a\nX-Own: 1\n\n",
  "a local redirect to a file": "Location: /files/file.txt\n\n",
  "a local redirect that is the client's": "Status: 302\nLocation: /inner/a\n\n",
};

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] as const;
/** Those of requests with a field more. */
const FEW_METHODS = ["GET", "HEAD", "POST"] as const;

const FIELDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  nothing: {},
  "a range": { range: "bytes=2-4" },
  "two ranges": { range: "bytes=0-0,-2" },
  "a range beyond the end": { range: "bytes=99999-" },
  "a tag that may be any": { "if-none-match": "*" },
  "a coding": { "accept-encoding": "gzip" },
  "a wish for HTML": { accept: "text/html" },
};

async function withSite(use: (gateway: Gateway) => Promise<void>): Promise<void> {
  const root = freshPath();
  for (const directory of ["protected", "files"]) {
    mkdirSync(join(root, directory), { recursive: true });
    writeFileSync(join(root, directory, "file.txt"), CONTENT);
  }
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, connection, params }) => {
      const kind = params.get("HTTP_X_KIND") ?? "";
      const uri = params.get("REQUEST_URI") ?? "";
      const shown = `X-Inner: 1\n\n${params.get("REQUEST_METHOD")} ${uri}`;
      const text = uri.startsWith("/inner/") ? shown : RESPONSES[kind]!.replaceAll("ROOT", root);
      connection.send(new ResponseRecords().stdout(id, Buffer.from(text)).stdoutEnd(id).end(id));
    },
  };
  const text = `
upstreams: { app: { servers: ["unix:${path}"], multiplex: "on" } }
sites:
  - root: ${root}
    sendfile: ["${root}/protected"]
    local_redirects: true
    compression: true
    error_pages: { "404": { body: "Not here", type: text/plain }, "503": { body: "Later", type: text/plain } }
    routes:
      - { path: /protected/*, internal: true, static: {} }
      - { path: /files/*, static: {} }
      - { headers: { set: { X-Rule: "1" } }, fastcgi: { upstream: app } }
`;
  try {
    await withConfig({ text }, use);
  } finally {
    await peer.stop();
  }
}

for (const [field, headers] of Object.entries(FIELDS)) {
  test(`Every response of an application is over HTTP/2 what it is over HTTP/1, with ${field}`, async () => {
    await withSite(async (gateway) => {
      const client = await SocketHttp2Client.open(gateway.port);
      for (const kind of Object.keys(RESPONSES)) {
        for (const method of field === "nothing" ? METHODS : FEW_METHODS) {
          const request: HttpRequest = {
            target: "/ask",
            method,
            headers: { ...headers, "x-kind": kind },
            ...((method === "POST" || method === "PUT") && { body: "upload" }),
          };
          const [first, second] = await Promise.all([gateway.send(request), client.fetch(request)]);
          assertSameResponse(second, first, `${kind} for ${method}`);
        }
      }
      assert.equal(client.goaway, undefined);
      client.destroy();
    });
  });
}

test("Of responses side by side on one connection each is that of its request", async () => {
  await withSite(async (gateway) => {
    const client = await SocketHttp2Client.open(gateway.port);
    const kinds = Object.keys(RESPONSES);
    const all = await Promise.all(
      kinds.map((kind) => client.fetch({ target: "/ask", headers: { "x-kind": kind } })),
    );
    for (const [at, kind] of kinds.entries()) {
      const first = await gateway.send({ target: "/ask", headers: { "x-kind": kind } });
      assertSameResponse(all[at]!, first, kind);
    }
    client.destroy();
  });
});
