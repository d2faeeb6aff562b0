/** How long a client may take, as limits.http says it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { withGateway } from "../support/gateway.ts";
import { HttpConnection } from "../support/raw_http.ts";

const application = () => new Response("ok");

test("A header section that does not come to its end gets 408", async () => {
  const httpTimeouts = { ...CONNECTION_TIMEOUTS, headersMs: 1 };
  await withGateway({ application, httpTimeouts }, async ({ port }) => {
    const connection = await HttpConnection.open(port);
    await connection.write("GET / HTTP/1.1\r\nHost: h\r\n");
    assert.equal((await connection.readResponse()).status, 408);
    connection.destroy();
  });
});

test("A connection without request is closed when its time is over", async () => {
  const httpTimeouts = { ...CONNECTION_TIMEOUTS, idleMs: 1 };
  await withGateway({ application, httpTimeouts }, async ({ port }) => {
    const connection = await HttpConnection.open(port);
    await connection.send({});
    assert.equal((await connection.readResponse()).body.toString(), "ok");
    assert.equal(await connection.readToEnd(), "");
    connection.destroy();
  });
});
