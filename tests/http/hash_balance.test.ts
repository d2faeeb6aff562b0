/** `balance: hash` at FastCGI servers, as requests of HTTP come to it: the same key, the same server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import type { TcpAddress } from "../../src/runtime/address.ts";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { gatewayAppOptions, LOOPBACK, startGateway } from "../support/gateway.ts";

const KEYS = 16;

for (const method of ["GET", "POST"]) {
  test(`balance: hash keeps requests (${method}) of a key with one FastCGI server`, async () => {
    const servers = await Promise.all(
      ["one", "two"].map((name) =>
        serveFastCgi(() => new Response(name), {
          listen: { transport: "tcp", host: "127.0.0.1", port: 0 },
        })
      ),
    );
    const addresses = servers.map(({ addr }) => ({ ...LOOPBACK, port: (addr as TcpAddress).port }));
    const options = gatewayAppOptions({}, addresses[0]!);
    const gateway = await startGateway({
      ...options,
      upstreams: [{
        ...UPSTREAM_DEFAULTS,
        name: "app",
        balance: "hash",
        hash: "QUERY_STRING",
        servers: addresses.map((address) => ({ address, weight: 1, backup: false })),
      }],
    });
    const owners = new Set<string>();
    for (let key = 0; key < KEYS; key++) {
      const names = new Set<string>();
      for (let round = 0; round < 3; round++) {
        const body = method === "POST" ? { body: "x" } : {};
        const got = await gateway.send({ method, target: `/?k=${key}`, ...body });
        assert.equal(got.status, 200, got.body.toString());
        names.add(got.body.toString());
      }
      assert.equal(names.size, 1);
      owners.add([...names][0]!);
    }
    assert.equal(owners.size, 2);
    await gateway.app.stop();
    for (const server of servers) await server.shutdown({ grace: 0 });
  });
}
