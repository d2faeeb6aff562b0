/** Sites that are served at some listeners alone: elsewhere they are not there, whatever is asked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SiteOptions } from "../../src/http/options.ts";
import type { TcpAddress } from "../../src/runtime/address.ts";
import { LOOPBACK, withGateway } from "../support/gateway.ts";
import { freePort } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

function site(name: string, hosts: readonly string[], listen?: readonly TcpAddress[]): SiteOptions {
  return {
    hosts,
    root: undefined,
    routes: [{
      path: undefined,
      methods: undefined,
      handler: { kind: "respond", status: 200, body: name },
    }],
    ...(listen && { listen }),
  };
}

test("A site is found at its listeners and at no other, by its host, a wildcard or every host", async () => {
  const [open, inner] = [
    { ...LOOPBACK, port: await freePort() },
    { ...LOOPBACK, port: await freePort() },
  ];
  const sites = [
    site("public", ["a.example"], [open]),
    site("internal", ["a.example"], [inner]),
    site("admin", ["admin.example"], [inner]),
    site("wild", ["*.example"], [inner]),
    site("everywhere", ["b.example"]),
    site("the rest", [], [inner]),
  ];
  const listen = [open, inner].map((address) => ({ address, tls: undefined }));
  await withGateway({ sites, listen }, async () => {
    const ask = async ({ port }: TcpAddress, host: string): Promise<string> => {
      const { status, body } = await httpRequest(port, { target: "/", headers: { Host: host } });
      return status === 200 ? body.toString() : String(status);
    };
    const expected = [
      ["a.example", "public", "internal"],
      ["admin.example", "404", "admin"],
      ["c.example", "404", "wild"],
      ["b.example", "everywhere", "everywhere"],
      ["unknown", "404", "the rest"],
      ["127.0.0.1", "404", "the rest"],
    ] as const;
    for (const [host, atOpen, atInner] of expected) {
      assert.deepEqual([await ask(open, host), await ask(inner, host)], [atOpen, atInner], host);
    }
    // What a client says of itself moves it to no other listener.
    const headers = { Host: `admin.example:${inner.port}`, "X-Forwarded-Host": "admin.example" };
    assert.equal((await httpRequest(open.port, { target: "/", headers })).status, 404);
    const target = `http://admin.example:${inner.port}/`;
    const absolute = await httpRequest(open.port, { target, headers: { Host: "admin.example" } });
    assert.equal(absolute.status, 404);
  });
});
