/** The executable with `engine: node`, as a client sees what it is for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AFCGI, Afcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { freePlace, placeUrl, temporaryFolder, waitForListener } from "../support/places.ts";
import { HttpConnection, httpRequest, rawRequest } from "../support/raw_http.ts";

async function withEngine(engine: string, use: (afcgi: Afcgi) => Promise<void>): Promise<void> {
  const place = await freePlace("unix", temporaryFolder());
  const child = new Child(AFCGI, ["responder", "--listen", placeUrl(place)]);
  await waitForListener(place);
  const afcgi = await Afcgi.start({
    config: {
      listen: [{ address: "127.0.0.1:0", engine }],
      upstreams: { app: { servers: [placeUrl(place)] } },
      sites: [{ routes: [{ fastcgi: { upstream: "app" } }] }],
    },
  });
  await use(afcgi);
  await afcgi.stop();
  await child.stop();
}

for (const engine of ["native", "node"]) {
  test(`A body of declared length in pieces keeps its length, engine ${engine}`, async () => {
    await withEngine(engine, async ({ port }) => {
      const short = await httpRequest(port, { target: "/bytes?n=500000" });
      assert.equal(short.headers.get("content-length"), "500000");
      assert.deepEqual([short.body.length, short.complete], [500_000, true]);
      const long = await httpRequest(port, { target: "/bytes?n=20000000" });
      const kept = engine === "node" ? "20000000" : undefined;
      assert.equal(long.headers.get("content-length"), kept);
      assert.deepEqual([long.body.length, long.complete], [20_000_000, true]);
    });
  });
}

test("With engine node the application gets target, version and body as they were sent", async () => {
  await withEngine("node", async ({ port }) => {
    const env = async (head: string) => (await rawRequest(port, head)).body.toString();
    const end = "Host: test\r\nConnection: close\r\n\r\n";
    const dotted = await env(`GET /a/../env?q HTTP/1.1\r\n${end}`);
    assert.match(dotted, /^REQUEST_URI=\/a\/\.\.\/env\?q$/m);
    assert.match(dotted, /^SERVER_PROTOCOL=HTTP\/1\.1$/m);
    assert.match(await env("GET /env HTTP/1.0\r\n\r\n"), /^SERVER_PROTOCOL=HTTP\/1\.0$/m);
    const body = "x".repeat(3_000_000);
    for (const chunked of [false, true]) {
      const echoed = await httpRequest(port, { method: "POST", target: "/echo", body, chunked });
      assert.equal(echoed.body.toString(), body);
    }
  });
});

test("With engine node an event arrives before the next one, and who leaves is noticed", async () => {
  await withEngine("node", async (afcgi) => {
    const connection = await HttpConnection.open(afcgi.port);
    await connection.send({ target: "/sse?chunks=100&ms=100" });
    const body = connection.readBody(await connection.readHead());
    assert.match(String((await body.pieces.next()).value), /^id: 1\n/);
    connection.destroy();
    const line = await afcgi.waitForAccess((line) => String(line["path"]).startsWith("/sse"));
    assert.equal(line["code"], "client_gone");
  });
});
