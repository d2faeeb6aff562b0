/**
 * What proxies say of a client, against a model that reads a list as one would by hand: from its
 * right, entry by entry, as far as whoever wrote it is trusted.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ForwardedHop, type ProxyHeader, readForwarded } from "../../src/http/forwarded.ts";
import { parseHost } from "../../src/http/host.ts";

const isTrusted = (address: string): boolean => address.startsWith("10.");

function told(headers: Record<string, string>, ...fields: ProxyHeader[]): ForwardedHop {
  return readForwarded(new Set(fields), new Headers(headers), isTrusted);
}

/** What can stand in the place of a client, and who that is; null for what cannot be read. */
const NODES: Readonly<Record<string, { host: string; port: number } | null>> = {
  "10.0.0.1": { host: "10.0.0.1", port: 0 },
  "10.0.0.2:65535": { host: "10.0.0.2", port: 65_535 },
  "10.0.0.3:_a.b-c": { host: "10.0.0.3", port: 0 },
  "192.0.2.1": { host: "192.0.2.1", port: 0 },
  "192.0.2.1:1": { host: "192.0.2.1", port: 1 },
  "[2001:DB8::1]:80": { host: "2001:db8::1", port: 80 },
  "[::ffff:10.0.0.9]": { host: "10.0.0.9", port: 0 },
  "2001:db8::2": { host: "2001:db8::2", port: 0 },
  "192.0.2.1:65536": null,
  "192.0.2.1:": null,
  "192.0.2.1:123456": null,
  unknown: null,
  _hidden: null,
};

const SCHEMES: Readonly<Record<string, string | null>> = {
  http: "http",
  HTTPS: "https",
  ftp: null,
};

const HOSTS: readonly string[] = ["a.example", "B:81", "[::1]:82", "a b", "<>"];

const nodes = fc.constantFrom(...Object.keys(NODES), "10.0.0.1", "10.0.0.2:65535");
const blank = fc.constantFrom("", " ", "\t", " \t ");

test("The lists of X-Forwarded fields are read from their right, each beside the client", () => {
  const list = (texts: readonly string[]) =>
    fc.array(fc.tuple(blank, fc.constantFrom(...texts), blank), { minLength: 1, maxLength: 4 });
  const joined = (entries: readonly (readonly [string, string, string])[]) =>
    entries.map((entry) => entry.join("")).join(",");
  const ports: Readonly<Record<string, number | null>> = {
    "1": 1,
    "65535": 65_535,
    "0": null,
    "65536": null,
    "+1": null,
    "012345": null,
  };
  fc.assert(
    fc.property(
      list([...Object.keys(NODES), "10.0.0.1", "10.0.0.4", ""]),
      list(["", ...Object.keys(SCHEMES)]),
      list(["", ...HOSTS]),
      list(["", ...Object.keys(ports)]),
      (clients, schemes, hosts, portTexts) => {
        const hop = told(
          {
            "x-forwarded-for": joined(clients),
            "x-forwarded-proto": joined(schemes),
            "x-forwarded-host": joined(hosts),
            "x-forwarded-port": joined(portTexts),
          },
          "for",
          "proto",
          "host",
          "port",
        );
        let depth = 0;
        let client;
        for (;; depth++) {
          client = NODES[clients.at(-1 - depth)![1]] ?? null;
          if (clients.at(-1 - depth)![1] === "10.0.0.4") client = { host: "10.0.0.4", port: 0 };
          if (client === null || !isTrusted(client.host) || depth === clients.length - 1) break;
        }
        const beside = (values: typeof schemes) => (values.at(-1 - depth) ?? values.at(-1)!)[1];
        const read = <Value>(text: string, value: Value) => text === "" ? undefined : value;
        const [scheme, host, port] = [beside(schemes), beside(hosts), beside(portTexts)];
        const expected = {
          client,
          scheme: read(scheme, SCHEMES[scheme]),
          host: read(host, parseHost(host) ?? null),
          port: read(port, ports[port]),
        };
        const wrong = [
          ["X-Forwarded-For", clients.at(-1 - depth)![1], expected.client],
          ["X-Forwarded-Proto", scheme, expected.scheme],
          ["X-Forwarded-Host", host, expected.host],
          ["X-Forwarded-Port", port, expected.port],
        ].find(([, , value]) => value === null);
        const error = wrong && { field: wrong[0], value: wrong[1] };
        assert.deepEqual({ ...hop, error: hop.error }, { ...expected, error });
      },
    ),
    { numRuns: 2_000 },
  );
});

/** A pair's value as a token where it can be one, or in quotes, with characters escaped at will. */
const written = (value: string) =>
  fc.tuple(fc.boolean(), fc.nat(2)).map(([isQuoted, every]) => {
    if (!isQuoted && /^[^\s",;=]+$/.test(value)) return value;
    const escaped = value.replaceAll(
      /[^]/g,
      (one, at: number) =>
        /["\\]/.test(one) || (every > 0 && at % (every + 1) === 0) ? `\\${one}` : one,
    );
    return `"${escaped}"`;
  });

const element = fc.record({
  client: nodes,
  scheme: fc.constantFrom(undefined, ...Object.keys(SCHEMES)),
  host: fc.constantFrom(undefined, ...HOSTS),
  other: fc.constantFrom(undefined, "a,b;c", 'd"e', "f\\", '\\",', ""),
}).chain(({ client, scheme, host, other }) => {
  const pairs: [string, string][] = [["For", client]];
  if (scheme !== undefined) pairs.push(["proto", scheme]);
  if (host !== undefined) pairs.push(["HOST", host]);
  if (other !== undefined) pairs.push(["x-other", other]);
  const texts = pairs.map(([name, value]) =>
    fc.tuple(blank, written(value), blank).map(([before, text, behind]) =>
      `${before}${name}=${text}${behind}`
    )
  );
  return fc.tuple(fc.tuple(...texts), fc.boolean(), fc.constantFrom(";", ";;", "; ;"))
    .map(([shown, isTurned, between]) => ({
      text: (isTurned ? shown.toReversed() : shown).join(between),
      client: NODES[client]!,
      scheme: scheme === undefined ? undefined : SCHEMES[scheme],
      host: host === undefined ? undefined : parseHost(host) ?? null,
      said: { client, scheme, host },
    }));
});

test("Elements of Forwarded are read from their right, however their pairs are written", () => {
  fc.assert(
    fc.property(fc.array(element, { minLength: 1, maxLength: 4 }), (elements) => {
      const hop = told({ forwarded: elements.map(({ text }) => text).join(",") }, "forwarded");
      let at = elements.length - 1;
      while (at > 0 && elements[at]!.client !== null && isTrusted(elements[at]!.client.host)) at--;
      const { client, scheme, host, said } = elements[at]!;
      const wrong = client === null
        ? said.client
        : scheme === null
        ? said.scheme
        : host === null
        ? said.host
        : undefined;
      const error = wrong === undefined ? undefined : { field: "Forwarded", value: wrong };
      assert.deepEqual(hop, { client, scheme, host, port: undefined, error });
    }),
    { numRuns: 2_000 },
  );
});

test("An element with half a quote is unknown, and nothing left of it is looked at", () => {
  const trusted = "for=10.0.0.1";
  for (const half of ['for="192.0.2.1', 'for=192.0.2.1"', 'for="192.0.2.1\\"', '"', 'x="', '\\"']) {
    const hop = told({ forwarded: `for=192.0.2.9, ${half}` }, "forwarded");
    assert.deepEqual([hop.client, hop.error?.field], [null, "Forwarded"], half);
    const behind = told({ forwarded: `${half},${trusted}` }, "forwarded");
    assert.equal(behind.client, null, half);
  }
  // Of a hop that is known by then, what a client made up is not read.
  const made = told({ forwarded: 'for="192.0.2.9, for=192.0.2.1' }, "forwarded");
  assert.deepEqual(made.client, { host: "192.0.2.1", port: 0 });
  const open = told({ forwarded: `${"x".repeat(2_000)}"${"y".repeat(1_100)}` }, "forwarded");
  assert.equal(open.error?.value, "y".repeat(1_024));
});

test("A pair that is none, or comes twice, makes its element unknown", () => {
  const around = ["for=192.0.2.1;", ""];
  for (
    const pair of ["junk", "=x", "a b=c", "x=a b;for=192.0.2.1", "for=192.0.2.1;FOR=192.0.2.1"]
  ) {
    for (const before of around) {
      const { client } = told({ forwarded: `${before}${pair}` }, "forwarded");
      const isKnown = pair.startsWith("x=") && before === "";
      assert.deepEqual(client, isKnown ? { host: "192.0.2.1", port: 0 } : null, before + pair);
    }
  }
});

test("An entry, an element and its pairs are looked at up to a length, and no further", () => {
  const client = { host: "192.0.2.1", port: 0 };
  for (const [length, expected] of [[128, client], [129, null]] as const) {
    const entry = `192.0.2.1:_${"x".repeat(length - 11)}`;
    assert.deepEqual(told({ "x-forwarded-for": entry }, "for").client, expected, `${length}`);
  }
  for (const [length, expected] of [[1_024, client], [1_025, null]] as const) {
    const text = `for=192.0.2.1;x=${"y".repeat(length - 16)}`;
    assert.deepEqual(told({ forwarded: text }, "forwarded").client, expected, `${length}`);
  }
  for (const [count, expected] of [[16, client], [17, null]] as const) {
    const pairs = Array.from({ length: count - 1 }, (_, at) => `x${at}=y`);
    const text = ["for=192.0.2.1", ...pairs].join(";");
    assert.deepEqual(told({ forwarded: text }, "forwarded").client, expected, `${count} pairs`);
  }
});

test("Of fields that proxies do not set nothing is read, and without any nothing is told", () => {
  const none = { client: undefined, scheme: undefined, host: undefined, port: undefined };
  const all = { "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https", forwarded: "for=_x" };
  assert.deepEqual(told(all, "host", "port"), { ...none, error: undefined });
  assert.deepEqual(told({}, "forwarded"), { ...none, error: undefined });
  assert.deepEqual(told({}, "for", "proto", "host", "port"), { ...none, error: undefined });
});
