/**
 * Handing over, as a table: method × framing of the body × kind of target × status of the response that
 * is handed over. The client gets what the target gives, and the connection goes on with the next
 * request. How many may follow on each other is counted.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { INTERNAL_REDIRECTS_MAX } from "../../src/http/handover.ts";
import type { RouteOptions } from "../../src/http/options.ts";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { FASTCGI_ROUTE, freshPath, type Gateway, withGateway } from "../support/gateway.ts";
import { HttpConnection, type HttpRequest } from "../support/raw_http.ts";

const TEXT = "0123456789";

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] as const;

const FRAMINGS: Readonly<Record<string, Partial<HttpRequest>>> = {
  "no body": {},
  "a length": { body: "upload" },
  "chunks": { body: "upload", chunked: true },
  // More than is read on with a request.
  "a long body in chunks": { body: "u".repeat(100_000), chunked: true },
};

/** Lines of the application, by what they hand over to. */
const TARGETS = {
  "a file": "X-Accel-Redirect: /protected/report.txt",
  "an application": "X-Accel-Redirect: /inner/a?b=c",
  "a file by its path": "X-Sendfile: ROOT/protected/report.txt",
} as const;

const STATUSES = ["", "Status: 404\n", "Status: 500\n"] as const;

const ROUTES: readonly RouteOptions[] = [
  {
    path: "/protected/*",
    methods: undefined,
    internal: true,
    handler: { kind: "static", index: [], cacheControl: [] },
  },
  {
    path: "/inner/*",
    methods: undefined,
    internal: true,
    handler: { kind: "fastcgi", upstream: "app", scriptName: "", params: {} },
  },
  FASTCGI_ROUTE,
];

async function withSite(use: (gateway: Gateway, root: string) => Promise<void>): Promise<void> {
  const root = freshPath();
  mkdirSync(join(root, "protected"), { recursive: true });
  writeFileSync(join(root, "protected/report.txt"), TEXT);
  const path = freshPath();
  const peer = await FaultPeer.start({ network: "unix", path });
  peer.behaviour = {
    onRequest: ({ id, connection, params }) => {
      const uri = params.get("REQUEST_URI") ?? "";
      const hop = Number(/^\/hop\/(\d+)/.exec(uri)?.[1]);
      const stdout = uri.startsWith("/inner/")
        ? `X-Inner: 1\n\n${params.get("REQUEST_METHOD")} ${params.get("CONTENT_LENGTH") ?? ""}`
        : hop === 0
        ? "\nthere"
        : hop > 0
        ? `X-Accel-Redirect: /hop/${hop - 1}\n\n`
        : `${(params.get("HTTP_X_RESPONSE") ?? "").replaceAll("|", "\n")}\n\nown body`;
      connection.send(new ResponseRecords().stdout(id, Buffer.from(stdout)).stdoutEnd(id).end(id));
    },
  };
  try {
    const sites = [{ hosts: [], root, routes: ROUTES, sendfile: [join(root, "protected")] }];
    await withGateway(
      { server: { transport: "unix", path }, sites },
      (gateway) => use(gateway, root),
    );
  } finally {
    await peer.stop();
  }
}

for (const [target, line] of Object.entries(TARGETS)) {
  test(`Any request is handed over to ${target}, and the next one follows on its connection`, async () => {
    await withSite(async (gateway, root) => {
      for (const method of METHODS) {
        for (const [framing, parts] of Object.entries(FRAMINGS)) {
          if (parts.body !== undefined && (method === "GET" || method === "HEAD")) continue;
          for (const status of STATUSES) {
            const what = `${method}, ${framing}, ${status.trim()}`;
            const received = `${status}${line.replace("ROOT", root)}`.replaceAll("\n", "|");
            const client = await HttpConnection.open(gateway.port);
            await client.send({ ...parts, method, headers: { "X-Response": received } });
            const response = await client.readResponse(method);
            const inner = `${method === "HEAD" ? "HEAD" : "GET"} `;
            const body = target === "an application" ? inner : TEXT;
            assert.equal(response.status, 200, what);
            assert.equal(response.body.toString(), method === "HEAD" ? "" : body, what);
            if (framing !== "a long body in chunks") {
              await client.send({ target: "/hop/0" });
              assert.equal((await client.readResponse()).body.toString(), "there", what);
            }
            client.destroy();
          }
        }
      }
    });
  });
}

test("As many responses may follow on each other as the limit says, and not one more", async () => {
  assert.equal(INTERNAL_REDIRECTS_MAX, 10);
  await withSite(async (gateway) => {
    for (const [hops, status] of [[1, 200], [9, 200], [10, 200], [11, 502]] as const) {
      const response = await gateway.send(`/hop/${hops}`);
      assert.equal(response.status, status, `${hops} hops`);
    }
  });
});
