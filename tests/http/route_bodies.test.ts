/** Limits of sites and routes for bodies, with and without a length; a body that is too slow. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import { HttpConnection } from "../support/raw_http.ts";

const application = async (request: Request) => {
  return new Response(`${(await request.arrayBuffer()).byteLength} bytes`);
};

test("A route's limit wins over its site's, that over the file's", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"] } }
limits: { request_body: 10B }
sites:
  - limits: { request_body: 20B, request_body_chunked: 15B }
    routes:
      - { path: /large, limits: { request_body: 30B }, fastcgi: { upstream: app } }
      - { path: /none, limits: { request_body: 0, request_body_chunked: 0 }, fastcgi: { upstream: app } }
      - { path: /site, fastcgi: { upstream: app } }
  - { hosts: [file.example], routes: [{ fastcgi: { upstream: app } }] }
`;
  await withConfig({ text, application }, async (gateway) => {
    const most = async (target: string, chunked: boolean, host = "a") => {
      for (const length of [10, 15, 20, 30, 300]) {
        const body = "x".repeat(length);
        const request = { method: "POST", headers: { Host: host }, chunked };
        assert.equal((await gateway.send({ ...request, target, body })).status, 200);
        const over = await gateway.send({ ...request, target, body: `${body}x` });
        if (over.status === 413) return length;
      }
      return Infinity;
    };
    assert.deepEqual([await most("/large", false), await most("/large", true)], [30, 15]);
    assert.deepEqual([await most("/site", false), await most("/site", true)], [20, 15]);
    assert.deepEqual([await most("/none", false), await most("/none", true)], [Infinity, Infinity]);
    const file = [await most("/", false, "file.example"), await most("/", true, "file.example")];
    assert.deepEqual(file, [10, 10]);
  });
});

test("request_body: stream lets an application answer before the body is there", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "off" } }
sites: [{ routes: [{ request_body: stream, fastcgi: { upstream: app } }] }]
`;
  const eager = async (request: Request, info: { params: ReadonlyMap<string, string> }) => {
    const reader = request.body!.getReader();
    const { value } = await reader.read();
    return new Response(`${new TextDecoder().decode(value)} ${info.params.has("CONTENT_LENGTH")}`);
  };
  await withConfig({ text, application: eager }, async (gateway) => {
    const connection = await HttpConnection.open(gateway.port);
    await connection.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    await connection.writeChunk(Buffer.from("first"));
    const response = await connection.readResponse();
    connection.destroy();
    assert.equal(response.body.toString(), "first false");
  });
});
