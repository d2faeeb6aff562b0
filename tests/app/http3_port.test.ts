/** Who is told of HTTP/3: clients of sites that are served at a port that has it, and no others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Http3Listening, http3PortFinder } from "../../src/app/http3_port.ts";
import type { GatewaySite } from "../../src/http/gateway.ts";
import { SiteTable } from "../../src/routing/site_table.ts";
import type { Address } from "../../src/runtime/address.ts";

/** For each listener its port, whether it has HTTP/3, and the hosts of the sites served there. */
type Listeners = readonly (readonly [port: number, http3: boolean, hosts: readonly string[]])[];

const sites = new Map<string, GatewaySite>();

function siteOf(host: string): GatewaySite {
  const site = sites.get(host) ?? { name: host } as GatewaySite;
  sites.set(host, site);
  return site;
}

function portOf(listeners: Listeners, own: number, host: string | null): number | undefined {
  const listening: Http3Listening = {
    places: () => [...listeners.keys()].filter((place) => listeners[place]![1]),
    addressOf: (place): Address => ({
      transport: "tcp",
      host: "127.0.0.1",
      port: listeners[place]![0],
    }),
    sitesOf: (place) => {
      const table = new SiteTable<GatewaySite>();
      for (const one of listeners[place]![2]) table.add([one], siteOf(one));
      return table;
    },
  };
  return http3PortFinder(own, listening)({ headers: new Headers(host === null ? {} : { host }) });
}

const LISTENERS: Listeners = [
  [80, false, ["open.test", "inner.test"]],
  [443, true, ["open.test"]],
  [9443, false, ["inner.test", "open.test"]],
  [8443, true, ["other.test", "open.test"]],
];

test("A client is told of the port of its own listener, else of one that serves its site", () => {
  assert.equal(portOf(LISTENERS, 0, "open.test"), 443);
  assert.equal(portOf(LISTENERS, 1, "open.test:443"), 443);
  assert.equal(portOf(LISTENERS, 2, "OPEN.test."), 443);
  assert.equal(portOf(LISTENERS, 3, "open.test"), 8443);
  assert.equal(portOf(LISTENERS, 3, "other.test"), 8443);
});

test("A client of a site that no port with HTTP/3 serves is told of none", () => {
  assert.equal(portOf(LISTENERS, 0, "inner.test"), undefined);
  assert.equal(portOf(LISTENERS, 2, "inner.test"), undefined);
  for (const host of [null, "", "a b", "nobody.test"]) {
    assert.equal(portOf(LISTENERS, 0, host), undefined, String(host));
  }
});

test("The name alone does not make it the same site", () => {
  const listening: Http3Listening = {
    places: () => [1],
    addressOf: () => ({ transport: "tcp", host: "127.0.0.1", port: 443 }),
    sitesOf: (place) => {
      const table = new SiteTable<GatewaySite>();
      table.add(["a.test"], { name: `of ${place}` } as GatewaySite);
      return table;
    },
  };
  const find = http3PortFinder(0, listening);
  assert.equal(find({ headers: new Headers({ host: "a.test" }) }), undefined);
});

test("A listener on a unix socket has no port to tell", () => {
  const listening: Http3Listening = {
    places: () => [0],
    addressOf: () => ({ transport: "unix", path: "/x" }),
    sitesOf: () => {
      const table = new SiteTable<GatewaySite>();
      table.add([], siteOf("every"));
      return table;
    },
  };
  assert.equal(http3PortFinder(0, listening)({ headers: new Headers({ host: "a" }) }), undefined);
});
