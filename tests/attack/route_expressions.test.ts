/**
 * Expressions, conditions and rewrites as an attacker meets them: paths and fields made to take long,
 * to go around a guard, or to lead elsewhere; and expressions that would let that happen.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../../src/config/read_config.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters, runtime } from "../support/gateway.ts";

function errorsOf(text: string) {
  return readConfig(text, {
    source: "a.yaml",
    directory: "/",
    files: runtime.files,
    readVariable: () => undefined,
    rootGiven: false,
  }).errors;
}

/** From lists of expressions that have stopped servers: OWASP, snort, cloudflare's of July 2019. */
const DEADLY = [
  "^(a+)+$",
  "^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}$",
  "^(([a-z])+.)+[A-Z]([a-z])+$",
  "(a|aa)+$",
  "(a|a?)+$",
  "(.*a){15}",
  "^(?:(?:.*)*)=",
  "([a-zA-Z]+)*$",
  "^\\s+((\\s*)+)$",
  "(?:(?:\"|'|\\]|\\}|\\\\|\\d|(?:nan|null)|\\w+)+)+=",
];

test("An expression that has stopped servers is an error with its line, wherever it stands", () => {
  for (const source of DEADLY) {
    const expression = JSON.stringify(`~ ${source}`);
    const places = [
      `path: ${expression}, respond: {}`,
      `host: ${expression}, respond: {}`,
      `query: { a: ${expression} }, respond: {}`,
      `cookie: { a: { not: ${expression} } }, respond: {}`,
      `headers: { a: [b, ${expression}] }, respond: {}`,
    ];
    for (const place of places) {
      const errors = errorsOf(`sites:\n  - routes:\n      - { ${place} }\n`);
      assert.deepEqual(errors.map(({ place }) => place?.line), [3], `${place}`);
      assert.match(errors[0]!.message, /many ways|can be empty/);
    }
    const map = `map: { m: { of: x, values: { ${expression}: y } } }\n`;
    const [error] = errorsOf(`sites: [{ routes: [{ respond: {} }] }]\n${map}`);
    assert.equal(error?.place?.line, 2, source);
  }
});

test("No path, query, cookie or field makes an expression take long", async () => {
  const slow = "(.*)(.*)(.*)(.*)(.*)!$";
  const text = `sites:
  - routes:
      - { path: '~ ${slow}', respond: { body: path } }
      - { path: '~ ([^/]+)/.*\\.php$', respond: { body: path } }
      - { path: '~ ^/(?:(?!x.*y).)*z$', respond: { body: path } }
      - { query: { q: '~ ${slow}' }, respond: { body: query } }
      - { cookie: { c: '~ ${slow}' }, respond: { body: cookie } }
      - { headers: { x-long: '~ ${slow}' }, respond: { body: header } }
      - { headers: { x-long: '*a*a*a*a*b' }, respond: { body: stars } }
      - { path: '/*/*/*/*/*/x', respond: { body: path } }
      - respond: { body: none }
`;
  await withConfig({ text }, async (gateway) => {
    const long = "a".repeat(15_000);
    const startedMs = performance.now();
    for (let count = 0; count < 3; count++) {
      const headers = { "X-Long": long, Cookie: `c=${long}` };
      assert.equal((await gateway.send({ target: `/${long}`, headers })).body.toString(), "none");
      assert.equal((await gateway.send(`/?q=${long}`)).body.toString(), "none");
      assert.equal((await gateway.send(`/${"a/".repeat(7_500)}`)).body.toString(), "none");
    }
    // A backtracking matcher takes years for the first of them.
    assert.ok(performance.now() - startedMs < 10_000);
  });
});

test("No spelling of a path goes around an expression", async () => {
  const text = `sites:
  - routes:
      - { path: '~ ^/private(?:/.*)?$', respond: { status: 403 } }
      - { path: '~ \\.(?:bak|sql)$', respond: { status: 403 } }
      - respond: { body: open }
`;
  await withConfig({ text }, async (gateway) => {
    const spellings = [
      "/private",
      "/private/",
      "//private/x",
      "/./private/x",
      "/x/../private/x",
      "/%70rivate/x",
      "/x/%2e%2e/private/x",
      "/x%2f..%2fprivate/x",
      "/private%2fx",
      "/private/%0ax",
      "/private/x%0a",
      "/dump.sql",
      "/dump.%73ql",
      "/a%0ab.sql",
    ];
    for (const target of spellings) assert.equal((await gateway.send(target)).status, 403, target);
    // The end is the end: a line feed behind it is another name, and no file of that one.
    assert.equal((await gateway.send("/dump.sql%0a")).status, 200);
  });
});

test("A rewrite made of what a client sends opens nothing", async () => {
  const text = `${APP_UPSTREAM}
sites:
  - routes:
      - path: '~ ^/u/(.*)$'
        rewrite: "/\${path.1}"
        fastcgi: { upstream: app }
      - path: /admin/*
        basic_auth: { users: { a: b } }
        fastcgi: { upstream: app }
      - { path: /secret/*, internal: true, fastcgi: { upstream: app } }
      - fastcgi: { upstream: app }
`;
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    const closed = {
      "/u/admin": 401,
      "/u/admin/x": 401,
      "/u//admin/x": 401,
      "/u/%61dmin/x": 401,
      "/u/x/..%2fadmin/x": 401,
      "/u/u/admin/x": 200,
      "/u/secret/x": 404,
      "/u/secret": 404,
    };
    for (const [target, status] of Object.entries(closed)) {
      const response = await gateway.send(target);
      assert.equal(response.status, status, target);
      if (status !== 200) continue;
      // It was rewritten once: what is asked is what the client could ask for by itself.
      assert.equal(JSON.parse(response.body.toString())["PATH_INFO"], "/u/admin/x");
    }
  });
});
