/**
 * A file of many sites is found good with work that grows with what differs in it: routes that are
 * written alike are looked at once. What is wrong with one of them is told of each, at its place.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readConfigInSteps, type ReadResult } from "../../src/config/config_steps.ts";
import { formatError } from "../../src/config/located_error.ts";
import { readSimpleYaml } from "../../src/config/simple_yaml.ts";
import { memoryFiles } from "./memory_files.ts";

const files = memoryFiles({ "/srv/a/404.html": "page", "/srv/b": null, "/srv/ca.pem": "pem" });

function read(text: string, isShared = true): ReadResult {
  const written = readSimpleYaml(text, isShared);
  assert.ok(written !== undefined, "the text is simple");
  const steps = readConfigInSteps(text, { written, isShared }, {
    source: "afcgi.yaml",
    directory: "/srv",
    files,
    readVariable: (name) => `value of ${name}`,
    rootGiven: false,
  });
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

const linesOf = ({ errors }: ReadResult) => errors.map(formatError);

const START = `upstreams:
  app: { servers: ["tcp://127.0.0.1:9000"], params: { "FROM": upstream } }
sites:
`;

const sitesOf = (count: number, rest: (at: number) => string) =>
  START +
  Array.from({ length: count }, (_, at) => `  - hosts: [site-${at}.example]\n${rest(at)}`).join("");

const ROUTES = `    routes:
      - path: /app/*
        fastcgi: { upstream: app }
      - respond: { status: 404 }
`;

test("Of a thousand sites with the same routes these are made once", () => {
  const { options, errors } = read(sitesOf(1_000, () => ROUTES));
  assert.deepEqual(errors, []);
  const { sites } = options!;
  assert.equal(sites.length, 1_000);
  assert.equal(new Set(sites.map(({ hosts }) => hosts[0])).size, 1_000);
  // The last one ends with the text, and is written otherwise.
  assert.ok(new Set(sites.map(({ routes }) => routes)).size <= 2);
});

test("What differs is made of its own, and so is what takes something from its site", () => {
  const params = (at: number) => `    params: { SITE: "${at}" }\n${ROUTES}`;
  const { options } = read(sitesOf(100, params));
  const { sites } = options!;
  sites.forEach(({ routes }, at) => {
    const [{ handler }] = routes as [(typeof routes)[number]];
    assert.deepEqual(handler.kind === "fastcgi" && handler.params, {
      FROM: "upstream",
      SITE: String(at),
    });
  });
});

test("An error in routes that are written alike is told of each, at its line", () => {
  const wrong = ROUTES.replace("upstream: app", "upstream: ap");
  const errors = linesOf(read(sitesOf(3, () => wrong)));
  assert.equal(errors.length, 3);
  [7, 12, 17].forEach((line, at) => {
    assert.match(errors[at]!, new RegExp(`^afcgi\\.yaml:${line}:\\d+: Unknown upstream "ap" `));
  });
});

test("Authorities that routes name are told with the place of each", () => {
  const guarded = "    routes: [{ client_auth: { ca: ca.pem }, fastcgi: { upstream: app } }]\n";
  const { tls, errors } = read(sitesOf(3, () => guarded));
  assert.deepEqual(errors, []);
  assert.deepEqual(tls!.authorities.map(({ place }) => place.line), [5, 7, 9]);
});

test("Values are counted as often as they stand in the file", () => {
  const list = Array.from({ length: 120 }, (_, at) => `"/${at}"`).join(", ");
  const routes =
    `    routes: [{ php: { upstream: app, no_scripts: [${list}] } }]\n    root: /srv/a\n`;
  const errors = linesOf(read(sitesOf(900, () => routes)));
  assert.match(errors[0]!, /There are more than 100000 values/);
});

test("What an anchor stands for is never taken for what is written alike", () => {
  const text = `upstreams:
  app: { servers: ["tcp://127.0.0.1:9000"] }
sites:
  - hosts: &a [a.example]
    routes: [{ methods: [GET], redirect: { to: /a } }]
  - hosts: [b.example]
    routes: &r
      - redirect: { to: /b }
  - hosts: [c.example]
    routes: *r
  - hosts: [d.example]
    routes: [{ host: *a, redirect: { to: /d } }]
  - hosts: [e.example]
    routes: [{ host: *a, redirect: { to: /d } }]
`;
  assert.deepEqual(read(text), read(text, false));
  assert.deepEqual(linesOf(read(text)), []);
});

const GOOD = fc.constantFrom(
  "{ php: { upstream: app } }",
  "{ static: {} }",
  '{ path: "/a/*", methods: [GET], respond: { status: 204 } }',
  "{ error_pages: { 404: /404.html }, static: {} }",
  '{ path: "/b/*", fastcgi: { upstream: app, params: { A: "${env.B}" } } }',
  '{ basic_auth: { users: { a: "secret word" } }, static: {} }',
);

const WRONG = fc.constantFrom(
  "{ php: { upstream: missing } }",
  '{ respond: { status: 200, body: "${path.1}" } }',
  "{ root: gone, static: {} }",
  '{ misspelt: 1, redirect: { to: "/" } }',
);

const ROUTE = fc.oneof({ weight: 20, arbitrary: GOOD }, { weight: 1, arbitrary: WRONG });

const SITE = fc.record({
  routes: fc.array(ROUTE, { minLength: 1, maxLength: 3 }),
  isBlock: fc.boolean(),
  more: fc.subarray([
    "sendfile: [files]",
    "params: { SITE: x }",
    "compression: {}",
    "headers: { set: { X-A: b } }",
    "limits: { request_body: 1KiB }",
    "cors: { origins: [https://a.example] }",
    "request_body: stream",
    "trace_context: true",
    "paths: bytes",
  ], { maxLength: 3 }),
});

test("property: a file means the same however often its routes are written alike", () => {
  let good = 0;
  fc.assert(
    fc.property(fc.array(SITE, { minLength: 1, maxLength: 6 }), (sites) => {
      const text = START + sites.map(({ routes, isBlock, more }, at) => {
        const value = isBlock
          ? `\n${routes.map((route) => `      - ${route}\n`).join("")}`
          : ` [${routes.join(", ")}]\n`;
        const others = more.map((line) => `    ${line}\n`).join("");
        return `  - hosts: [h${at}.example]\n    root: a\n    routes:${value}${others}`;
      }).join("");
      const shared = read(text);
      assert.deepEqual(shared, read(text, false));
      if (shared.errors.length === 0) good++;
    }),
    { numRuns: 300 },
  );
  assert.ok(good > 30, `${good} files were good`);
});
