/** Error pages and headers: which responses get them, and what stays of the response. */
import assert from "node:assert/strict";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withConfig } from "../support/configured.ts";
import type { Gateway } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/places.ts";

const PAGES = `
error_pages:
  404: /404.html
  405: { body: "not so\\n", type: text/plain }
  5xx: { body: "<p>Sorry" }
`.trimStart().replaceAll("\n", "\n    ");

function directoryWithPages(): string {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "404.html"), "<p>Nothing here");
  return directory;
}

/** The application says which status it has; `/cut` is a stream of its own. */
function application(request: Request): Response {
  const status = Number(new URL(request.url).pathname.slice(1));
  return new Response(`application ${status}`, { status, headers: { "X-App": "yes" } });
}

function statusOf(gateway: Gateway, target: string) {
  return gateway.send(target).then((response) => `${response.status} ${response.body}`);
}

test("Responses of our own get the site's page, with their status and id", async () => {
  const directory = directoryWithPages();
  const text = `
sites:
  - root: ${directory}
    ${PAGES}
    routes:
      - { path: /only-get, methods: [GET], respond: { body: fine } }
      - { path: /configured, respond: { status: 404, body: "as configured" } }
      - { path: /files/*, static: {} }
`;
  await withConfig({ text }, async (gateway) => {
    const missing = await gateway.send("/none");
    assert.equal(missing.status, 404);
    assert.equal(missing.body.toString(), "<p>Nothing here");
    assert.equal(missing.headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(missing.headers.get("content-length"), "15");
    const line = await gateway.access.ofPath("/none");
    assert.equal(missing.headers.get("x-request-id"), line["request_id"]);
    assert.deepEqual([line["code"], line["bytes_out"]], ["no_such_route", 15]);
    assert.equal(await statusOf(gateway, "/files/none"), "404 <p>Nothing here");
    const refused = await gateway.send({ method: "POST", target: "/only-get", body: "" });
    assert.equal(refused.body.toString(), "not so\n");
    assert.equal(refused.headers.get("allow"), "GET, HEAD");
    assert.equal(await statusOf(gateway, "/configured"), "404 as configured");
    const headers = await gateway.send({ method: "HEAD", target: "/none" });
    assert.deepEqual([headers.status, headers.headers.get("content-length")], [404, "15"]);
    rmSync(join(directory, "404.html"));
    assert.match(await statusOf(gateway, "/none"), /^404 404 Not Found \(no_such_route\)/);
  });
});

test("The source of a script is no page, by its own name or by that of a link", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "gone.cgi"), "#!/bin/sh");
  symlinkSync("gone.cgi", join(directory, "gone.html"));
  const text = `
upstreams: { app: { servers: ["\${env.APP}"] } }
sites:
  - root: ${directory}
    error_pages: { 404: /gone.cgi, 405: /gone.html }
    routes:
      - { path: /cgi/*, fastcgi: { upstream: app, split_path: [.cgi] } }
      - { path: /only-get, methods: [GET], respond: {} }
`;
  await withConfig({ text, application }, async (gateway) => {
    assert.match(await statusOf(gateway, "/none"), /^404 404 Not Found \(no_such_route\)/);
    const refused = await gateway.send({ method: "POST", target: "/only-get", body: "" });
    assert.match(refused.body.toString(), /^405 Method Not Allowed/);
  });
});

test("An application's errors keep their own page, unless they are intercepted", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"] } }
sites:
  - root: ${directoryWithPages()}
    ${PAGES}
    routes:
      - { methods: [GET], intercept_errors: true, fastcgi: { upstream: app } }
      - fastcgi: { upstream: app }
`;
  await withConfig({ text, application }, async (gateway) => {
    const response = await gateway.send("/404");
    assert.equal(response.body.toString(), "<p>Nothing here");
    assert.equal(response.headers.get("x-app") ?? null, null);
    assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
    const line = await gateway.access.ofPath("/404");
    assert.deepEqual([line["status"], line["bytes_out"]], [404, 15]);
    assert.equal(await statusOf(gateway, "/503"), "503 <p>Sorry");
    assert.equal(await statusOf(gateway, "/403"), "403 application 403");
    assert.equal(await statusOf(gateway, "/200"), "200 application 200");
    const post = await gateway.send({ method: "POST", target: "/404", body: "" });
    assert.equal(post.body.toString(), "application 404");
  });
});

test("An error on the way to an application gets a page", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"], retry: { attempts: 0 } } }
sites: [{ error_pages: { 502: { body: later } }, routes: [{ fastcgi: { upstream: app } }] }]
`;
  await withConfig({ text }, async (gateway) => {
    assert.equal(await statusOf(gateway, "/"), "502 later");
    assert.equal((await gateway.access.ofPath("/"))["code"], "connect_failed");
  });
});

test("An intercepted stream is given up, and the page goes out whole", async () => {
  let cancelled: () => void;
  const gaveUp = new Promise<void>((resolve) => cancelled = resolve);
  const stream = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("endless")),
        cancel: () => cancelled(),
      }),
      { status: 500 },
    );
  const text = `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - intercept_errors: true
    error_pages: { 5xx: { body: page } }
    routes: [{ fastcgi: { upstream: app } }]
`;
  await withConfig({ text, application: stream }, async (gateway) => {
    assert.equal(await statusOf(gateway, "/"), "500 page");
    await gaveUp;
  });
});

test("Headers are removed, then set, then added: the site's, then the route's", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"] } }
sites:
  - root: ${directoryWithPages()}
    headers: { remove: [X-App], set: { X-Site: site, X-Id: "\${request.id}" }, add: { Vary: A } }
    routes:
      - path: /route/*
        headers: { set: { X-Site: route, X-Match: "<\${match}>" }, add: { Vary: B } }
        static: {}
      - fastcgi: { upstream: app }
`;
  const app = () => new Response("x", { headers: { "X-App": "yes", "Vary": "Origin" } });
  await withConfig({ text, application: app }, async (gateway) => {
    const own = await gateway.send("/app");
    assert.equal(own.headers.has("x-app"), false);
    assert.equal(own.headers.get("x-site"), "site");
    assert.equal(own.headers.get("vary"), "Origin, A");
    assert.equal(own.headers.get("x-id"), (await gateway.access.ofPath("/app"))["request_id"]);
    // The static route passes it on, so its rules are not those of the response.
    const passed = await gateway.send("/route/none");
    assert.deepEqual([passed.headers.get("x-site"), passed.headers.has("x-match")], [
      "site",
      false,
    ]);
    assert.equal(passed.headers.get("vary"), "Origin, A");
    const again = await gateway.send("/app");
    assert.equal(again.headers.get("vary"), "Origin, A");
  });
});

test("A value from the request cannot end a header's line", async () => {
  const text = `
sites:
  - routes: [{ path: /a/*, headers: { set: { X-Match: "\${match}" } }, respond: { body: fine } }]
`;
  await withConfig({ text }, async (gateway) => {
    const response = await gateway.send("/a/b%0d%0aX-Evil:%20c");
    assert.equal(response.headers.get("x-match"), "b%0D%0AX-Evil: c");
    assert.equal(response.headers.has("x-evil"), false);
    const bytes = (await gateway.send("/a/%C3%80")).headers.get("x-match")!;
    assert.equal(Buffer.from(bytes, "latin1").toString(), "\u00c0");
  });
});

test("A site's headers are on responses that no route makes", async () => {
  const text = `
sites:
  - headers: { set: { X-Site: site } }
    routes: [{ path: /a, methods: [GET], respond: { body: fine } }]
`;
  await withConfig({ text }, async (gateway) => {
    assert.equal((await gateway.send("/none")).headers.get("x-site"), "site");
    const refused = await gateway.send({ method: "PUT", target: "/a", body: "" });
    assert.deepEqual([refused.status, refused.headers.get("x-site")], [405, "site"]);
  });
});
