/** What sites and routes do with requests, through the executable and a configuration file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { Afcgi } from "../support/afcgi.ts";
import { echoParameters, freshPath } from "../support/gateway.ts";
import { httpRequest } from "../support/raw_http.ts";

async function withAfcgi(
  site: Record<string, unknown>,
  use: (port: number, afcgi: Afcgi) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  const path = freshPath();
  const application = await serveFastCgi(echoParameters, { listen: `unix:${path}` });
  const afcgi = await Afcgi.start({
    config: { upstreams: { app: { servers: [`unix:${path}`] } }, sites: [site] },
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
    const answer = await httpRequest(port, {
      target: "/cgi-bin/a.cgi/b",
      headers: {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Request-Id": "proxy-7",
      },
    });
    const sent = JSON.parse(answer.body.toString());
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
