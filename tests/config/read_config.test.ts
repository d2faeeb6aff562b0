/** A file without error → options: the contract's example, defaults, paths, variables. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { formatError } from "../../src/config/located_error.ts";
import { readConfig } from "../../src/config/read_config.ts";
import { HTTP_LIMIT_DEFAULTS, type RouteOptions } from "../../src/http/options.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { CLIENT_DEFAULTS } from "../../src/app/client_bounds.ts";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { SPILL_TOTAL_MAX } from "../../src/upstream/spill_space.ts";
import { EXAMPLE } from "./example.ts";
import { memoryFiles } from "./memory_files.ts";

const files = memoryFiles({
  "/srv/www/public": null,
  "/srv/www/public/404.html": "page",
  "/etc/afcgi/www": null,
  "/etc/tls/tls.crt": "pem",
  "/etc/tls/tls.key": "pem",
  "/etc/afcgi/tls.crt": "pem",
  "/etc/afcgi/tls.key": "pem",
});

function optionsOf(text: string, env: Record<string, string> = {}): AppOptions {
  const { options, errors: errors } = readConfig(text, {
    source: "afcgi.yaml",
    directory: "/etc/afcgi",
    files,
    readVariable: (name) => env[name],
    rootGiven: false,
  });
  assert.deepEqual(errors.map(formatError), []);
  return options!;
}

/** What is said of responses and bodies has tests of its own (`responses.test.ts`). */
function withoutReplies(
  { responses: _, middleware: __, limits: ___, requestBody: ____, ...route }: RouteOptions,
): Omit<RouteOptions, "responses" | "middleware" | "limits" | "requestBody"> {
  return route;
}

test("The example becomes the options that it says", () => {
  const options = optionsOf(EXAMPLE, { SECRET: "s3cret" });
  assert.deepEqual(options.listen, [
    { address: { transport: "tcp", host: "0.0.0.0", port: 8080 }, tls: undefined },
    {
      address: { transport: "tcp", host: "0.0.0.0", port: 8443 },
      tls: { pair: { cert: "/etc/tls/tls.crt", key: "/etc/tls/tls.key" } },
    },
  ]);
  assert.deepEqual(options.upstreams[0], {
    name: "app",
    protocol: "fastcgi",
    tunnels: { max: 1024, idleMs: 3_600_000 },
    servers: [
      {
        address: { transport: "tcp", host: "10.0.0.1", port: 9000 },
        weight: 1,
        backup: false,
      },
      { address: { transport: "unix", path: "/run/app.sock" }, weight: 2, backup: true },
    ],
    multiplex: "on",
    balance: "hash",
    hash: "HTTP_X_USER",
    connections: {
      max: 9,
      streamsMax: 100,
      idleTimeoutMs: 90_000,
      requestsMax: 7,
      reuse: false,
    },
    queue: { lengthMax: 10, timeoutMs: 1_000 },
    timeouts: {
      connectMs: 250,
      firstByteMs: 300_000,
      idleMs: 2_000,
      totalMs: 3_600_000,
      abortMs: 4_000,
    },
    retry: { attemptsMax: 3, methods: ["GET"], delayMs: 0, sameServer: true },
    health: { intervalMs: 5_000, timeoutMs: 1_000, rise: 4, fall: 5, script: "/ping" },
    slowStartMs: 30_000,
    resolve: {
      ttlMs: 10_000,
      timeoutMs: 2_000,
      family: "ipv4",
      servers: ["10.0.0.53", "[fd00::53]:5353"],
    },
    limits: {
      responseHeaderMax: 32 * 1024,
      responseBufferMax: 4096,
      spillMax: 10_000_000,
    },
  });
  const sites = options.sites.map(({ responses: responses, routes, ...site }) => {
    assert.ok(responses !== undefined);
    return { ...site, routes: routes.map(withoutReplies) };
  });
  assert.deepEqual(sites, [{
    hosts: ["example.com", "*.example.com"],
    root: "/srv/www/public",
    sendfile: ["/srv/files", "/etc/afcgi/private"],
    localRedirects: true,
    proxies: { trusted: ["10.0.0.0/8", "2001:db8::/32", "unix"], headers: ["forwarded"] },
    traceContext: true,
    routes: [
      {
        path: "/healthz",
        methods: undefined,
        handler: { kind: "respond", status: 200, body: "ok\n" },
      },
      {
        path: "/old/*",
        methods: undefined,
        handler: { kind: "redirect", to: "/new/", status: 308 },
        internal: true,
      },
      {
        path: "/api/*",
        methods: ["GET", "POST", "OPTIONS"],
        handler: {
          kind: "fastcgi",
          upstream: "app",
          scriptName: "",
          strip: "/api",
          splitPath: [".cgi", ".pl"],
          index: "index.cgi",
          params: { APP_ENV: "prod", FROM: null, ID: "${request.id}", SECRET: "s3cret" },
        },
      },
      {
        path: undefined,
        methods: undefined,
        handler: {
          kind: "php",
          upstream: "php",
          index: ["index.php"],
          frontController: "/index.php",
          strip: "",
          splitPath: [".php", ".phtml"],
          params: {
            FROM: "site",
            HTTP_X_DEBUG: null,
            ID: "${request.id}",
            MATCH: "${match}",
          },
        },
      },
      {
        path: undefined,
        methods: undefined,
        handler: {
          kind: "static",
          index: ["index.html"],
          precompressed: ["br", "gzip"],
          cacheControl: [
            ["/assets/*", "public, max-age=31536000, immutable"],
            ["*.html", "no-cache"],
          ],
          listing: true,
        },
        compression: {
          encodings: ["gzip"],
          minSize: 2048,
          types: ["text/*"],
          level: "fast",
          concurrentMax: 9,
        },
      },
    ],
  }]);
  assert.deepEqual(options.admin, { transport: "tcp", host: "127.0.0.1", port: 9180 });
  assert.deepEqual(options.log, { level: "warn", format: "text", access: "off" });
  assert.deepEqual(options.limits, {
    requestBodyMax: 1024 * 1024,
    requestHeaderMax: 16 * 1024,
    requestBufferMax: 8192,
    requestRateMin: 1000,
    requestBodyChunkedMax: 512 * 1024,
  });
  assert.equal(options.shutdownGraceMs, 5_000);
  assert.equal(options.workers, "auto");
});

test("What a file leaves out has its default", () => {
  const options = optionsOf(`
upstreams: { app: { servers: [app.example] } }
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`);
  assert.deepEqual(options, {
    listen: [{ address: { transport: "tcp", host: "127.0.0.1", port: 8080 }, tls: undefined }],
    upstreams: [{
      name: "app",
      servers: [{
        address: { transport: "tcp", host: "app.example", port: 9000 },
        weight: 1,
        backup: false,
      }],
      ...UPSTREAM_DEFAULTS,
    }],
    sites: [{
      hosts: [],
      root: undefined,
      proxies: undefined,
      traceContext: false,
      routes: [{
        path: undefined,
        methods: undefined,
        handler: {
          kind: "fastcgi",
          upstream: "app",
          scriptName: "",
          strip: undefined,
          splitPath: undefined,
          index: undefined,
          params: {},
        },
      }],
    }],
    acme: {
      directory: "https://acme-v02.api.letsencrypt.org/directory",
      stagingDirectory: "https://acme-staging-v02.api.letsencrypt.org/directory",
      challenges: ["tls-alpn-01", "http-01"],
    },
    admin: undefined,
    log: { level: "info", format: "json", access: "-" },
    limits: HTTP_LIMIT_DEFAULTS,
    httpTimeouts: CONNECTION_TIMEOUTS,
    bufferMemoryMax: 256 * 1024 * 1024,
    spillTotalMax: SPILL_TOTAL_MAX,
    clients: CLIENT_DEFAULTS,
    shutdownGraceMs: 30_000,
    workers: "auto",
  });
});

test("Connections of clients are bounded as limits.http says", () => {
  const { clients } = optionsOf(`
limits:
  http: { connections: 100, connections_per_address: 5, when_full: wait, requests_per_connection: 9 }
sites: [{ routes: [{ respond: { body: ok } }] }]
`);
  assert.deepEqual(clients, {
    connectionsMax: 100,
    connectionsPerAddressMax: 5,
    whenFull: "wait",
    requestsPerConnectionMax: 9,
  });
});

test("Relative paths start at the file's directory", () => {
  const options = optionsOf(`
listen:
  - { address: ":443", tls: { cert: tls.crt, key: ./tls.key } }
  - "unix:./run/http.sock"
upstreams: { app: { servers: ["unix:../app.sock", "unix:@abstract"] } }
sites: [{ root: www, routes: [{ static: {} }] }]
log: { access: log/access.log }
`);
  assert.deepEqual(options.listen[0]?.tls, {
    pair: { cert: "/etc/afcgi/tls.crt", key: "/etc/afcgi/tls.key" },
  });
  assert.deepEqual(options.listen[1]?.address, {
    transport: "unix",
    path: "/etc/afcgi/run/http.sock",
  });
  assert.deepEqual(options.upstreams[0]?.servers.map((server) => server.address), [
    { transport: "unix", path: "/etc/app.sock" },
    { transport: "unix", path: "\0abstract" },
  ]);
  assert.equal(options.sites[0]?.root, "/etc/afcgi/www");
  assert.equal(options.log.access, "/etc/afcgi/log/access.log");
});

test("Variables are put in once, and $${ keeps a reference as it is written", () => {
  const options = optionsOf(
    'sites: [{ routes: [{ respond: { body: "${env.A}-${env.B}-$${env.A}" } }] }]',
    { A: "${env.B}", B: "b" },
  );
  const handler = options.sites[0]?.routes[0]?.handler;
  assert.equal(handler?.kind === "respond" && handler.body, "${env.B}-b-${env.A}");
});

test("A variable brings no reference to the request into a parameter", () => {
  const options = optionsOf(
    `
upstreams: { app: { servers: ["h:1"], params: { A: "\${env.A}", B: "\${request.id}$\${env.A}" } } }
sites: [{ routes: [{ fastcgi: { upstream: app } }] }]
`,
    { A: "x${request.id}" },
  );
  const handler = options.sites[0]?.routes[0]?.handler;
  assert.deepEqual(handler?.kind === "fastcgi" && handler.params, {
    A: "x$${request.id}",
    B: "${request.id}$${env.A}",
  });
});

test("Hosts are read in lower case", () => {
  const options = optionsOf("sites: [{ hosts: [Example.COM], routes: [{ respond: {} }] }]");
  assert.deepEqual(options.sites[0]?.hosts, ["example.com"]);
});

test("An alias stands for what its anchor marks", () => {
  const options = optionsOf(`
upstreams:
  a: &shared { servers: ["h:1"], multiplex: "off" }
  b: *shared
sites: [{ routes: [{ fastcgi: { upstream: b } }] }]
`);
  assert.deepEqual(options.upstreams.map(({ multiplex }) => multiplex), ["off", "off"]);
});

test("A handler that passes on does not make the next route an error", () => {
  const options = optionsOf(`
upstreams: { php: { servers: ["h:1"] } }
sites:
  - root: www
    routes:
      - php: { upstream: php, front_controller: /index.php }
      - static: {}
      - respond: { status: 404 }
`);
  assert.deepEqual(options.sites[0]?.routes.map(({ handler }) => handler.kind), [
    "php",
    "static",
    "respond",
  ]);
});

test("A root from elsewhere stands in for a root that is missing or wrong", () => {
  const { errors: errors } = readConfig("sites: [{ root: gone, routes: [{ static: {} }] }]", {
    source: "afcgi.yaml",
    directory: "/etc/afcgi",
    files,
    readVariable: () => undefined,
    rootGiven: true,
  });
  assert.deepEqual(errors, []);
});
