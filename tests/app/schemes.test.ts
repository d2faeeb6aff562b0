/** What a site makes of plain HTTP and of TLS: redirects, refusals, and what browsers remember. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { selfSigned } from "../support/certificates.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters, type Gateway } from "../support/gateway.ts";
import { httpsRequest } from "../support/https.ts";
import { missingPeer } from "../support/peers.ts";
import { httpRequest } from "../support/raw_http.ts";

const skip = missingPeer("openssl") ?? false;

const LISTEN = `listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: {} }]`;

function tlsOf(name: string): string {
  const { certPath, keyPath } = selfSigned(`/CN=${name}`, `subjectAltName=DNS:${name}`);
  return `{ cert: "${certPath}", key: "${keyPath}" }`;
}

const portsOf = ({ app }: Gateway) =>
  app.addresses.map((address) => address.transport === "tcp" ? address.port : 0);

test(
  "Each name gets the certificate of its site; a name of nobody's is refused alone",
  { skip },
  async () => {
    const text = `
${LISTEN}
sites:
  - { hosts: [a.test], tls: ${tlsOf("a.test")}, routes: [{ respond: { body: a } }] }
  - { hosts: ["*.b.test"], tls: ${tlsOf("*.b.test")}, routes: [{ respond: { body: b } }] }
`;
    await withConfig({ text, listen: "file" }, async (gateway) => {
      const [, port = 0] = portsOf(gateway);
      const a = await httpsRequest({ port, servername: "A.test", host: "a.test" });
      assert.deepEqual([a.subject, a.body, a.status], ["a.test", "a", 200]);
      const b = await httpsRequest({ port, servername: "x.b.test" });
      assert.deepEqual([b.subject, b.body], ["*.b.test", "b"]);
      await assert.rejects(httpsRequest({ port, servername: "other.test" }));
      const failed = await gateway.log.find((line) => line["code"] === "tls_handshake_failed");
      assert.equal(failed["reason"], "unknown_name");
      const nameless = await httpsRequest({ port, host: "a.test" });
      assert.equal(nameless.subject, "a.test", "the first site's");
      assert.equal((await httpsRequest({ port, servername: "a.test" })).status, 200);
    });
  },
);

test("https: redirect, the default with tls, keeps host, path and query, and names the port", {
  skip,
}, async () => {
  const text = `
${LISTEN}
${APP_UPSTREAM}
sites:
  - hosts: [a.test]
    tls: ${tlsOf("a.test")}
    trusted_proxies: [127.0.0.2]
    proxy_headers: [for, proto]
    routes: [{ fastcgi: { upstream: app } }]
  - { hosts: [allowed.test], tls: ${
    tlsOf("allowed.test")
  }, https: allow, routes: [{ respond: { body: fine } }] }
  - { hosts: [only.test], tls: ${
    tlsOf("only.test")
  }, https: only, routes: [{ respond: { body: fine } }] }
  - { hosts: [plain.test], routes: [{ respond: { body: fine } }] }
`;
  const configured = { text, application: echoParameters, listen: "file" } as const;
  await withConfig(configured, async (gateway) => {
    const [plain = 0, port = 0] = portsOf(gateway);
    const get = (host: string, target: string, method = "GET") =>
      httpRequest(plain, { target, method, headers: { Host: host } });
    for (const method of ["GET", "HEAD", "POST"]) {
      const sent = await get("a.test:8080", "/p%20q/?a=b&c=%2f", method);
      assert.equal(sent.status, 308);
      assert.equal(sent.headers.get("location"), `https://a.test:${port}/p%20q/?a=b&c=%2f`);
    }
    const evil = await get("a.test", "//evil.example/x");
    assert.match(evil.headers.get("location") ?? "", /^https:\/\/a\.test:\d+\/\/evil\.example\/x$/);
    assert.equal((await get("allowed.test", "/")).status, 200);
    assert.equal((await get("only.test", "/")).status, 403);
    assert.equal(
      (await gateway.access.find((line) => line["host"] === "only.test"))["code"],
      "https_only",
    );
    assert.equal((await get("plain.test", "/")).status, 200);
    const over = await httpsRequest({ port, servername: "a.test", target: "/x" });
    assert.equal(over.status, 200);
    const sent = JSON.parse(
      over.body.slice(over.body.indexOf("{"), over.body.lastIndexOf("}") + 1),
    );
    assert.deepEqual(
      [sent.HTTPS, sent.REQUEST_SCHEME, sent.SERVER_PORT, sent.SERVER_NAME],
      ["on", "https", String(port), "a.test"],
    );
  });
});

test(
  "Behind a trusted proxy its client's scheme counts: no loop, and no port of ours",
  { skip },
  async () => {
    const text = `
${LISTEN}
${APP_UPSTREAM}
sites:
  - hosts: [a.test]
    tls: ${tlsOf("a.test")}
    hsts: { max_age: 1d }
    trusted_proxies: [127.0.0.1]
    routes: [{ fastcgi: { upstream: app } }]
`;
    const configured = { text, application: echoParameters, listen: "file" } as const;
    await withConfig(configured, async (gateway) => {
      const get = (proto: string | undefined) =>
        gateway.send({
          target: "/x",
          headers: {
            Host: "a.test",
            "X-Forwarded-For": "192.0.2.1",
            ...(proto !== undefined && { "X-Forwarded-Proto": proto }),
          },
        });
      const over = await get("https");
      assert.equal(over.status, 200);
      assert.equal(JSON.parse(over.body.toString()).HTTPS, "on");
      assert.equal(over.headers.get("strict-transport-security"), "max-age=86400");
      for (const proto of ["http", undefined, "ftp"]) {
        const plain = await get(proto);
        assert.equal(plain.status, 308, String(proto));
        assert.equal(plain.headers.get("location"), "https://a.test/x");
        assert.ok(!plain.headers.has("strict-transport-security"));
      }
    });
  },
);

test(
  "hsts is said over TLS alone, for every response; security_headers says no more than is asked",
  {
    skip,
  },
  async () => {
    const text = `
${LISTEN}
${APP_UPSTREAM}
sites:
  - hosts: [a.test]
    tls: ${tlsOf("a.test")}
    https: allow
    hsts: { include_subdomains: true }
    root: /
    routes:
      - { path: /fixed, respond: { body: fine } }
      - { path: /app, fastcgi: { upstream: app } }
      - { path: /etc/*, static: {} }
  - hosts: [b.test]
    tls: ${tlsOf("b.test")}
    https: allow
    routes:
      - { path: /usual, security_headers: {}, respond: { body: fine } }
      - { path: /own, security_headers: { strict_transport_security: "max-age=1; includeSubDomains" }, respond: {} }
      - { path: /none, security_headers: { strict_transport_security: false }, respond: {} }
`;
    const application = () =>
      new Response("fine", { headers: { "Strict-Transport-Security": "max-age=0" } });
    await withConfig({ text, application, listen: "file" }, async (gateway) => {
      const [plain = 0, port = 0] = portsOf(gateway);
      const hsts = async (host: string, target: string) => {
        const over = await httpsRequest({ port, servername: host, target });
        const without = await httpRequest(plain, { target, headers: { Host: host } });
        assert.equal(over.status, without.status, target);
        return [over, without].map(({ headers }) =>
          headers.get("strict-transport-security") ?? null
        );
      };
      for (const target of ["/fixed", "/etc/hostname", "/nothing", "/etc/no-such-file"]) {
        const told = await hsts("a.test", target);
        assert.deepEqual(told, ["max-age=15552000; includeSubDomains", null], target);
      }
      assert.deepEqual(await hsts("a.test", "/app"), [
        "max-age=15552000; includeSubDomains",
        "max-age=0",
      ]);
      assert.deepEqual(await hsts("b.test", "/usual"), ["max-age=15552000", null]);
      assert.deepEqual(await hsts("b.test", "/own"), ["max-age=1; includeSubDomains", null]);
      assert.deepEqual(await hsts("b.test", "/none"), [null, null]);
    });
  },
);
