/** A status beyond 599, which no Response can be made with, goes on through whatever a site adds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultPeer, ResponseRecords } from "../support/fault_peer.ts";
import { withConfig } from "../support/configured.ts";
import { freshPath } from "../support/gateway.ts";

const EXTRAS: Readonly<Record<string, string>> = {
  nothing: "",
  security_headers: "security_headers: {}",
  etag: "etag: true",
  cors: 'cors: { origins: ["*"] }',
  ip_restriction: "ip_restriction: { deny: [203.0.113.0/24] }",
  headers: "headers: { set: { X-A: b } }",
  error_pages: "error_pages: { 4xx: { body: no }, 5xx: { body: no } }, intercept_errors: true",
  compression: "compression: { min_size: 1 }",
};

for (const [name, extra] of Object.entries(EXTRAS)) {
  test(`A status of 600 goes on with ${name}, by GET and HEAD`, async () => {
    const path = freshPath();
    const peer = await FaultPeer.start({ network: "unix", path });
    peer.behaviour = {
      onRequest({ id, params, connection }) {
        const target = params.get("REQUEST_URI");
        const headers = target === "/moved"
          ? "X-Accel-Redirect: /inner/a\n\n"
          : "Status: 600 Odd\nContent-Type: text/plain\n\nbody";
        connection.send(new ResponseRecords().stdout(id, headers).stdoutEnd(id).end(id));
      },
    };
    const text = `upstreams: { app: { servers: ["unix:${path}"], multiplex: "on" } }
sites: [{ ${extra === "" ? "" : `${extra}, `}routes: [
  { path: /inner/*, internal: true, fastcgi: { upstream: app, params: { REQUEST_URI: /a } } },
  { fastcgi: { upstream: app } }] }]
`;
    try {
      await withConfig({ text }, async (gateway) => {
        for (const method of ["GET", "HEAD"]) {
          for (const target of ["/", "/moved"]) {
            const { status, body } = await gateway.send({ method, target });
            const seen = [status, body.toString()];
            assert.deepEqual(seen, [600, method === "GET" ? "body" : ""], `${method} ${target}`);
          }
        }
      });
    } finally {
      await peer.stop();
    }
  });
}
