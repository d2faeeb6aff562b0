/**
 * PATH_TRANSLATED, by which PHP chooses its script in the place of SCRIPT_FILENAME where
 * `cgi.fix_pathinfo` is 0 or where there is a REDIRECT_URL, and files with code in them that PHP
 * goes back to where it is 1. Real php-fpm and php-cgi, each way, behind every shape of a route:
 * whatever path is asked, nothing runs and nothing is shown but what the route names.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Child } from "../support/child.ts";
import { withConfig } from "../support/configured.ts";
import { echoParameters } from "../support/gateway.ts";
import { missingPeer, PEER_PATH } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import {
  freePlace,
  type Place,
  placeName,
  placeUrl,
  temporaryDirectory,
} from "../support/places.ts";
import { waitForListener } from "../support/places.ts";
import { HttpConnection } from "../support/raw_http.ts";

/** Says which file runs, and what it is told. */
const SCRIPT = `<?php echo "RAN ", substr(__FILE__, strlen($_SERVER["TEST_ROOT"])), " ",
  $_SERVER["PATH_INFO"] ?? "";`;
const CODE = "SECRET <?php echo 'CODE', ' RAN';";

const FILES: Readonly<Record<string, string>> = {
  "index.php": SCRIPT,
  "front.php": SCRIPT,
  "admin/index.php": SCRIPT,
  "v1.2/api.php": SCRIPT,
  "uploads/shell.php": SCRIPT,
  "uploads/cat.gif": CODE,
  "uploads/avatar": CODE,
  "inc/config.ini": CODE,
};

interface Shape {
  readonly name: string;
  /** The site's routes, in YAML on one line. */
  readonly routes: string;
  /** Which scripts may run, beside those that the path itself begins with. */
  readonly named: readonly string[];
  /** Scripts that never run here. */
  readonly closed?: readonly string[];
  /** A path with PATH_INFO, and what runs. */
  readonly ordinary: readonly [target: string, outcome: string];
}

const INFO = ["/index.php/a/b", "RAN /index.php /a/b"] as const;

/** A `php` or `fastcgi` handler. */
function php(options: string): string {
  return `{ php: { upstream: php, ${options} params: { TEST_ROOT: "@" } } }`;
}
function fastcgi(options: string, params = ""): string {
  return `{ fastcgi: { upstream: php, ${options} params: { TEST_ROOT: "@" ${params} } } }`;
}

const SHAPES: readonly Shape[] = [
  { name: "php", routes: php(""), named: [], ordinary: INFO },
  {
    name: "front",
    routes: php("front_controller: /front.php,"),
    named: ["/front.php"],
    ordinary: INFO,
  },
  { name: "preset", routes: `{ static: {} }, ${php("")}`, named: [], ordinary: INFO },
  {
    name: "try",
    routes: php('try: [script, file, folder, "${path}.php", /front.php],'),
    named: ["/front.php"],
    ordinary: INFO,
  },
  {
    name: "rules",
    routes: php("scripts: [/index.php, /uploads/*.php], no_scripts: [/uploads],"),
    named: [],
    closed: ["/admin/index.php", "/uploads/shell.php", "/front.php"],
    ordinary: INFO,
  },
  {
    name: "split",
    routes: fastcgi("split_path: [.php],"),
    named: [],
    ordinary: INFO,
  },
  {
    name: "split-index",
    routes: fastcgi("split_path: [.php], index: index.php,"),
    named: [],
    ordinary: INFO,
  },
  {
    name: "ending",
    routes: `{ path: "*.php", ${fastcgi("").slice(2)}`,
    named: [],
    ordinary: ["/admin/index.php", "RAN /admin/index.php /admin/index.php"],
  },
  {
    name: "ending-below",
    routes: `{ path: "/uploads/*.php", ${fastcgi("").slice(2)}`,
    named: [],
    closed: ["/admin/index.php", "/front.php", "/index.php", "/v1.2/api.php"],
    ordinary: ["/uploads/shell.php", "RAN /uploads/shell.php /uploads/shell.php"],
  },
  {
    name: "ending-own-root",
    routes: `{ path: "*.php", ${fastcgi("", ', SCRIPT_FILENAME: "@${request.path}"').slice(2)}`,
    named: [],
    ordinary: ["/index.php", "RAN /index.php /index.php"],
  },
  {
    name: "ending-index",
    routes: `{ path: "*.php", ${fastcgi("index: index.php,").slice(2)}`,
    named: [],
    ordinary: ["/admin/index.php", "RAN /admin/index.php /admin/index.php"],
  },
  {
    name: "script-name",
    routes: `{ path: /index.php/*, ${fastcgi("script_name: /index.php,").slice(2)}`,
    named: [],
    closed: ["/admin/index.php", "/front.php", "/uploads/shell.php", "/v1.2/api.php"],
    ordinary: INFO,
  },
  {
    name: "script-filename",
    routes: fastcgi("", ', SCRIPT_FILENAME: "@/front.php"'),
    named: ["/front.php"],
    closed: ["/admin/index.php", "/index.php", "/uploads/shell.php", "/v1.2/api.php"],
    ordinary: ["/a/b", "RAN /front.php /a/b"],
  },
  {
    name: "guarded",
    routes: `{ path: /admin/*, ip_restriction: { allow: [192.0.2.1] }, ${php("").slice(2)}, ` +
      `{ path: /uploads/*, respond: { status: 403 } }, ${php("")}`,
    named: [],
    closed: ["/admin/index.php", "/uploads/shell.php"],
    ordinary: INFO,
  },
  {
    name: "password",
    routes: `{ path: /admin/*, basic_auth: { users: { a: b } }, ${php("").slice(2)}, ${php("")}`,
    named: [],
    closed: ["/admin/index.php"],
    ordinary: INFO,
  },
  {
    name: "redirect-url",
    routes: php("").replace('"@"', '"@", REDIRECT_URL: "${request.path}"'),
    named: [],
    ordinary: ["/index.php", "RAN /index.php "],
  },
];

/** Each file, below each script and below each other file. */
function targets(): string[] {
  const names = Object.keys(FILES).map((name) => `/${name}`);
  const below = names.flatMap((outer) => names.map((inner) => outer + inner));
  const more = [
    "/",
    "/admin/",
    "/admin",
    "/uploads/",
    "/a/b",
    "/index.php/",
    "/none.php/index.php",
  ];
  const tricks = names.flatMap((name) => [
    `${name}/x.php`,
    `${name}/`,
    `${name}/x/y/z.php`,
    `${name}%2fx.php`,
    `/index.php/..${name}`,
    `/index.php/%2e%2e${name}`,
    `/index.php/.${name}`,
    `/index.php/${name}`,
    `/index.php${name}/x.php`,
  ]);
  return [...names, ...below, ...more, ...tricks];
}

/** As afcgi looks at it: decoded, without "..". */
function pathOf(target: string): string {
  return new URL(decodeURIComponent(target).replace(/\/+/g, "/"), "http://a/").pathname;
}

/** The scripts that a path begins with, and directories' indexes. */
function scriptsOf(path: string): string[] {
  const scripts = Object.keys(FILES).map((name) => `/${name}`).filter((name) =>
    path === name || path.startsWith(`${name}/`)
  );
  return [...scripts, `${path}index.php`, `${path}.php`];
}

function write(): string {
  const root = temporaryDirectory();
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

function configText(root: string): string {
  const sites = SHAPES.map(({ name, routes }) =>
    `  - { hosts: [${name}], root: "${root}", routes: [${routes.replaceAll("@", root)}] }`
  );
  return `upstreams: { php: { servers: ["\${env.PHP}"], connections: { max: 2 } } }
sites:
${sites.join("\n")}
`;
}

async function startPhp(program: string, fixPathInfo: string): Promise<[Child, Place]> {
  const directory = temporaryDirectory();
  const place = await freePlace("unix", directory);
  if (program === "php-fpm") {
    const settings = [`php_admin_value[cgi.fix_pathinfo] = ${fixPathInfo}`];
    return [await startPhpFpm({ directory, place, children: 3, settings }), place];
  }
  const child = new Child(
    "php-cgi",
    ["-n", "-d", `cgi.fix_pathinfo=${fixPathInfo}`, "-b", placeName(place)],
    { env: { PATH: PEER_PATH, PHP_FCGI_CHILDREN: "3" }, group: true },
  );
  await waitForListener(place);
  return [child, place];
}

for (const program of ["php-fpm", "php-cgi"] as const) {
  for (const fixPathInfo of ["0", "1"]) {
    const says =
      `Nothing runs in ${program} with cgi.fix_pathinfo=${fixPathInfo} but what is named`;
    test(says, { skip: missingPeer(program) }, async () => {
      const root = write();
      const [child, place] = await startPhp(program, fixPathInfo);
      try {
        const env = { PHP: placeUrl(place) };
        await withConfig({ text: configText(root), env }, async ({ port }) => {
          const connection = await HttpConnection.open(port);
          for (const shape of SHAPES) await askAll(connection, shape);
          connection.destroy();
        });
      } finally {
        await child.stop();
      }
    });
  }
}

async function askAll(connection: HttpConnection, shape: Shape): Promise<void> {
  const ask = async (target: string) => {
    await connection.write(`GET ${target} HTTP/1.1\r\nHost: ${shape.name}\r\n\r\n`);
    return (await connection.readResponse()).body.toString();
  };
  const [ordinary, outcome] = shape.ordinary;
  assert.equal(await ask(ordinary), outcome, `${shape.name} ${ordinary}`);
  for (const target of targets()) {
    const text = await ask(target);
    const says = `${shape.name} ${target}: ${text}`;
    // A file that is none of PHP's may be sent as it is, by its own name and never run.
    assert.ok(!text.includes("CODE RAN"), says);
    const isFile = shape.name === "preset" && !pathOf(target).includes(".php") && text === CODE;
    assert.ok(isFile || !text.includes("SECRET"), says);
    const ran = /^RAN (\S+)/.exec(text)?.[1];
    if (ran === undefined) continue;
    assert.ok([...shape.named, ...scriptsOf(pathOf(target))].includes(ran), says);
    assert.ok(!shape.closed?.includes(ran), says);
  }
}

test("PATH_TRANSLATED is sent to scripts only where a route names it", async () => {
  const routes = (params: string) =>
    [
      `{ path: /split/*, fastcgi: { upstream: app, split_path: [.php], ${params} } }`,
      `{ path: /name/*, fastcgi: { upstream: app, script_name: /name, ${params} } }`,
      `{ fastcgi: { upstream: app, index: x.php, params: { SCRIPT_FILENAME: /x.php, ${
        params.slice("params: { ".length) || "}"
      } } }`,
    ].join(", ");
  const own = 'params: { PATH_TRANSLATED: "/own${request.path}" }';
  const text = `upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - { hosts: [own.example], root: /srv, routes: [${routes(own)}] }
  - { root: /srv, routes: [${routes("params: { }")}] }
`;
  await withConfig({ text, application: echoParameters }, async ({ send }) => {
    for (const target of ["/split/a.php/b.php", "/name/b.php", "/other/b.php"]) {
      const sent = async (Host: string) =>
        JSON.parse((await send({ target, headers: { Host } })).body.toString()).PATH_TRANSLATED;
      assert.equal(await sent("own.example"), `/own${target}`);
      assert.equal(await sent("other.example"), undefined, target);
    }
  });
});

test("PHP by its upstream is sent nothing below a file, whatever a route's path says", async () => {
  const root = write();
  const text = (upstream: string, params: string) =>
    `upstreams: { ${upstream}: { servers: ["\${env.APP}"] } }
sites:
  - { root: "${root}", routes: [{ fastcgi: { upstream: ${upstream}, params: { ${params} } } }] }
`;
  for (
    const [upstream, params, expected] of [
      ["php", "", 404],
      ["php", `SCRIPT_FILENAME: "/other\${request.path}"`, 404],
      ["my-fpm", "", 404],
      ["php", "SCRIPT_FILENAME: /front.php", 200],
      // Others have paths of their own, and pay no look at a file.
      ["app", "", 200],
    ] as const
  ) {
    await withConfig(
      { text: text(upstream, params), application: echoParameters },
      async ({ send }) => {
        for (
          const target of ["/uploads/cat.gif/x.php", "/uploads/cat.gif/", "/inc/config.ini/a/b"]
        ) {
          const { status } = await send({ target });
          assert.equal(status, expected, `${upstream} ${params} ${target}`);
        }
        assert.equal((await send({ target: "/index.php" })).status, 200);
        assert.equal((await send({ target: "/none/x" })).status, 200);
      },
    );
  }
});
