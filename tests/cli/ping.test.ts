import assert from "node:assert/strict";
import { test } from "node:test";
import { readTarget } from "../../src/cli/admin_client.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { MemoryNetwork } from "../support/memory/memory.ts";
import type { ByteConnection } from "../../src/runtime/connection.ts";
import { runCommand, startCommand, turnUntil } from "./run_program.ts";

/** A network on which the address answers every request with the bytes of `response`. */
async function networkWith(
  address: string,
  response: string | undefined,
): Promise<{ network: MemoryNetwork; requests: string[] }> {
  const network = new MemoryNetwork();
  const requests: string[] = [];
  await network.listen(parseAddress(address), (connection) => {
    void serve(connection, response, requests);
  });
  return { network, requests };
}

async function serve(
  connection: ByteConnection,
  response: string | undefined,
  requests: string[],
): Promise<void> {
  const reader = connection.readable.getReader();
  const { value } = await reader.read();
  requests.push(new TextDecoder().decode(value));
  if (response === undefined) return;
  const writer = connection.writable.getWriter();
  await writer.write(new TextEncoder().encode(response)).catch(() => {});
  await writer.close().catch(() => {});
}

const READY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

test("ping asks /readyz of the usual admin address", async () => {
  const { network, requests } = await networkWith("127.0.0.1:9180", READY);
  assert.deepEqual(await runCommand("ping", { network }), {
    status: 0,
    stdout: "tcp://127.0.0.1:9180 /readyz: ready (200)\n",
    stderr: "",
  });
  assert.deepEqual(requests, [
    "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:9180\r\nConnection: close\r\n\r\n",
  ]);
});

test("ping takes the address from AFCGI_ADMIN, and every interface as this machine", async () => {
  const { network } = await networkWith("127.0.0.1:9999", READY);
  const { status } = await runCommand("ping -q", { network, env: { AFCGI_ADMIN: ":9999" } });
  assert.equal(status, 0);
});

test("ping reaches a unix socket", async () => {
  const { network, requests } = await networkWith("unix:/run/admin.sock", READY);
  assert.equal((await runCommand("ping unix:/run/admin.sock", { network })).status, 0);
  assert.match(requests[0]!, /^GET \/readyz HTTP\/1\.1\r\nHost: localhost\r\n/);
});

test("ping fails on another status than 2xx", async () => {
  const { network } = await networkWith("h:80", "HTTP/1.1 503 Service Unavailable\r\n\r\n");
  assert.deepEqual(await runCommand("ping http://h/readyz", { network }), {
    status: 1,
    stdout: "",
    stderr: "tcp://h:80 /readyz: not ready (503)\n",
  });
});

test("ping fails when what answers does not speak HTTP, or says nothing", async () => {
  for (const response of ["220 mail.example\r\n", "", "x".repeat(5000)]) {
    const { network } = await networkWith("h:80", response);
    assert.deepEqual(await runCommand("ping http://h/", { network }), {
      status: 1,
      stdout: "",
      stderr: "tcp://h:80 /readyz: no response (what answers does not speak HTTP)\n",
    });
  }
});

test("ping fails when nobody listens, and with -q in silence", async () => {
  assert.deepEqual(await runCommand("ping"), {
    status: 1,
    stdout: "",
    stderr:
      "tcp://127.0.0.1:9180 /readyz: no response (Cannot connect to tcp://127.0.0.1:9180: refused)\n",
  });
  assert.deepEqual(await runCommand("ping -q"), { status: 1, stdout: "", stderr: "" });
});

test("ping gives up when its time is over", async () => {
  const { network, requests } = await networkWith("h:80", undefined);
  const { runtime, outcome } = startCommand("ping http://h --timeout 2s", { network });
  await turnUntil(() => requests.length === 1, "the request");
  runtime.clock.advance(2_000);
  assert.deepEqual(await outcome, {
    status: 1,
    stdout: "",
    stderr: "tcp://h:80 /readyz: no response (nothing within 2000 ms)\n",
  });
});

test("A URL's own path and port are asked", () => {
  assert.deepEqual(readTarget("http://[::1]:8080/livez?a=b", "ping", "/readyz"), {
    address: { transport: "tcp", host: "::1", port: 8080 },
    host: "[::1]:8080",
    path: "/livez?a=b",
  });
});
