/** What a stranger's page in an operator's browser, or a client of the wrong kind, gets of it. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import {
  freshSocket,
  type Gateway,
  gatewayAppOptions,
  LOOPBACK,
  startGateway,
  withGateway,
} from "../support/gateway.ts";
import { httpRequest, rawRequest } from "../support/raw_http.ts";

const PAGES = ["/livez", "/readyz", "/metrics", "/status"];

async function statusFor(port: number, host: string, target = "/status"): Promise<number> {
  return (await httpRequest(port, { target, headers: { Host: host } })).status;
}

/** All that comes back over a unix socket. */
function unixRequest(path: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(path, () => socket.write(bytes));
    socket.on("data", (piece: Uint8Array) => text += new TextDecoder().decode(piece));
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
}

async function withAdmin(
  hosts: readonly string[],
  use: (gateway: Gateway) => Promise<void>,
): Promise<void> {
  const options = gatewayAppOptions({ admin: true }, freshSocket());
  const gateway = await startGateway({ ...options, readyWhen: "listening", adminHosts: hosts });
  try {
    await use(gateway);
  } finally {
    await gateway.app.stop();
  }
}

test("A name that leads to this machine reads nothing, whatever is asked", async () => {
  await withAdmin([], async ({ adminPort }) => {
    const strangers = [
      "evil.example",
      `evil.example:${adminPort}`,
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "xlocalhost",
      "2130706433",
      "0x7f000001",
      "127.1",
      "a b",
      "",
    ];
    for (const host of strangers) {
      for (const target of [...PAGES, "/", "/other"]) {
        const status = await statusFor(adminPort, host, target);
        assert.ok(status === 403 || status === 400, `${host} ${target}: ${status}`);
      }
    }
  });
});

test("Addresses, localhost and names of the configuration are answered", async () => {
  await withAdmin(["afcgi.internal"], async ({ adminPort }) => {
    const own = [
      "127.0.0.1",
      `127.0.0.1:${adminPort}`,
      "192.0.2.1:80",
      "[::1]",
      `[::1]:${adminPort}`,
      "localhost",
      "LOCALHOST:1",
      "localhost.",
      "Afcgi.Internal:9180",
    ];
    for (const host of own) assert.equal(await statusFor(adminPort, host), 200, host);
    assert.equal(await statusFor(adminPort, "other.internal"), 403);
  });
});

test("A probe of HTTP/1.0 without a host is answered", async () => {
  await withAdmin([], async ({ adminPort }) => {
    const response = await rawRequest(adminPort, "GET /livez HTTP/1.0\r\n\r\n");
    assert.deepEqual([response.status, response.body.toString()], [200, "ok\n"]);
  });
});

test("A name in the listener's address is its own", async () => {
  const admin = { ...LOOPBACK, host: "localhost" };
  const options = gatewayAppOptions({}, freshSocket());
  const gateway = await startGateway({ ...options, admin });
  assert.equal(await statusFor(gateway.adminPort, "localhost", "/livez"), 200);
  await gateway.app.stop();
});

test("Over a unix socket every host will do: no browser gets there", async () => {
  const admin = freshSocket();
  const options = gatewayAppOptions({}, freshSocket());
  const gateway = await startGateway({ ...options, admin });
  assert.ok(admin.transport === "unix");
  const response = await unixRequest(admin.path, "GET /livez HTTP/1.0\r\nHost: any\r\n\r\n");
  assert.match(response, /^HTTP\/1\.[01] 200 /);
  await gateway.app.stop();
});

test("Other methods get 405 with those that may be used, on paths that are there", async () => {
  const headers = { Host: "localhost" };
  await withGateway({ admin: true }, async ({ adminPort }) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "FOO"]) {
      for (const target of PAGES) {
        const response = await httpRequest(adminPort, { method, target, headers });
        assert.deepEqual([response.status, response.headers.get("allow")], [405, "GET, HEAD"]);
      }
      assert.equal((await httpRequest(adminPort, { method, target: "/x", headers })).status, 404);
    }
    const section = await httpRequest(adminPort, { method: "HEAD", target: "/livez", headers });
    assert.deepEqual([section.status, section.headers.get("content-length")], [200, "3"]);
  });
});
