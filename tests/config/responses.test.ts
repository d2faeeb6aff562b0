/** What a site and its routes say of responses, put together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import type { SiteOptions } from "../../src/http/options.ts";
import { EXAMPLE } from "./example.ts";
import { memoryFiles } from "./memory_files.ts";

function read(text: string) {
  return readConfig(text, {
    source: "a.yaml",
    directory: "/etc/afcgi",
    files: memoryFiles({
      "/srv/www/public": null,
      "/srv/www/public/404.html": "page",
      "/srv/www/public/index.php": "<?php",
      "/etc/tls/tls.crt": "pem",
      "/etc/tls/tls.key": "pem",
    }),
    readVariable: () => "s3cret",
    rootGiven: false,
  });
}

function siteOf(text: string): SiteOptions {
  const { options, errors: errors } = read(text);
  assert.deepEqual(errors.map(formatError), []);
  return options!.sites[0]!;
}

test("A route without a word of its own has what its site says", () => {
  const { responses: responses, routes } = siteOf(EXAMPLE);
  const headers = [{
    set: { "X-A": "1" },
    add: { "X-B": "${request.id}" },
    remove: ["X-Powered-By"],
  }];
  assert.deepEqual(responses, {
    headers,
    errorPages: {
      "404": { kind: "file", path: "/404.html" },
      "5xx": { kind: "text", body: "<p>Sorry", type: "text/html" },
    },
    interceptErrors: true,
  });
  assert.deepEqual(routes[1]?.responses, responses);
  assert.deepEqual(routes[1]?.middleware, {
    ipRestriction: { allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] },
    cors: {
      origins: ["https://app.example"],
      methods: ["GET"],
      headers: ["X-A"],
      exposed: ["X-B"],
      maxAgeS: 600,
      credentials: true,
    },
    basicAuth: { realm: "Inside", users: { anna: "s3cret" } },
    securityHeaders: { xFrameOptions: "DENY", referrerPolicy: false },
    etag: true,
  });
});

test("A route's own word wins, its headers come after the site's, null takes away", () => {
  const { routes } = siteOf(EXAMPLE);
  const [health] = routes;
  assert.deepEqual(health?.responses?.headers.map(({ set }) => set), [{ "X-A": "1" }, {
    "X-A": "2",
  }]);
  assert.equal(health?.responses?.interceptErrors, false);
  assert.deepEqual(Object.keys(health?.responses?.errorPages ?? {}), ["404", "5xx"]);
  assert.equal(health?.responses?.errorPages["404"]?.kind, "text");
  assert.equal(health?.middleware, undefined);
});

test("A route's own limits and its way with bodies win over its site's", () => {
  const { routes } = siteOf(EXAMPLE);
  assert.deepEqual([routes[0]?.requestBody, routes[1]?.requestBody], ["stream", "gather"]);
  assert.deepEqual(routes[0]?.limits, {
    requestBodyMax: 0,
    requestBodyChunkedMax: 3 * 1024 * 1024,
    requestRateMin: 0,
  });
  const { routes: [route] } = siteOf(
    "sites: [{ limits: { request_body: 1MiB }, routes: [{ respond: {}, limits: { request_rate: 0 } }] }]",
  );
  assert.deepEqual(route?.limits, { requestBodyMax: 1024 * 1024, requestRateMin: 0 });
});

test("Where nothing is said, there is nothing", () => {
  const { responses: responses, routes } = siteOf("sites: [{ routes: [{ respond: {} }] }]");
  assert.deepEqual(
    [responses, routes[0]?.responses, routes[0]?.middleware],
    new Array(3).fill(undefined),
  );
});

test("A route with CORS takes OPTIONS beside its methods", () => {
  const methodsOf = (route: string) => siteOf(`sites: [{ routes: [${route}] }]`).routes[0]?.methods;
  const cors = 'cors: { origins: ["*"] }, respond: {}';
  assert.deepEqual(methodsOf(`{ methods: [GET], ${cors} }`), ["GET", "OPTIONS"]);
  assert.deepEqual(methodsOf(`{ methods: [OPTIONS, GET], ${cors} }`), ["OPTIONS", "GET"]);
  assert.equal(methodsOf(`{ ${cors} }`), undefined);
});

const ERRORS: Readonly<Record<string, string>> = {
  "headers: { set: { Content-Length: '1' } }":
    'Header "Content-Length" is the HTTP server\'s to write (take it out)',
  "headers: { remove: [Transfer-Encoding] }":
    'Header "Transfer-Encoding" is the HTTP server\'s to write (take it out)',
  "headers: { add: { A: '${request.nothing}' } }": '"${request.nothing}" stands for nothing',
  "headers: { set: { A: 'a\nb' } }": "use ASCII on one line",
  "error_pages: { 404: /none.html }": 'Page "/none.html" has no root to be below',
  "error_pages: { 200: { body: a } }": "use a status such as 404, or 4xx or 5xx",
  "basic_auth: {}": "Nobody could come in (add users or file)",
  "basic_auth: { realm: x }": "Nobody could come in (add users or file)",
  "basic_auth: { file: [] }": "use a path",
  "basic_auth: { users: {} }": "add a name and a password",
  "basic_auth: { users: { 'a:b': c } }": "use a name without",
  "cors: { origins: [example.com] }": 'use "*" or an origin such as',
  "cors: { origins: ['*'], credentials: true }": 'take no credentials for "*" (name the origins)',
  "ip_restriction: { allow: [everybody] }": '"everybody" is no network',
  "ip_restriction: { allow: [unix] }": '"unix" is no network',
  "ip_restriction: { allow: [] }": "an empty list (put at least one in it)",
  "ip_restriction: {}": "Nobody is kept out (say allow, deny or both)",
  "headers: { remove: [Server, Date] }": 'Header "Date" is the HTTP server\'s to write',
  "security_headers: { x_frame: a }": "use cross_origin_embedder_policy",
  "etag: yes": "use true or false",
  "corss: {}": 'did you mean "cors"?',
};

for (const [key, message] of Object.entries(ERRORS)) {
  test(`An error of responses is told: ${key.replace("\n", "\\n")}`, () => {
    const text = key.replace("'a\nb'", '"a\\nb"');
    const { errors: errors } = read(`sites: [{ ${text}, routes: [{ respond: {} }] }]`);
    assert.ok(
      errors.some((error) => error.message.includes(message)),
      errors.map(formatError).join(),
    );
  });
}

test("A page that is a script of a site with PHP is an error: it would not run", () => {
  const pages = "error_pages: { 404: /index.php }";
  const root = "root: /srv/www/public";
  const php = 'upstreams: { php: { servers: ["unix:/s"] } }';
  const { errors: errors } = read(`
${php}
sites: [{ ${root}, ${pages}, routes: [{ php: { upstream: php } }] }]
`);
  assert.deepEqual(errors.map(({ message }) => message), [
    'Page "/index.php" is a script, which is not run here (name a file)',
  ]);
});

test("A page that is not below the root is an error, at a site and at a route", () => {
  const { errors: errors } = read(`
sites:
  - root: /srv/www/public
    error_pages: { 404: /404.html, 500: /500.html }
    routes: [{ respond: {}, error_pages: { 4xx: /4xx.html } }]
`);
  assert.deepEqual(errors.map(({ message }) => message), [
    'There is no file "/srv/www/public/500.html" (create it, or name another)',
    'There is no file "/srv/www/public/4xx.html" (create it, or name another)',
  ]);
});
