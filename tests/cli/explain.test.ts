/** `afcgi explain`: what it says is what `serve` with the same file does, and nothing is sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Explanation } from "../../src/app/explain.ts";
import { serveFastCgi } from "../../src/responder/serve_fastcgi.ts";
import { parseAddress } from "../../src/runtime/address.ts";
import { MemoryRuntime } from "../support/memory/memory.ts";
import { runCommand, startCommand } from "./run_program.ts";
import { requestInMemory } from "../support/memory_http.ts";
import { until } from "../support/idle.ts";

const TREE = {
  "/etc/afcgi/afcgi.yaml": `
listen: ["127.0.0.1:8081"]
upstreams:
  php: { servers: [php.example], multiplex: on }
  app: { servers: [app.example, "unix:/run/app.sock"] }
sites:
  - hosts: [example.com, "*.example.com"]
    root: /srv/www
    routes:
      - { path: /healthz, respond: { body: fine } }
      - path: /api/*
        methods: [POST]
        fastcgi: { upstream: app, script_name: /api, params: { APP: x, HTTP_ACCEPT: own } }
      - static: {}
      - php: { upstream: php, front_controller: /index.php }
  - hosts: [other.example]
    routes:
      - { path: /old/*, redirect: { to: /new/ } }
`,
  "/srv/www/index.php": "<?php",
  "/srv/www/style.css": "body {}",
  "/srv/www/.env": "SECRET",
  "/srv/www/docs/index.html": "docs",
};

async function explained(args: string): Promise<Explanation> {
  const { status, stdout, stderr } = await runCommand(`explain --json ${args}`, { tree: TREE });
  assert.deepEqual([status, stderr], [0, ""]);
  return JSON.parse(stdout);
}

function outcomes({ routes }: Explanation): string[] {
  return routes.map(({ handler, outcome }) => `${handler}: ${outcome}`);
}

test("explain names site, routes, looks at files and upstream of a path for the front controller", async () => {
  const explanation = await explained("http://www.example.com/blog/1?x=2");
  assert.deepEqual(explanation.site, {
    number: 1,
    hosts: ["example.com", "*.example.com"],
    root: "/srv/www",
  });
  assert.equal(explanation.listener, "tcp://127.0.0.1:8081");
  assert.deepEqual(outcomes(explanation), [
    "respond: path differs",
    "fastcgi: path differs",
    "static: passes on",
    "php: responds",
  ]);
  assert.deepEqual(explanation.routes.map(({ looks }) => looks), [[], [], [
    { path: "/srv/www/blog/1", found: "nothing" },
  ], [
    { path: "/srv/www/blog/1", found: "nothing" },
    { path: "/srv/www/index.php", found: "a file of 5 bytes" },
  ]]);
  assert.equal(explanation.application?.upstream, "php");
  assert.deepEqual(explanation.application?.servers, ["tcp://php.example:9000"]);
  assert.equal(explanation.answer, undefined);
});

test("explain says that a method is not the route's, and asks the routes behind it", async () => {
  const get = await explained("http://example.com/api/x");
  assert.deepEqual(outcomes(get).slice(1, 3), ["fastcgi: method differs", "static: passes on"]);
  const post = await explained("http://example.com/api/x -X POST");
  assert.deepEqual(outcomes(post), ["respond: path differs", "fastcgi: responds"]);
  assert.deepEqual(post.application?.servers, ["tcp://app.example:9000", "unix:/run/app.sock"]);
});

const OWN_RESPONSES = [
  { args: "http://example.com/healthz", status: 200, last: "respond: responds" },
  { args: "http://example.com/style.css", status: 200, last: "static: responds" },
  { args: "http://example.com/docs", status: 308, last: "static: responds" },
  { args: "http://example.com/.env", status: 403, code: "hidden_file", last: "static: responds" },
  { args: "http://example.com/no.php", status: 404, code: "no_such_script", last: "php: responds" },
  { args: "http://other.example/old/x", status: 302, last: "redirect: responds" },
  { args: "http://other.example/x", status: 404, code: "no_such_route" },
  { args: "http://nobody.example/", status: 404, code: "no_such_site" },
  { args: "http://example.com/%zz", status: 400, code: "bad_target" },
  {
    args: "http://example.com/api/x -X POST -H Content-Length:99999999",
    status: 413,
    code: "request_body_too_large",
    last: "fastcgi: responds",
  },
];

for (const { args, status, code, last } of OWN_RESPONSES) {
  test(`explain tells what afcgi answers itself: ${args}`, async () => {
    const explanation = await explained(args);
    assert.equal(explanation.application, undefined);
    assert.equal(explanation.answer?.status, status);
    assert.equal(explanation.answer?.code, code);
    if (last !== undefined) assert.equal(outcomes(explanation).at(-1), last);
  });
}

test("explain shows what the log would say of a target that cannot be read", async () => {
  const { log } = await explained("http://example.com/%zz");
  assert.deepEqual(log, ["The path has a broken percent-encoding"]);
});

test("explain shows the parameters that serve sends, all of them and in their order", async () => {
  const runtime = new MemoryRuntime();
  const seen: [string, string][][] = [];
  const server = await serveFastCgi((_request, info) => {
    seen.push([...info.params]);
    return new Response("fine");
  }, { listen: parseAddress("php.example:9000"), runtime });
  const serve = startCommand("serve -q", { runtime, tree: TREE });
  await untilServing(runtime);
  const headers = { host: "example.com", accept: "text/html", cookie: "a=b", "x-test": "1" };
  const request = new Request("http://example.com/index.php/extra?q=%20", { headers });
  const peer = { host: "127.0.0.1", port: 0 };
  const response = await requestInMemory(runtime, parseAddress("127.0.0.1:8081"), request, peer);
  assert.equal(await response.text(), "fine");
  runtime.process.raise("SIGTERM");
  await serve.outcome;
  await server.shutdown({ grace: 0 });
  const { application } = await explained(
    "http://example.com/index.php/extra?q=%20 -H Accept:text/html -H Cookie:a=b -H X-Test:1 --show-secrets",
  );
  assert.deepEqual([application?.parameters.map(({ name, value }) => [name, value])], seen);
});

async function untilServing(runtime: MemoryRuntime): Promise<void> {
  const ready = async () => {
    const request = new Request("http://example.com/healthz", { headers: { host: "example.com" } });
    const response = await requestInMemory(runtime, parseAddress("127.0.0.1:8081"), request)
      .catch(() => undefined);
    return response !== undefined;
  };
  await until(ready, "a response to /healthz");
}

test("explain tells where each parameter comes from", async () => {
  const { application } = await explained(
    "http://example.com:81/api/x?q -X POST -H Accept:y -H X-A:b -H Content-Length:5 " +
      "-H Content-Type:text/x",
  );
  const origins = application?.parameters.map(({ name, value, origin }) =>
    `${origin} ${name}=${value}`
  );
  assert.deepEqual(origins?.filter((line) => !line.includes("SERVER_SOFTWARE")), [
    "afcgi GATEWAY_INTERFACE=CGI/1.1",
    "afcgi REDIRECT_STATUS=200",
    "site root DOCUMENT_ROOT=/srv/www",
    "route params APP=x",
    "route params HTTP_ACCEPT=own",
    "request line REQUEST_METHOD=POST",
    "request line REQUEST_URI=/api/x?q",
    "route DOCUMENT_URI=/api/x",
    "route SCRIPT_NAME=/api",
    "route PATH_INFO=/x",
    "route SCRIPT_FILENAME=/srv/www/api",
    "request line QUERY_STRING=q",
    "header content-type CONTENT_TYPE=text/x",
    "header content-length CONTENT_LENGTH=5",
    "request line SERVER_PROTOCOL=HTTP/1.1",
    "listener REQUEST_SCHEME=http",
    "header host SERVER_NAME=example.com",
    "header host SERVER_PORT=81",
    "listener SERVER_ADDR=127.0.0.1",
    "client REMOTE_ADDR=127.0.0.1",
    "header host HTTP_HOST=example.com:81",
    "header x-a HTTP_X_A=b",
  ]);
});

test("explain for people says the same in lines", async () => {
  const { status, stdout } = await runCommand("explain http://example.com/x", { tree: TREE });
  assert.equal(status, 0);
  assert.ok(
    stdout.startsWith(`GET http://example.com/x
  comes in at tcp://127.0.0.1:8081, which speaks HTTP/2, HTTP/1.1
  site 1: example.com *.example.com, root /srv/www
  route 1: respond for /healthz: path differs
  route 2: fastcgi for /api/*, POST: path differs
  route 3: static for every path: passes on
    /srv/www/x: nothing
  route 4: php for every path: responds
    try script: goes on
    try file: goes on
      /srv/www/x: nothing
    try folder: goes on
    try /index.php: runs
      /srv/www/index.php: a file of 5 bytes
  sent to upstream php at tcp://php.example:9000
    afcgi         GATEWAY_INTERFACE=CGI/1.1
`),
    stdout,
  );
});

test("explain says what serve starts, and where that listens", async () => {
  const spawned = async (flags: string, yaml?: string) => {
    const tree = { "/srv/www/index.php": "<?php", ...(yaml && { "/afcgi.yaml": yaml }) };
    const { stdout } = await runCommand(`explain / ${flags}`, { tree });
    return stdout.split("\n").filter((line) => /sent to|started/.test(line));
  };
  assert.deepEqual(await spawned("--spawn php-fpm8.2 --root /srv/www"), [
    "  sent to upstream php at unix:/tmp/afcgi-spawn-*/1.sock",
    "    started by serve: php-fpm8.2, workers: 4",
  ]);
  const yaml = `
upstreams: { app: { spawn: { command: [app, --fast], workers: 2 } } }
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`;
  assert.deepEqual(await spawned("", yaml), [
    "  sent to upstream app at unix:/tmp/afcgi-spawn-*/1.sock unix:/tmp/afcgi-spawn-*/2.sock",
    "    started by serve: app --fast, workers: 2",
  ]);
});

test("explain reads the configuration as serve does, errors included", async () => {
  const flags = await runCommand("explain /x -u app.example");
  assert.match(flags.stdout, /sent to upstream app at tcp:\/\/app.example:9000/);
  const wrong = await runCommand("explain /x", { tree: { "/afcgi.yaml": "sites: 1" } });
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /^afcgi.yaml:1:8: /);
});

test("explain refuses a method that no request can have", async () => {
  const { status, stderr } = await runCommand("explain /x -X TRACE", { tree: TREE });
  assert.deepEqual([status, stderr], [
    2,
    'afcgi: --method: afcgi takes no "TRACE" (use another method)\n',
  ]);
});

test("explain finds the site that is served where the request comes in", async () => {
  const tree = {
    "/etc/afcgi/afcgi.yaml": `
listen: [":80", "127.0.0.1:8080"]
sites:
  - { hosts: [a.example], listen: [":80"], routes: [{ respond: { body: open } }] }
  - { hosts: [a.example], listen: ["127.0.0.1:8080"], routes: [{ respond: { body: inner } }] }
  - { hosts: [b.example], listen: ["127.0.0.1:8080"], routes: [{ respond: { body: inner } }] }
`,
  };
  const numberOf = async (url: string): Promise<unknown> => {
    const { stdout } = await runCommand(`explain --json ${url}`, { tree });
    const { site, answer } = JSON.parse(stdout) as Explanation;
    return site?.number ?? answer?.status;
  };
  assert.equal(await numberOf("http://a.example/"), 1);
  assert.equal(await numberOf("http://a.example:8080/"), 2);
  assert.equal(await numberOf("http://b.example:8080/"), 3);
  assert.equal(await numberOf("http://b.example/"), 404);
});

test("explain shows the line and the fields that an HTTP server would be sent", async () => {
  const tree = {
    "/etc/afcgi/afcgi.yaml": `
upstreams: { api: { http: ["api.example:8080"] } }
sites:
  - routes:
      - path: /app/*
        strip_prefix: /app
        forward_auth: { upstream: api, uri: /verify }
        proxy: { upstream: api, headers: { X-Key: value } }
`,
  };
  const { status, stdout, stderr } = await runCommand(
    "explain --json http://example.com/app/x?y=1 -H Accept:a/b",
    { tree },
  );
  assert.deepEqual([status, stderr], [0, ""]);
  const { application, routes }: Explanation = JSON.parse(stdout);
  assert.deepEqual(routes.map(({ handler, authorizer }) => [handler, authorizer]), [
    ["proxy", "api"],
  ]);
  assert.deepEqual(application?.servers, ["tcp://api.example:8080"]);
  const parameters = application?.parameters ?? [];
  assert.deepEqual(parameters[0], {
    name: "request",
    value: "GET /x?y=1 HTTP/1.1",
    origin: "request line",
  });
  const origins = Object.fromEntries(parameters.map(({ name, origin }) => [name, origin]));
  assert.equal(origins["accept"], "header accept");
  assert.equal(origins["x-key"], "route");
  assert.equal(origins["x-forwarded-for"], "afcgi");
});

const ROUTED = {
  "/etc/afcgi/afcgi.yaml": `
upstreams: { php: { servers: [php.example], multiplex: on } }
sites:
  - root: /srv/www
    routes:
      - { path: /app/*, headers: { x-beta: "1" }, cookie: { "wp_*": false }, respond: { body: b } }
      - { host: "*.old.example", scheme: http, query: { a: "~ ^x" }, respond: { body: q } }
      - { path: '~ ^/u/(?<name>[a-z]+)/(.*)$', rewrite: "/\${path.2}?user=\${path.name}" }
      - { path: /pma/*, root: /srv/pma, strip_prefix: /pma, php: { upstream: php } }
      - { path: /admin/*, respond: { status: 403 } }
      - { path: /x/*, rewrite: "/\${match}", php: { upstream: php } }
      - php: { upstream: php, front_controller: /index.php }
`,
  "/srv/www/index.php": "<?php",
  "/srv/pma/index.php": "<?php",
};

test("explain tells which condition of a route differs, and what a rewrite leads to", async () => {
  const seen = async (args: string) => {
    const { status, stdout, stderr } = await runCommand(`explain --json ${args}`, { tree: ROUTED });
    assert.deepEqual([status, stderr], [0, ""]);
    const explanation: Explanation = JSON.parse(stdout);
    return explanation;
  };
  const of = async (args: string) => (await seen(args)).routes.map(({ outcome }) => outcome);
  const [first] = await of("http://a.example/app/x");
  assert.equal(first, "header x-beta differs");
  assert.deepEqual(
    (await of("-H x-beta:1 -H cookie:wp_a=b http://m.old.example/app/x")).slice(0, 2),
    ["cookie wp_* differs", "query a differs"],
  );
  assert.deepEqual(await of("-H x-beta:1 http://a.example/app/x"), ["responds"]);
  const pma = await seen("http://a.example/u/ann/pma/");
  assert.deepEqual(pma.routes.map(({ outcome }) => outcome), [
    "path differs",
    "host differs",
    "rewrites to /pma/",
    "responds",
  ]);
  const told = new Map(pma.application!.parameters.map(({ name, value }) => [name, value]));
  assert.equal(told.get("SCRIPT_FILENAME"), "/srv/pma/index.php");
  assert.equal(told.get("SCRIPT_NAME"), "/pma/index.php");
  assert.equal(told.get("QUERY_STRING"), "user=ann");
  assert.equal(told.get("REQUEST_URI"), "/u/ann/pma/");
  const guarded = await seen("http://a.example/x/admin/y");
  assert.equal(guarded.answer?.status, 403);
  assert.deepEqual(guarded.routes.slice(4).map(({ outcome }) => outcome), [
    "responds",
    "rewrites to /admin/y",
  ]);
});
