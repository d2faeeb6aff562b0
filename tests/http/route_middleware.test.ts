/** Hono's middleware as options of routes: what it lets through, refuses and adds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters } from "../support/gateway.ts";
import { type HttpRequest, rawRequest } from "../support/raw_http.ts";

function basic(user: string, password: string): Record<string, string> {
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

test("basic_auth lets in who has the password, and tells the application who it is", async () => {
  const text = `
${APP_UPSTREAM}
sites:
  - basic_auth: { realm: "In \\"side\\"", users: { anna: "\${env.SECRET}", "zo\u00eb": w\u00f6rd } }
    headers: { set: { X-Site: site } }
    routes:
      - { path: /open, basic_auth: null, respond: { body: open } }
      - fastcgi: { upstream: app }
`;
  const env = { SECRET: "s3cret" };
  await withConfig({ text, application: echoParameters, env }, async (gateway) => {
    for (
      const headers of [{}, basic("anna", "wrong"), basic("nobody", "s3cret"), {
        Authorization: "x",
      }]
    ) {
      const refused = await gateway.send({ target: "/refused", headers });
      assert.equal(refused.status, 401);
      assert.equal(refused.headers.get("www-authenticate"), 'Basic realm="In \\"side\\""');
      assert.equal(refused.headers.get("x-site"), "site");
      assert.ok(refused.headers.get("x-request-id"));
    }
    assert.equal((await gateway.access.ofPath("/refused"))["code"], "unauthorized");
    const anna = await gateway.send({ headers: basic("anna", "s3cret") });
    const sent = JSON.parse(anna.body.toString());
    assert.deepEqual([sent.AUTH_TYPE, sent.REMOTE_USER], ["Basic", "anna"]);
    assert.equal(sent.HTTP_AUTHORIZATION, basic("anna", "s3cret")["Authorization"]);
    const zoe = await gateway.send({ headers: basic("zo\u00eb", "w\u00f6rd") });
    assert.equal(JSON.parse(zoe.body.toString()).REMOTE_USER, "zo\u00eb");
    assert.equal((await gateway.send("/open")).body.toString(), "open");
  });
});

test("ip_restriction looks at the client behind a trusted proxy", async () => {
  const text = `
sites:
  - trusted_proxies: [127.0.0.1]
    routes:
      - path: /inside
        ip_restriction: { allow: [10.0.0.0/8, "2001:db8::/32"], deny: [10.6.6.6] }
        respond: { body: in }
      - { path: /denied, ip_restriction: { deny: [10.6.6.6] }, respond: { body: in } }
`;
  await withConfig({ text }, async (gateway) => {
    const from = async (target: string, client?: string) => {
      const headers: Record<string, string> = client === undefined
        ? {}
        : { "X-Forwarded-For": client };
      return (await gateway.send({ target, headers })).status;
    };
    assert.equal(await from("/inside", "10.1.2.3"), 200);
    assert.equal(await from("/inside", "2001:db8::1"), 200);
    assert.equal(await from("/inside", "10.6.6.6"), 403);
    assert.equal(await from("/inside", "192.0.2.1"), 403);
    assert.equal(await from("/inside"), 403);
    assert.equal(await from("/denied"), 200);
    assert.equal(await from("/denied", "10.6.6.6"), 403);
    const line = await gateway.access.find((each) => each["status"] === 403);
    assert.equal(line["code"], "forbidden");
  });
});

test("cors answers a preflight before a password is asked for", async () => {
  const text = `
sites:
  - routes:
      - methods: [GET]
        basic_auth: { users: { anna: s3cret } }
        cors: { origins: ["https://app.example"], expose: [X-B], max_age: 10m, credentials: true }
        respond: { body: fine }
`;
  await withConfig({ text }, async (gateway) => {
    const preflight = await gateway.send({
      method: "OPTIONS",
      headers: {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "X-A",
      },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-origin"), "https://app.example");
    assert.equal(preflight.headers.get("access-control-max-age"), "600");
    assert.equal(preflight.headers.get("access-control-allow-headers"), "X-A");
    const headers = { Origin: "https://app.example", ...basic("anna", "s3cret") };
    const response = await gateway.send({ headers });
    assert.equal(response.body.toString(), "fine");
    assert.equal(response.headers.get("access-control-expose-headers"), "X-B");
    assert.equal(response.headers.get("access-control-allow-credentials"), "true");
    assert.match(response.headers.get("vary") ?? "", /Origin/);
    const other = await gateway.send({ headers: { ...headers, Origin: "https://evil.example" } });
    assert.equal(other.headers.has("access-control-allow-origin"), false);
  });
});

test("security_headers are the usual ones, but for what is said", async () => {
  const text = `
sites:
  - routes:
      - { path: /usual, security_headers: {}, respond: { body: fine } }
      - path: /own
        security_headers: { x_frame_options: DENY, strict_transport_security: false }
        respond: { body: fine }
`;
  await withConfig({ text }, async (gateway) => {
    const usual = (await gateway.send("/usual")).headers;
    assert.equal(usual.get("x-frame-options"), "SAMEORIGIN");
    assert.equal(usual.get("x-content-type-options"), "nosniff");
    assert.ok(!usual.has("strict-transport-security"), "over plain HTTP");
    const own = (await gateway.send("/own")).headers;
    assert.equal(own.get("x-frame-options"), "DENY");
    assert.equal(own.has("strict-transport-security"), false);
    assert.equal((await gateway.send("/own")).headers.get("content-length"), "4");
  });
});

test("etag tags a whole response and answers its condition; a stream goes on as it comes", async () => {
  const text = `
${APP_UPSTREAM}
sites: [{ routes: [{ etag: true, fastcgi: { upstream: app } }] }]
`;
  const application = (request: Request) => {
    if (!request.url.endsWith("/stream")) return new Response("whole");
    let pieces = 0;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve));
          if (pieces++ < 3) controller.enqueue(new TextEncoder().encode(`${pieces}`));
          else controller.close();
        },
      }),
    );
  };
  await withConfig({ text, application }, async (gateway) => {
    const first = await gateway.send("/");
    const tag = first.headers.get("etag")!;
    assert.match(tag, /^"[0-9a-f]{40}"$/);
    assert.equal(first.body.toString(), "whole");
    const ask = (request: HttpRequest) =>
      gateway.send({ ...request, headers: { "If-None-Match": tag } });
    const second = await rawRequest(
      gateway.port,
      `GET /again HTTP/1.1\r\nHost: a\r\nIf-None-Match: ${tag}\r\n\r\n`,
    );
    assert.equal(second.status, 304);
    assert.equal((await gateway.access.ofPath("/again"))["bytes_out"], 0);
    assert.equal((await ask({ method: "POST", body: "" })).status, 200);
    const stream = await ask({ target: "/stream" });
    assert.deepEqual([stream.body.toString(), stream.headers.has("etag")], ["123", false]);
  });
});
