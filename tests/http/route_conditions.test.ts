/** Routes that ask for more than a path: fields, cookies, the query, scheme and host, expressions. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../support/places.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters, type Gateway } from "../support/gateway.ts";
import type { HttpRequest } from "../support/raw_http.ts";

/** A site of these routes and one for the rest. */
function routes(...lines: readonly string[]): string {
  const all = [...lines, "{ respond: { body: other } }"];
  return `sites:\n  - routes:\n${all.map((line) => `      - ${line}\n`).join("")}`;
}

async function bodies(
  gateway: Gateway,
  requests: readonly (HttpRequest | string)[],
): Promise<string[]> {
  const seen: string[] = [];
  for (const request of requests) seen.push((await gateway.send(request)).body.toString());
  return seen;
}

const HIT = "respond: { body: hit }";

/** The condition, requests that it takes, and requests that it does not. */
type Case = readonly [
  condition: string,
  hits: readonly HttpRequest[],
  misses: readonly HttpRequest[],
];

const header = (name: string, value: string): HttpRequest => ({ headers: { [name]: value } });
const cookie = (value: string): HttpRequest => header("Cookie", value);
const query = (text: string): HttpRequest => ({ target: `/?${text}` });

const CASES: readonly Case[] = [
  ['headers: { x-beta: "1" }', [header("X-Beta", "1")], [{}, header("X-Beta", "12")]],
  ['headers: { X-Beta: "" }', [header("x-beta", "")], [{}, header("x-beta", "1")]],
  ['headers: { x-beta: "a*z" }', [header("X-Beta", "a/z")], [header("X-Beta", "az1")]],
  ['headers: { x-beta: "*" }', [header("X-Beta", ""), header("X-Beta", "x")], [{}]],
  ["headers: { x-beta: true }", [header("X-Beta", "")], [{}]],
  ["headers: { x-beta: false }", [{}], [header("X-Beta", "")]],
  ['headers: { x-beta: [a, "b*"] }', [header("X-Beta", "b2")], [header("X-Beta", "a2")]],
  ["headers: { x-beta: { not: a } }", [{}, header("X-Beta", "b")], [header("X-Beta", "a")]],
  ["headers: { x-beta: { not: [a, b] } }", [header("X-Beta", "c")], [header("X-Beta", "b")]],
  [
    'headers: { user-agent: "~* (curl|wget)/" }',
    [header("User-Agent", "CURL/8")],
    [{}, header("User-Agent", "Mozilla")],
  ],
  [
    "headers: { a: x, b: y }",
    [{ headers: { A: "x", B: "y" } }],
    [header("A", "x"), header("B", "y")],
  ],
  ["cookie: { a: b }", [cookie("x=y; a=b"), cookie('a="b"'), cookie("a=c; a=b")], [cookie("A=b")]],
  [
    'cookie: { "wordpress_logged_in_*": true }',
    [cookie("wordpress_logged_in_1=x")],
    [{}, cookie("wordpress=x"), cookie("x=wordpress_logged_in_1")],
  ],
  ['cookie: { "wp_*": false }', [{}, cookie("a=b")], [cookie("a=b; wp_x=")]],
  [
    "query: { page: home }",
    [query("page=home"), query("a&page=h%6fme"), query("%70age=home")],
    [{}, query("page=homes"), query("xpage=home"), { target: "/page=home" }],
  ],
  ["query: { preview: true }", [query("preview"), query("preview=1")], [query("previews")]],
  ['query: { id: "~ ^\\\\d+$" }', [query("id=12"), query("id=x&id=3")], [query("id=x")]],
  ["scheme: http", [{}], []],
  ["scheme: https", [], [{}]],
  ["host: test.EXAMPLE", [{}, header("Host", "TEST.example:8080")], [header("Host", "a.example")]],
  ['host: "*.example"', [{}, header("Host", "a.b.example")], [header("Host", "example")]],
  ['host: ["a.example", "~ ^b\\\\d\\\\."]', [header("Host", "b1.example")], [{}]],
  [
    'when: { "${request.query}": "" }',
    [{}, { target: "/?" }],
    [query("a")],
  ],
  [
    'when: { "${request.path} ${request.query.ID}": "~ ^/a x%20y$" }',
    [{ target: "/a?b=c&id=x%20y&id=z" }],
    [{ target: "/a?xid=x%20y" }, { target: "/a?id=z&id=x%20y" }],
  ],
  [
    'when: { "${request.cookie.user}": { not: ["", "0"] } }',
    [cookie("a=b; User=c"), cookie("user=c; user=")],
    [{}, cookie("user=; user=c"), cookie("user=0"), cookie("xuser=c")],
  ],
  ['when: { "${request.method}": { not: [GET, HEAD] } }', [{ method: "PUT" }], [{}]],
  ["rewritten: false", [{}], []],
  ["rewritten: true", [], [{}]],
  [
    "query: { a: b }, headers: { c: d }, cookie: { e: f }, methods: [GET]",
    [{ target: "/?a=b", headers: { C: "d", Cookie: "e=f" } }],
    [{ target: "/?a=b", headers: { C: "d" } }],
  ],
];

test("A route takes what fits each of its conditions, and leaves the rest to others", async () => {
  for (const [condition, hits, misses] of CASES) {
    await withConfig({ text: routes(`{ ${condition}, ${HIT} }`) }, async (gateway) => {
      assert.deepEqual(await bodies(gateway, hits), hits.map(() => "hit"), condition);
      assert.deepEqual(await bodies(gateway, misses), misses.map(() => "other"), condition);
    });
  }
});

test("Conditions hold where Hono runs the route as well", async () => {
  const guarded = "ip_restriction: { allow: [127.0.0.1] }";
  const text = routes(`{ path: /a/*, headers: { x-beta: "1" }, ${guarded}, ${HIT} }`);
  await withConfig({ text }, async (gateway) => {
    const requests = [{ target: "/a/b", headers: { "X-Beta": "1" } }, "/a/b", "/b"];
    assert.deepEqual(await bodies(gateway, requests), ["hit", "other", "other"]);
  });
});

test("A field that comes twice is one value, joined", async () => {
  const text = routes(`{ headers: { x-beta: "1, 2" }, ${HIT} }`);
  await withConfig({ text }, async (gateway) => {
    const twice = { headers: { "X-Beta": "1\r\nX-Beta: 2" } };
    assert.deepEqual(await bodies(gateway, [twice, header("X-Beta", "1")]), ["hit", "other"]);
  });
});

test("headers of a route may ask and set at once", async () => {
  const text = routes(`{ headers: { x-beta: "1", set: { X-Set: yes } }, ${HIT} }`);
  await withConfig({ text }, async (gateway) => {
    const response = await gateway.send(header("X-Beta", "1"));
    assert.equal(response.headers.get("x-set"), "yes");
    assert.equal((await gateway.send("/")).headers.get("x-set"), undefined);
  });
});

test("Only routes whose conditions hold say which methods there are", async () => {
  const text = `sites:\n  - routes:\n      - { headers: { a: b }, methods: [PUT], ${HIT} }\n`;
  await withConfig({ text }, async (gateway) => {
    assert.equal((await gateway.send("/")).status, 404);
    const response = await gateway.send(header("A", "b"));
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), "PUT");
  });
});

test("Stars and groups of the path are in parameters, fields and redirects", async () => {
  const text = `${APP_UPSTREAM}
sites:
  - params: { SITE: "\${path.site}" }
    routes:
      - path: /users/*/files/*
        fastcgi: { upstream: app, params: { USER: "\${path.1}", FILE: "\${path.2}" } }
      - path: "~ ^/(?<site>[^/]+)/wp-(?<rest>(admin|content)/.*)$"
        headers: { set: { X-Rest: "\${path.rest}" } }
        fastcgi: { upstream: app, params: { KIND: "\${path.3}" } }
      - path: "~* ^/OLD/([a-z]+)/(.*)$"
        redirect: { to: "/new/\${path.2}?of=\${path.1}" }
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const read = async (target: string) => JSON.parse((await gateway.send(target)).body.toString());
    const files = await read("/users/%C3%A4nn/files/a/b");
    assert.deepEqual([files.USER, files.FILE, files.SITE], ["änn", "a/b", ""]);
    const response = await gateway.send("/blog/wp-admin/x.php");
    const wordpress = JSON.parse(response.body.toString());
    assert.deepEqual([wordpress.SITE, wordpress.KIND], ["blog", "admin"]);
    assert.equal(response.headers.get("x-rest"), "admin/x.php");
    const moved = await gateway.send("/old/Abc/a%20b/c");
    assert.equal(moved.headers.get("location"), "/new/a%20b/c?of=Abc");
  });
});

test("A file or a directory below the root may have to be there, or not to be", async () => {
  const root = temporaryDirectory();
  mkdirSync(join(root, "a", ".hidden"), { recursive: true });
  mkdirSync(join(root, "other"));
  for (const name of ["here.html", "a/b", "a/.hidden/x"]) writeFileSync(join(root, name), "");
  symlinkSync("/etc/passwd", join(root, "outside"));
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["exists: /here.html", ["/"], []],
    ["exists: /none.html", [], ["/"]],
    ['exists: "${request.path}"', ["/a/b"], ["/a", "/a/", "/b", "/a/.hidden/x", "/outside"]],
    ['exists: "${request.path}/"', ["/a", "/a/"], ["/a/b", "/b", "/a/.hidden"]],
    ['exists: ["${request.path}", "${request.path}/"]', ["/a", "/a/b"], ["/b"]],
    ['exists: { not: ["${request.path}", "/none"] }', ["/b"], ["/a/b"]],
    ['exists: "${request.header.x-name}"', [], ["/"]],
    ['path: "~ ^/x/(.*)$", exists: "/a/${path.1}"', ["/x/b"], ["/x/../a/b", "/x/c"]],
    ['path: /p/*, strip_prefix: /p, exists: "${request.path}"', ["/p/a/b"], ["/p/b", "/a/b"]],
    [`root: ${root}/a, exists: /b`, ["/"], []],
    [`root: ${root}/other, exists: /b`, [], ["/"]],
  ];
  for (const [condition, hits, misses] of cases) {
    const text = `sites:\n  - root: ${root}\n    routes:\n      - { ${condition}, ${HIT} }\n` +
      "      - { respond: { body: other } }\n";
    await withConfig({ text }, async (gateway) => {
      assert.deepEqual(await bodies(gateway, hits), hits.map(() => "hit"), condition);
      assert.deepEqual(await bodies(gateway, misses), misses.map(() => "other"), condition);
      const climbing = { headers: { "X-Name": "/../../etc/passwd" } };
      if (condition.includes("x-name")) {
        assert.deepEqual(await bodies(gateway, [climbing]), ["other"]);
      }
    });
  }
});

test("Maps decide between routes, and a path that is rewritten is told from a client's", async () => {
  const text = `map:
  bad: { of: "\${request.header.user-agent}", values: { "~* bot": "1" }, default: "0" }
sites:
  - routes:
      - { when: { "\${map.bad}": { not: "0" } }, respond: { status: 403 } }
      - { path: /old, rewrite: /new }
      - { path: /new, rewritten: true, respond: { body: rewritten } }
      - { path: /new, rewritten: false, respond: { body: asked } }
`;
  await withConfig({ text }, async (gateway) => {
    assert.equal((await gateway.send(header("User-Agent", "A Bot/1"))).status, 403);
    assert.deepEqual(await bodies(gateway, ["/old", "/new"]), ["rewritten", "asked"]);
  });
});
