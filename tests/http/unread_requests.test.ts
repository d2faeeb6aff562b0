/** What our own HTTP server could not read, from outside: response, log line, metrics. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { withGateway } from "../support/gateway.ts";
import { HttpConnection, rawRequest } from "../support/raw_http.ts";

const application = () => new Response("ok");

const UNREAD: Readonly<Record<string, readonly [status: number, bytes: string]>> = {
  bad_request: [400, "GET / HTTP/1.1\r\n\r\n"],
  unknown_expectation: [417, "GET / HTTP/1.1\r\nHost: h\r\nExpect: a\r\n\r\n"],
  request_header_too_large: [431, `GET / HTTP/1.1\r\nHost: h\r\nA: ${"b".repeat(70_000)}\r\n\r\n`],
  unknown_transfer_coding: [501, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n"],
  unknown_http_version: [505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"],
};

for (const [code, [status, bytes]] of Object.entries(UNREAD)) {
  test(`A request that cannot be read is told, logged and counted: ${code}`, async () => {
    await withGateway({ application, admin: true }, async (gateway) => {
      const response = await rawRequest(gateway.port, bytes);
      assert.equal(response.status, status);
      assert.equal(response.headers.get("connection"), "close");
      const id = response.headers.get("x-request-id");
      assert.match(
        response.body.toString(),
        new RegExp(`^${status} [\\w ]+ \\(${code}\\), request ${id}`),
      );
      const line = await gateway.log.find((it) => it.code === code);
      assert.equal(line.request_id, id);
      assert.equal(line.level, "info");
      assert.equal(line.client, "127.0.0.1");
      const metrics = (await gateway.admin("/metrics")).body.toString();
      assert.ok(metrics.includes(
        `afcgi_http_requests_total{site="",method="other",code="${status}"} 1`,
      ));
      assert.deepEqual(gateway.access.lines, []);
    });
  });
}

test("A body that cannot be read is told in the way that its request asked for", async () => {
  await withGateway({ application }, async ({ port, log }) => {
    const connection = await HttpConnection.open(port);
    await connection.write(
      "POST / HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    );
    const response = await connection.readResponse();
    connection.destroy();
    assert.equal(response.status, 400);
    const { code, request_id: id } = JSON.parse(response.body.toString());
    assert.deepEqual([code, id], ["bad_request", response.headers.get("x-request-id")]);
    const line = await log.find((it) => it.request_id === id);
    assert.equal(line.method, "POST");
  });
});
