/**
 * A client behind a trusted proxy tries to be somebody else: the proxy itself, which access rules let
 * in, or a client, host or scheme of its choice. `tests/fronts/trusted_proxies.test.ts` tries it with
 * real proxies.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PROXY_HEADERS, type ProxyHeader, readForwarded } from "../../src/http/forwarded.ts";
import { IpNetworks } from "../../src/http/ip_networks.ts";
import { withConfig } from "../support/configured.ts";
import { echoParameters } from "../support/gateway.ts";

const ATTACKER = "203.0.113.66";

function text(proxyHeaders: string): string {
  return `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - trusted_proxies: [127.0.0.0/8, "::1"]
    ${proxyHeaders}
    routes:
      - { path: /allow, ip_restriction: { allow: [127.0.0.0/8, 10.0.0.0/8] }, respond: { body: in } }
      - { path: /deny, ip_restriction: { deny: [192.0.2.0/24] }, respond: { body: in } }
      - fastcgi: { upstream: app, params: { ID: "\${request.id}" } }
`;
}

/** What the client sends, as it leaves a proxy that appends to X-Forwarded-For. */
const CUSTOMARY: Record<string, Record<string, string>> = {
  "a scheme that is none": { "X-Forwarded-Proto": "ftp" },
  "a host that is none": { "X-Forwarded-Host": "a b" },
  "a port that is none": { "X-Forwarded-Port": "0" },
  "32 entries": { "X-Forwarded-For": new Array(32).fill("127.0.0.1").join(", ") },
  "5 kB": { "X-Forwarded-For": "x".repeat(5000) },
  "20 kB of commas": { "X-Forwarded-For": ",".repeat(20_000) },
  "open quotes": { "X-Forwarded-For": '"', "Forwarded": 'for="' },
  "everything at once": {
    "X-Forwarded-For": "127.0.0.1, ::1",
    "X-Forwarded-Proto": "ftp, https",
    "X-Forwarded-Host": "<>",
    "X-Forwarded-Port": "-1",
    "Forwarded": "for=127.0.0.1",
    "X-Real-IP": "127.0.0.1",
  },
};

test("No field of a client's makes it the proxy", async () => {
  await withConfig({ text: text(""), application: echoParameters }, async (gateway) => {
    for (const [name, own] of Object.entries(CUSTOMARY)) {
      const list = own["X-Forwarded-For"];
      const appended = list === undefined ? ATTACKER : `${list}, ${ATTACKER}`;
      const headers = { ...own, "X-Forwarded-For": appended };
      assert.equal((await gateway.send({ target: "/allow", headers })).status, 403, name);
      const sent = JSON.parse((await gateway.send({ headers })).body.toString());
      assert.equal(sent.REMOTE_ADDR, ATTACKER, name);
      assert.notEqual(sent.SERVER_NAME, "<>", name);
    }
    assert.equal((await gateway.send("/allow")).status, 200, "the proxy itself");
  });
});

test("Nor does anything before the element that the proxy adds to Forwarded", async () => {
  const config = text("proxy_headers: forwarded");
  await withConfig({ text: config, application: echoParameters }, async (gateway) => {
    const own = [
      ...["junk", 'for="', 'for="127.0.0.1', "for=127.0.0.1;", '"\\', "\\", ";;;", "for=127.0.0.1"],
      ...["for=127.0.0.1, ".repeat(100), "=", 'x="\\"', "proto=https;host=evil.example"],
    ];
    for (const junk of own) {
      const headers = { Forwarded: `${junk}, for=${ATTACKER};proto=http` };
      assert.equal((await gateway.send({ target: "/allow", headers })).status, 403, junk);
      const sent = JSON.parse((await gateway.send({ headers })).body.toString());
      assert.deepEqual([sent.REMOTE_ADDR, sent.HTTPS], [ATTACKER, undefined], junk);
    }
  });
});

test("A client that nobody knows is let in by no rule, and has no address", async () => {
  await withConfig({ text: text(""), application: echoParameters }, async (gateway) => {
    for (const entry of ["unknown", "_hidden", "", "127.0.0.1, x", "127.0.0.1:99999", "unix:"]) {
      const headers = { "X-Forwarded-For": entry };
      assert.equal((await gateway.send({ target: "/allow", headers })).status, 403, entry);
      assert.equal((await gateway.send({ target: "/deny", headers })).status, 403, entry);
      const sent = JSON.parse((await gateway.send({ headers })).body.toString());
      assert.deepEqual([sent.REMOTE_ADDR, sent.REMOTE_PORT], ["unknown", undefined], entry);
    }
  });
});

test("An address in another dress meets the same rules", async () => {
  await withConfig({ text: text("") }, async (gateway) => {
    const dresses = ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:C000:0201", "[::ffff:192.0.2.1]:1"];
    for (const entry of dresses) {
      const headers = { "X-Forwarded-For": entry };
      assert.equal((await gateway.send({ target: "/deny", headers })).status, 403, entry);
    }
    const headers = { "X-Forwarded-For": "198.51.100.1" };
    assert.equal((await gateway.send({ target: "/deny", headers })).status, 200);
  });
});

test("A client chooses nothing through a proxy that does not set it", async () => {
  const config = text("proxy_headers: [for]");
  await withConfig({ text: config, application: echoParameters }, async (gateway) => {
    const headers = {
      "Host": "site.example",
      "X-Forwarded-For": ATTACKER,
      "X-Forwarded-Proto": "https",
      "X-Forwarded-Host": "evil.example:444",
      "X-Forwarded-Port": "445",
      "X-Request-Id": "forged",
      "Forwarded": "for=127.0.0.1;proto=https;host=evil.example",
    };
    const sent = JSON.parse((await gateway.send({ target: "/x", headers })).body.toString());
    assert.deepEqual(
      [sent.REMOTE_ADDR, sent.SERVER_NAME, sent.SERVER_PORT, sent.HTTPS, sent.REQUEST_SCHEME],
      [ATTACKER, "site.example", String(gateway.port), undefined, "http"],
    );
    assert.match(sent.ID, /^[0-9a-f]{8}-\d+$/);
    assert.equal((await gateway.access.ofPath("/x"))["request_id"], sent.ID);
  });
});

const networks = new IpNetworks(["10.0.0.0/8", "2001:db8::/32"]);
const isTrusted = (address: string) => networks.has(address);
const junk = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom(",", '"', "\\", ";", "=", " ", "for=", "10.1.1.1") }),
).filter((value) => /^[\t\x20-\x7e]*$/.test(value));
const client = fc.constantFrom("192.0.2.1", "[2001:db9::1]:80", "unknown", "x");
const trusted = fc.array(fc.constantFrom("10.1.1.1", "2001:db8::1", "10.2.2.2:80"), {
  maxLength: 3,
});

test("Whatever stands left of the hop that is not trusted changes nothing", () => {
  fc.assert(fc.property(junk, client, trusted, (left, hop, hops) => {
    const right = [hop, ...hops].join(", ");
    const read = (field: string, fields: ProxyHeader[], value: string) =>
      readForwarded(new Set(fields), new Headers({ [field]: value }), isTrusted);
    assert.deepEqual(
      read("x-forwarded-for", ["for"], `${left}, ${right}`),
      read("x-forwarded-for", ["for"], right),
    );
    const elements = [hop, ...hops].map((node) => `for="${node}";proto=https`).join(", ");
    assert.deepEqual(
      read("forwarded", ["forwarded"], `${left}, ${elements}`),
      read("forwarded", ["forwarded"], elements),
    );
  }));
});

test("No field that is not named counts", () => {
  const fieldsOf = (value: string) => ({
    "x-forwarded-for": value,
    "x-forwarded-proto": value,
    "x-forwarded-host": value,
    "x-forwarded-port": value,
    "forwarded": `for=${value}`,
  });
  fc.assert(fc.property(fc.subarray([...PROXY_HEADERS]), junk, (named, value) => {
    const fields = new Set<ProxyHeader>(named);
    const kept = Object.entries(fieldsOf(value)).filter(([name]) =>
      fields.has(name.replace("x-forwarded-", "") as ProxyHeader)
    );
    assert.deepEqual(
      readForwarded(fields, new Headers(fieldsOf(value)), isTrusted),
      readForwarded(fields, new Headers(kept), isTrusted),
    );
  }));
});
