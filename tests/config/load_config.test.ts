/** Flag before environment before file before default; runs without a file; what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../../src/config/located_error.ts";
import { FILE_LENGTH_MAX, loadConfig, type LoadedConfig } from "../../src/config/load_config.ts";
import { type Flags, SETTINGS, variableName } from "../../src/config/settings.ts";
import { HTTP_LIMIT_DEFAULTS } from "../../src/http/options.ts";
import { memoryFiles, type Tree } from "./memory_files.ts";

const FILE = `
listen: [":1001"]
upstreams: { app: { servers: ["file:1"], multiplex: "off" } }
sites: [{ root: /srv/file, routes: [{ static: {} }, { fastcgi: { upstream: app } }] }]
admin: { listen: ":1002" }
log: { level: warn, format: text, access: /var/log/file }
limits: { request_body: 1KiB, request_header: 2KiB }
`;

const TREE: Tree = {
  "/srv/file": null,
  "/srv/variable": null,
  "/srv/flag": null,
  "/site/php": null,
  "/site/php/index.php": "<?php",
  "/site/plain": null,
  "/site/conf/site.yaml": FILE,
};

interface World {
  readonly env?: Readonly<Record<string, string>>;
  readonly tree?: Tree;
}

function load(flags: Flags, { env = {}, tree = {} }: World = {}): Promise<LoadedConfig> {
  return loadConfig(flags, {
    files: memoryFiles({ ...TREE, ...tree }),
    cwd: "/site",
    readVariable: (name) => env[name],
  });
}

async function errorsOf(flags: Flags, world: World = {}): Promise<string[]> {
  try {
    await load(flags, world);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}

const ALL_FLAGS: Flags = {
  config: "conf/site.yaml",
  listen: ["h:3001"],
  upstream: ["h:3002", "unix:/run/app.sock"],
  root: "/srv/flag",
  admin: "h:3003",
  logLevel: "debug",
  logFormat: "json",
  accessLog: "flag.log",
  maxBody: "3KiB",
};

const ALL_VARIABLES = {
  AFCGI_LISTEN: "h:2001, h:2011",
  AFCGI_UPSTREAM: "h:2002",
  AFCGI_ROOT: "/srv/variable",
  AFCGI_ADMIN: "h:2003",
  AFCGI_LOG_LEVEL: "error",
  AFCGI_LOG_FORMAT: "json",
  AFCGI_ACCESS_LOG: "variable.log",
  AFCGI_MAX_BODY: "2KiB",
};

/** What each of the settings has come to. */
function settled({ options }: LoadedConfig) {
  const ports = (addresses: readonly { readonly address: object }[]) =>
    addresses.map(({ address }) => "port" in address ? address.port : address);
  return {
    listen: ports(options.listen),
    servers: options.upstreams.map(({ servers }) => ports(servers)),
    root: options.sites[0]?.root,
    admin: options.admin && "port" in options.admin ? options.admin.port : undefined,
    log: options.log,
    requestBodyMax: options.limits.requestBodyMax,
  };
}

test("A file's values come before the defaults", async () => {
  assert.deepEqual(settled(await load({ config: "conf/site.yaml" })), {
    listen: [1001],
    servers: [[1]],
    root: "/srv/file",
    admin: 1002,
    log: { level: "warn", format: "text", access: "/var/log/file" },
    requestBodyMax: 1024,
  });
});

test("Environment variables come before the file", async () => {
  const loaded = await load({ config: "conf/site.yaml" }, { env: ALL_VARIABLES });
  assert.deepEqual(settled(loaded), {
    listen: [2001, 2011],
    servers: [[2002]],
    root: "/srv/variable",
    admin: 2003,
    log: { level: "error", format: "json", access: "/site/variable.log" },
    requestBodyMax: 2048,
  });
});

test("Flags come before environment variables", async () => {
  const loaded = await load(ALL_FLAGS, { env: ALL_VARIABLES });
  assert.deepEqual(settled(loaded), {
    listen: [3001],
    servers: [[3002, { transport: "unix", path: "/run/app.sock" }]],
    root: "/srv/flag",
    admin: 3003,
    log: { level: "debug", format: "json", access: "/site/flag.log" },
    requestBodyMax: 3072,
  });
});

test("What no flag says stays as the file has it", async () => {
  const { options } = await load(ALL_FLAGS);
  assert.equal(options.upstreams[0]?.multiplex, "off");
  assert.equal(options.limits.requestHeaderMax, 2048);
});

test("An empty variable counts as not set", async () => {
  const loaded = await load({ config: "conf/site.yaml" }, { env: { AFCGI_LISTEN: " " } });
  assert.deepEqual(settled(loaded).listen, [1001]);
});

test("Every flag has a variable of its name", () => {
  assert.deepEqual(SETTINGS.map(variableName), [
    "AFCGI_CONFIG",
    "AFCGI_LISTEN",
    "AFCGI_UPSTREAM",
    "AFCGI_SPAWN",
    "AFCGI_ROOT",
    "AFCGI_PRESET",
    "AFCGI_DOMAIN",
    "AFCGI_ACME_EMAIL",
    "AFCGI_ACME_DIRECTORY",
    "AFCGI_ACME_CA",
    "AFCGI_ADMIN",
    "AFCGI_USER",
    "AFCGI_WORKERS",
    "AFCGI_LOG_FORMAT",
    "AFCGI_LOG_LEVEL",
    "AFCGI_ACCESS_LOG",
    "AFCGI_MAX_BODY",
  ]);
});

test("The admin listener of a file can be switched off", async () => {
  const { options } = await load({ config: "conf/site.yaml", admin: "off" });
  assert.equal(options.admin, undefined);
});

test("Without --config the file of the working directory comes before that of /etc", async () => {
  const etc = { "/etc/afcgi/afcgi.yaml": FILE };
  assert.equal((await load({}, { tree: etc })).file, "/etc/afcgi/afcgi.yaml");
  const both = { ...etc, "/site/afcgi.yaml": FILE };
  assert.equal((await load({}, { tree: both })).file, "afcgi.yaml");
});

test("AFCGI_CONFIG names the file", async () => {
  const loaded = await load({}, { env: { AFCGI_CONFIG: "conf/site.yaml" } });
  assert.equal(loaded.file, "conf/site.yaml");
});

test("With --upstream alone the app preset sends everything to the application", async () => {
  const { options, file } = await load({ upstream: ["h:1", "h:2"] });
  assert.equal(file, undefined);
  assert.deepEqual(options.listen.map(({ address }) => address), [
    { transport: "tcp", host: "127.0.0.1", port: 8080 },
  ]);
  assert.deepEqual(options.upstreams.map(({ name, servers }) => [name, servers.length]), [
    ["app", 2],
  ]);
  assert.deepEqual(options.sites, [{
    hosts: [],
    root: undefined,
    routes: [{
      path: undefined,
      methods: undefined,
      handler: { kind: "fastcgi", upstream: "app", scriptName: "", params: {} },
    }],
  }]);
  assert.equal(options.admin, undefined);
  assert.deepEqual(options.limits, HTTP_LIMIT_DEFAULTS);
});

test("A root with an index.php makes it the php preset: files, scripts, front controller", async () => {
  const { options } = await load({ upstream: ["h"], root: "php" });
  assert.equal(options.sites[0]?.root, "/site/php");
  assert.deepEqual(options.sites[0]?.routes.map(({ handler }) => handler), [
    { kind: "static", index: ["index.html"] },
    {
      kind: "php",
      upstream: "php",
      index: ["index.php"],
      frontController: "/index.php",
      params: {},
    },
  ]);
});

test("The php preset over a root without index.php has no front controller", async () => {
  const { options } = await load({ upstream: ["h"], root: "plain", preset: "php" });
  const handler = options.sites[0]?.routes[1]?.handler;
  assert.equal(handler?.kind, "php");
  assert.equal(handler?.kind === "php" && handler.frontController, undefined);
});

test("The app preset stays one over a root with an index.php when it is asked for", async () => {
  const { options } = await load({ upstream: ["h"], root: "php", preset: "app" });
  assert.equal(options.sites[0]?.routes[0]?.handler.kind, "fastcgi");
  assert.equal(options.sites[0]?.root, "/site/php");
});

test("A default file that --upstream stands in for is named in a note", async () => {
  const loaded = await load({ upstream: ["h:1"] }, { tree: { "/site/afcgi.yaml": "broken: [" } });
  assert.equal(loaded.file, undefined);
  assert.deepEqual(loaded.notes, [
    'File "afcgi.yaml" is not read because --upstream is the whole configuration',
  ]);
});

const REFUSED: readonly { name: string; flags: Flags; world?: World; expected: string[] }[] = [
  {
    name: "neither file nor upstream",
    flags: {},
    expected: [
      'afcgi: There is neither "afcgi.yaml" nor "/etc/afcgi/afcgi.yaml" ' +
      "(name a file with --config, or an application with --upstream or --spawn)",
    ],
  },
  {
    name: "a file that is not there",
    flags: { config: "gone.yaml" },
    expected: ["gone.yaml: There is no such file (name another with --config)"],
  },
  {
    name: "a directory for a file",
    flags: { config: "plain" },
    expected: ["plain: The path is a directory (name a file in it)"],
  },
  {
    name: "a file that is too long",
    flags: { config: "long.yaml" },
    world: { tree: { "/site/long.yaml": "#".repeat(FILE_LENGTH_MAX + 1) } },
    expected: ["long.yaml: The file has 1048577 bytes (use 1048576 or less)"],
  },
  {
    name: "a preset beside a file",
    flags: { config: "conf/site.yaml", preset: "app" },
    expected: ['--preset: The routes are in "conf/site.yaml" (leave one of the two out)'],
  },
  {
    name: "an upstream for a file with two, and a root for a file with two sites",
    flags: { config: "two.yaml", root: "/srv/flag" },
    world: {
      env: { AFCGI_UPSTREAM: "h:1" },
      tree: {
        "/site/two.yaml": `
upstreams: { a: { servers: [h] }, b: { servers: [h] } }
sites:
  - { hosts: [a], routes: [{ fastcgi: { upstream: a } }] }
  - { hosts: [b], routes: [{ fastcgi: { upstream: b } }] }
`,
      },
    },
    expected: [
      'AFCGI_UPSTREAM: "two.yaml" has 2 upstreams, not one (change its servers there)',
      '--root: "two.yaml" has 2 sites, not one (change the root there)',
    ],
  },
  {
    name: "a listener beside sites that name theirs",
    flags: { config: "inner.yaml", listen: [":81"] },
    world: {
      tree: {
        "/site/inner.yaml": `
listen: [":80"]
sites: [{ listen: [":80"], routes: [{ respond: {} }] }]
`,
      },
    },
    expected: ['--listen: Sites of "inner.yaml" name listeners (change listen there)'],
  },
  {
    name: "the php preset without root",
    flags: { upstream: ["h"], preset: "php" },
    expected: ['--preset: Preset "php" has no files (add --root DIR)'],
  },
  {
    name: "an unknown preset",
    flags: { upstream: ["h"], preset: "pph" },
    expected: ['--preset: Unknown preset "pph" (did you mean "php"?)'],
  },
  {
    name: "a root that is not there, even for php",
    flags: { upstream: ["h"], preset: "php", root: "gone" },
    expected: ['--root: There is no directory "/site/gone" (create it, or name another)'],
  },
  {
    name: "a root that is a file",
    flags: { upstream: ["h"], root: "php/index.php" },
    expected: ['--root: "/site/php/index.php" is not a directory (name its directory)'],
  },
  {
    name: "several wrong values at once, flags and variables",
    flags: { upstream: ["http://h"], listen: ["h"], logLevel: "loud", maxBody: "1 MB" },
    world: { env: { AFCGI_LOG_FORMAT: "jsn", AFCGI_ADMIN: "nowhere", AFCGI_WORKERS: "0" } },
    expected: [
      'AFCGI_WORKERS: Cannot read "0" as workers (use auto, or a number from 1 to 63)',
      '--log-level: Unknown level "loud" (use debug, info, warn or error)',
      'AFCGI_LOG_FORMAT: Unknown format "jsn" (did you mean "json"?)',
      '--listen: Cannot read address "h": the port is missing (use "h:PORT")',
      '--upstream: Cannot read address "http://h": scheme "http" is not known ' +
      '(use "tcp://host:port" or "unix:/path")',
      'AFCGI_ADMIN: Cannot read address "nowhere": the port is missing (use "nowhere:PORT")',
      '--max-body: Cannot read size "1 MB" ' +
      "(use bytes, or a whole number with kB, MB, GB, KiB, MiB or GiB, such as 1MB)",
    ],
  },
  {
    name: "errors of flags and of the file together",
    flags: { config: "bad.yaml", workers: "64" },
    world: { tree: { "/site/bad.yaml": "sites: 1\n" } },
    expected: [
      '--workers: Cannot read "64" as workers (use auto, or a number from 1 to 63)',
      "bad.yaml:1:8: sites is 1 (use a list of sites)",
    ],
  },
];

for (const { name, flags, world, expected } of REFUSED) {
  test(`Loading a configuration refuses ${name}`, async () => {
    assert.deepEqual(await errorsOf(flags, world), expected);
  });
}

test("A file is read in steps, and others have their turn between them", async () => {
  const files = memoryFiles(TREE);
  const deps = { files, cwd: "/site", readVariable: () => undefined };
  const flags = { config: "conf/site.yaml" };
  let turns = 0;
  const betweenSteps = async (): Promise<void> => {
    turns++;
    await Promise.resolve();
  };
  const inSteps = await loadConfig(flags, { ...deps, betweenSteps });
  assert.deepEqual(inSteps.options, (await loadConfig(flags, deps)).options);
  assert.equal(turns, 3);
});
