/**
 * Who can have the configuration read again, and how much work that makes. The admin address has no
 * authentication: a page in an operator's browser reaches it, and so may a neighbour. With a FIFO or a
 * half-written file in the file's place: tests/reload/reload.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import {
  freshSocket,
  type Gateway,
  gatewayAppOptions,
  LOOPBACK,
  startGateway,
} from "../support/gateway.ts";
import { httpRequest, rawRequest } from "../support/raw_http.ts";

interface World {
  readonly gateway: Gateway;
  /** How often the configuration was read again. */
  loads(): number;
  post(headers: Readonly<Record<string, string>>, target?: string): Promise<number>;
}

async function withWorld(use: (world: World) => Promise<void>): Promise<void> {
  const options: AppOptions = {
    ...gatewayAppOptions({ admin: true }, freshSocket()),
    readyWhen: "listening",
    health: LOOPBACK,
  };
  let loads = 0;
  const load = () => {
    loads++;
    return Promise.resolve({ options, notes: [] });
  };
  const gateway = await startGateway(options, undefined, { load });
  const post = async (headers: Readonly<Record<string, string>>, target = "/reload") =>
    (await httpRequest(gateway.adminPort, { method: "POST", target, headers })).status;
  try {
    await use({ gateway, loads: () => loads, post });
  } finally {
    await gateway.app.stop();
  }
}

test("A page of a stranger's cannot reload, whatever its browser makes of it", async () => {
  await withWorld(async ({ loads, post }) => {
    const pages: Readonly<Record<string, string>>[] = [
      { Host: "rebound.example" },
      { Host: "localhost", Origin: "https://rebound.example" },
      { Host: "localhost", Origin: "null" },
      { Host: "127.0.0.1", Origin: "http://127.0.0.1:9180" },
      { Host: "localhost", "Sec-Fetch-Site": "cross-site" },
      { Host: "localhost", "Sec-Fetch-Site": "same-site" },
      { Host: "localhost", "Sec-Fetch-Site": "same-origin" },
    ];
    for (const headers of pages) assert.equal(await post(headers), 403, JSON.stringify(headers));
    assert.equal(loads(), 0);
    assert.equal(await post({ Host: "localhost" }), 200);
    assert.equal(loads(), 1);
  });
});

test("Nothing but POST to that very path reloads", async () => {
  await withWorld(async ({ gateway, loads }) => {
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const headers = { Host: "localhost" };
      const request = { method, target: "/reload", headers };
      const { status, headers: told } = await httpRequest(gateway.adminPort, request);
      assert.deepEqual([status, told.get("allow")], [405, "POST"], method);
    }
    const text = "POST /reload HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: GET\r\n\r\n";
    assert.equal((await rawRequest(gateway.port, text)).status === 200, false);
    assert.equal(loads(), 0);
  });
});

test("The address for probes does not reload", async () => {
  await withWorld(async ({ gateway, loads }) => {
    const { healthAddress } = gateway.app;
    const port = healthAddress?.transport === "tcp" ? healthAddress.port : 0;
    const request = { method: "POST", target: "/reload", headers: { Host: "localhost" } };
    assert.equal((await httpRequest(port, request)).status, 404);
    assert.equal(loads(), 0);
  });
});

test("A storm of reloads is one at a time, and one more for all who wait", async () => {
  await withWorld(async ({ gateway, loads }) => {
    const results = await Promise.all(
      Array.from({ length: 500 }, () => gateway.app.reload("storm")),
    );
    assert.equal(loads(), 2);
    assert.ok(results.every(({ ok }) => ok));
    const { status } = await gateway.admin("/livez");
    assert.equal(status, 200);
  });
});
