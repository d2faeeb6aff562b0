/** What sites and routes do with requests, through the executable and a configuration file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { Afcgi } from "../support/afcgi.ts";
import { echoParameters, freshPath } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/places.ts";
import { httpRequest, rawRequest } from "../support/raw_http.ts";

/** The first site is the one of every host. */
async function withAfcgi(
  site: Record<string, unknown>,
  use: (port: number, afcgi: Afcgi) => Promise<void>,
  env: Record<string, string> = {},
  otherSites: readonly Record<string, unknown>[] = [],
): Promise<void> {
  const path = freshPath();
  const application = await serveFastCgi(echoParameters, { listen: `unix:${path}` });
  const afcgi = await Afcgi.start({
    config: { upstreams: { app: { servers: [`unix:${path}`] } }, sites: [site, ...otherSites] },
    env,
  });
  try {
    await use(afcgi.port, afcgi);
  } finally {
    await afcgi.stop();
    await application.shutdown({ grace: 0 });
  }
}

test("Parameters, a trusted proxy and a trace reach the application", async () => {
  const site = {
    trusted_proxies: ["127.0.0.1"],
    proxy_headers: ["for", "proto", "request-id"],
    trace_context: true,
    params: { SECRET: "${env.SECRET}", ID: "${request.id}", SERVER_SOFTWARE: null },
    routes: [{
      path: "/cgi-bin/*",
      fastcgi: {
        upstream: "app",
        strip: "/cgi-bin",
        split_path: [".cgi"],
        params: { REST: "<${match}>" },
      },
    }],
  };
  await withAfcgi(site, async (port, afcgi) => {
    const response = await httpRequest(port, {
      target: "/cgi-bin/a.cgi/b",
      headers: {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Request-Id": "proxy-7",
      },
    });
    const sent = JSON.parse(response.body.toString());
    assert.deepEqual(
      [sent.SECRET, sent.ID, sent.REST, sent.SCRIPT_NAME, sent.PATH_INFO],
      ["s3cret", "proxy-7", "<a.cgi/b>", "/a.cgi", "/b"],
    );
    assert.deepEqual([sent.REMOTE_ADDR, sent.HTTPS], ["192.0.2.1", "on"]);
    assert.equal("SERVER_SOFTWARE" in sent, false);
    assert.match(sent.HTTP_TRACEPARENT, /^00-[0-9a-f]{32}-/);
    const line = await afcgi.waitForAccess(({ request_id }) => request_id === "proxy-7");
    assert.equal(line["trace_id"], sent.HTTP_TRACEPARENT.slice(3, 35));
  }, { SECRET: "s3cret" });
});

test("Passwords, addresses, CORS, headers, pages and redirects are what the file says", async () => {
  const site = {
    headers: { set: { "X-Request-Id": "${request.id}" } },
    error_pages: { 401: { body: "who are you\n", type: "text/plain" }, "4xx": { body: "no\n" } },
    routes: [
      { path: "/old/*", redirect: { to: "/new/${match}", status: 308 } },
      { path: "/inside", ip_restriction: { allow: ["192.0.2.0/24"] }, respond: {} },
      { path: "/api", methods: ["GET"], cors: { origins: ["*"] }, respond: { body: "api" } },
      { path: "/form", limits: { request_body: "4B" }, fastcgi: { upstream: "app" } },
      {
        path: "/secret",
        basic_auth: { users: { anna: "s3cret" } },
        security_headers: {},
        fastcgi: { upstream: "app" },
      },
    ],
  };
  await withAfcgi(site, async (port) => {
    const moved = await httpRequest(port, { target: "/old/a%20b" });
    assert.deepEqual([moved.status, moved.headers.get("location")], [308, "/new/a%20b"]);
    const outside = await httpRequest(port, { target: "/inside" });
    assert.deepEqual([outside.status, outside.body.toString()], [403, "no\n"]);
    const preflight = await httpRequest(port, {
      method: "OPTIONS",
      target: "/api",
      headers: { Origin: "https://a.example" },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-origin"), "*");
    const large = await httpRequest(port, { method: "POST", target: "/form", body: "12345" });
    assert.equal(large.status, 413);
    const refused = await httpRequest(port, { target: "/secret" });
    assert.deepEqual([refused.status, refused.body.toString()], [401, "who are you\n"]);
    assert.ok(refused.headers.get("www-authenticate"));
    assert.ok(refused.headers.get("x-request-id"));
    const basic = `Basic ${Buffer.from("anna:s3cret").toString("base64")}`;
    const anna = await httpRequest(port, { target: "/secret", headers: { Authorization: basic } });
    assert.equal(JSON.parse(anna.body.toString()).REMOTE_USER, "anna");
    assert.equal(anna.headers.get("x-frame-options"), "SAMEORIGIN");
  });
});

test("Headers reach the application once, under no name that is not theirs", async () => {
  const site = {
    root: temporaryDirectory(),
    routes: [{
      fastcgi: {
        upstream: "app",
        index: "index.cgi",
        params: { HTTP_X_OURS: "ours", HTTP_X_GONE: null, PRESENT: "" },
      },
    }],
  };
  await withAfcgi(site, async (port) => {
    const response = await rawRequest(
      port,
      "GET /a/%C3%A9/?q=%20 HTTP/1.1\r\nHost: A.example:99\r\nConnection: X-Hop\r\n" +
        "X-Hop: 1\r\nX-List: a\r\nx-list: b\r\nCookie: a=1\r\ncookie: b=2\r\n" +
        "X-Ours: theirs\r\nX-Gone: 1\r\nRemote_User: root\r\nContent_Length: 9\r\n" +
        "X.Real.IP: 1\r\nProxy: evil\r\nProxy-Authorization: x\r\nTE: trailers\r\n" +
        "Authorization: y\r\n\r\n",
    );
    const sent: Record<string, string> = JSON.parse(response.body.toString());
    const ofHeaders = Object.entries(sent).filter(([name]) => name.startsWith("HTTP_")).sort();
    assert.deepEqual(ofHeaders, [
      ["HTTP_AUTHORIZATION", "y"],
      ["HTTP_COOKIE", "a=1; b=2"],
      ["HTTP_HOST", "A.example:99"],
      ["HTTP_X_LIST", "a, b"],
      ["HTTP_X_OURS", "ours"],
    ]);
    assert.equal("REMOTE_USER" in sent || "CONTENT_LENGTH" in sent, false);
    assert.deepEqual(
      [sent["SERVER_NAME"], sent["SERVER_PORT"], sent["PRESENT"]],
      ["a.example", "99", ""],
    );
    assert.deepEqual(
      [sent["REQUEST_URI"], sent["SCRIPT_NAME"], sent["PATH_INFO"], sent["PATH_TRANSLATED"]],
      ["/a/%C3%A9/?q=%20", "/a/é/index.cgi", undefined, undefined],
    );
  });
});

test("A host has its site, and a method that no route takes is told which ones are", async () => {
  const answering = (body: string) => ({ routes: [{ respond: { body } }] });
  const others = [
    { hosts: ["*.example.com"], ...answering("any") },
    { hosts: ["*.b.example.com"], ...answering("below b") },
    { hosts: ["a.b.example.com"], ...answering("exact") },
    {
      hosts: ["proxied.example"],
      trusted_proxies: ["127.0.0.1"],
      proxy_headers: "forwarded",
      routes: [{ fastcgi: { upstream: "app" } }],
    },
  ];
  const first = {
    root: temporaryDirectory(),
    etag: true,
    routes: [
      { path: "/api/*", methods: ["PUT", "GET"], respond: { body: "api" } },
      { path: "/api/x", methods: ["POST"], respond: {} },
      { static: {} },
    ],
  };
  await withAfcgi(
    first,
    async (port) => {
      const ask = async (host: string, target = "/api/", more: Record<string, string> = {}) =>
        await httpRequest(port, { target, headers: { Host: host, ...more } });
      const bodies: Record<string, string> = {};
      for (
        const host of ["a.b.example.com", "A.B.Example.Com.:80", "x.b.example.com", "z.example.com"]
      ) {
        bodies[host] = (await ask(host)).body.toString();
      }
      assert.deepEqual(bodies, {
        "a.b.example.com": "exact",
        "A.B.Example.Com.:80": "exact",
        "x.b.example.com": "below b",
        "z.example.com": "any",
      });
      const whole = await ask("elsewhere.example");
      assert.equal(whole.body.toString(), "api");
      const known = { "If-None-Match": whole.headers.get("etag")! };
      assert.equal((await ask("elsewhere.example", "/api/", known)).status, 304);

      const refused = await httpRequest(port, { method: "DELETE", target: "/api/x" });
      assert.deepEqual([refused.status, refused.headers.get("allow")], [
        405,
        "PUT, GET, POST, HEAD",
      ]);

      const forwarded = 'for="[2001:db8::1]:_hidden";proto=https;host="shop.example:444"';
      const seen = await ask("proxied.example", "/", { Forwarded: forwarded });
      const { REMOTE_ADDR, REMOTE_PORT, HTTPS, SERVER_NAME, SERVER_PORT } = JSON.parse(
        seen.body.toString(),
      );
      assert.deepEqual(
        [REMOTE_ADDR, REMOTE_PORT, HTTPS, SERVER_NAME, SERVER_PORT],
        ["2001:db8::1", undefined, "on", "shop.example", "444"],
      );
    },
    {},
    others,
  );
});
