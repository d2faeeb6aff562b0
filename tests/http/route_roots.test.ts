/** A root and a stripped prefix of a route: which file, which SCRIPT_NAME, and that nothing leaves. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters, freshPath, type Gateway } from "../support/gateway.ts";

/** Two applications' files: the site's own, and another's elsewhere. */
function makeTrees(): { readonly own: string; readonly other: string } {
  const top = freshPath();
  const [own, other] = [join(top, "own"), join(top, "other")];
  for (const directory of [own, other, join(own, "pma"), join(other, "css")]) {
    mkdirSync(directory, { recursive: true });
  }
  mkdirSync(join(other, "empty"));
  mkdirSync(join(other, ".git"));
  mkdirSync(join(top, "secret"));
  writeFileSync(join(own, "index.php"), "own");
  writeFileSync(join(own, "secret.txt"), "own secret");
  writeFileSync(join(own, "pma", "own.txt"), "never");
  writeFileSync(join(other, "index.php"), "other");
  writeFileSync(join(other, "index.html"), "start");
  writeFileSync(join(other, "a.txt"), "a");
  writeFileSync(join(other, "css", "x.css"), "css");
  writeFileSync(join(other, ".git", "config"), "hidden");
  writeFileSync(join(top, "secret", "key"), "key");
  symlinkSync(join(top, "secret"), join(other, "link"));
  return { own, other };
}

const trees = makeTrees();
const OTHER = `path: /pma/*, root: ${trees.other}, strip_prefix: /pma`;

function site(...routes: readonly string[]): string {
  return `${APP_UPSTREAM}\nsites:\n  - root: ${trees.own}\n    routes:\n${
    routes.map((route) => `      - ${route}\n`).join("")
  }`;
}

async function answers(
  gateway: Gateway,
  targets: readonly string[],
): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const target of targets) {
    const response = await gateway.send(target);
    const { status } = response;
    seen[target] = status === 200
      ? response.body.toString()
      : status === 308
      ? `308 ${response.headers.get("location")}`
      : String(status);
  }
  return seen;
}

test("Files of a route are below its own root, without the prefix", async () => {
  const text = site(
    `{ ${OTHER}, static: { cache_control: { /a.txt: max-age=60 } } }`,
    "{ static: {} }",
    "{ respond: { body: rest } }",
  );
  await withConfig({ text }, async (gateway) => {
    assert.deepEqual(
      await answers(gateway, [
        "/pma/a.txt",
        "/pma",
        "/pma?x=y",
        "/pma/",
        "/pma/css",
        "/pma/css/x.css",
        "/pma/own.txt",
        "/pma/secret.txt",
        "/a.txt",
        "/secret.txt",
        "/pmax/a.txt",
        "/PMA/a.txt",
      ]),
      {
        "/pma/a.txt": "a",
        "/pma": "308 /pma/",
        "/pma?x=y": "308 /pma/?x=y",
        "/pma/": "start",
        "/pma/css": "308 /pma/css/",
        "/pma/css/x.css": "css",
        "/pma/own.txt": "never",
        "/pma/secret.txt": "rest",
        "/a.txt": "rest",
        "/secret.txt": "own secret",
        "/pmax/a.txt": "rest",
        "/PMA/a.txt": "rest",
      },
      "what the route does not have is left to the next one, as always",
    );
    const cached = await gateway.send("/pma/a.txt");
    assert.equal(cached.headers.get("cache-control"), "max-age=60");
  });
});

const ESCAPES = [
  "/pma/../secret.txt",
  "/pma/..%2fsecret.txt",
  "/pma%2f..%2fsecret.txt",
  "/pma/%2e%2e/secret.txt",
  "/pma/..%5csecret.txt",
  "/pma/../../secret/key",
  "/pma/.git/config",
  "/pma/%2egit/config",
  "/pma/link/key",
  "/pma/./css/../../own/secret.txt",
  "/pma//../secret.txt",
];

test("No spelling leaves the root of a route", async () => {
  const handlers = ["static: {}", "php: { upstream: app }", "fastcgi: { upstream: app }"];
  for (const handler of handlers) {
    const text = site(`{ ${OTHER}, ${handler} }`, "{ respond: { body: rest } }");
    await withConfig({
      text,
      application: (_request, info) => new Response(info.params.get("SCRIPT_FILENAME") ?? ""),
    }, async (gateway) => {
      for (const [target, seen] of Object.entries(await answers(gateway, ESCAPES))) {
        const isInside = seen.startsWith(`${trees.other}/`) && !seen.includes("/../");
        assert.ok(isInside || /^(?:rest|40[034])$/.test(seen), `${handler} ${target}: ${seen}`);
      }
    });
  }
});

test("An application keeps the prefix in SCRIPT_NAME, and has the route's root", async () => {
  const named = ["SCRIPT_NAME", "PATH_INFO", "SCRIPT_FILENAME", "DOCUMENT_ROOT", "DOCUMENT_URI"];
  const seen: Record<string, unknown> = {};
  const cases: readonly (readonly [handler: string, target: string])[] = [
    ["fastcgi: { upstream: app }", "/pma/a/b"],
    ["fastcgi: { upstream: app, script_name: /a }", "/pma/a/b"],
    ["fastcgi: { upstream: app, split_path: [.cgi] }", "/pma/a/x.cgi/b"],
    ["fastcgi: { upstream: app, index: index.cgi }", "/pma/a/"],
    ["php: { upstream: app }", "/pma/index.php/b"],
    ["php: { upstream: app }", "/pma/"],
    ["php: { upstream: app, front_controller: /index.php }", "/pma/x/y"],
    ['php: { upstream: app, try: ["${path}.php"] }', "/pma/index"],
    ["php: { upstream: app, application_root: /srv }", "/pma/index.php"],
    ["filter: { upstream: app }", "/pma/css/x.css"],
  ];
  for (const [handler, target] of cases) {
    const route = handler.includes("script_name") ? OTHER.replace("/*", "/a/*") : OTHER;
    const text = site(`{ ${route}, ${handler} }`);
    await withConfig({ text, application: echoParameters }, async (gateway) => {
      const response = await gateway.send(target);
      const params = response.status === 200 ? JSON.parse(response.body.toString()) : {};
      assert.equal(response.status === 200 ? params["REQUEST_URI"] : target, target);
      seen[`${handler} ${target}`] = response.status === 200
        ? named.map((name) => String(params[name] ?? "-").replace(trees.other, "OTHER")).join(" ")
        : response.status;
    });
  }
  assert.deepEqual(seen, {
    "fastcgi: { upstream: app } /pma/a/b": "/pma /a/b OTHER/a/b OTHER /pma/a/b",
    "fastcgi: { upstream: app, script_name: /a } /pma/a/b": "/pma/a /b OTHER/a OTHER /pma/a/b",
    "fastcgi: { upstream: app, split_path: [.cgi] } /pma/a/x.cgi/b":
      "/pma/a/x.cgi /b OTHER/a/x.cgi OTHER /pma/a/x.cgi/b",
    "fastcgi: { upstream: app, index: index.cgi } /pma/a/":
      "/pma/a/index.cgi - OTHER/a/index.cgi OTHER /pma/a/index.cgi",
    "php: { upstream: app } /pma/index.php/b":
      "/pma/index.php /b OTHER/index.php OTHER /pma/index.php/b",
    "php: { upstream: app } /pma/": "/pma/index.php - OTHER/index.php OTHER /pma/index.php",
    "php: { upstream: app, front_controller: /index.php } /pma/x/y":
      "/pma/index.php - OTHER/index.php OTHER /pma/index.php",
    'php: { upstream: app, try: ["${path}.php"] } /pma/index':
      "/pma/index.php - OTHER/index.php OTHER /pma/index.php",
    "php: { upstream: app, application_root: /srv } /pma/index.php":
      "/pma/index.php - /srv/index.php /srv /pma/index.php",
    "filter: { upstream: app } /pma/css/x.css":
      "/pma/css/x.css - OTHER/css/x.css OTHER /pma/css/x.css",
  });
});

test("The prefix alone leads to its directory, whoever serves it", async () => {
  for (const handler of ["static: {}", "php: { upstream: app }"]) {
    const text = site(`{ ${OTHER}, ${handler} }`);
    await withConfig({ text, application: echoParameters }, async (gateway) => {
      assert.deepEqual(await answers(gateway, ["/pma?a"]), { "/pma?a": "308 /pma/?a" }, handler);
    });
  }
});

test("Which scripts run is said below the route's root", async () => {
  const php = "php: { upstream: app, scripts: [/index.php], no_scripts: [/css] }";
  writeFileSync(join(trees.other, "other.php"), "");
  writeFileSync(join(trees.other, "css", "x.php"), "");
  await withConfig({
    text: site(`{ ${OTHER}, ${php} }`),
    application: () => new Response("ran"),
  }, async (gateway) => {
    assert.deepEqual(
      await answers(gateway, ["/pma/index.php", "/pma/other.php", "/pma/css/x.php"]),
      {
        "/pma/index.php": "ran",
        "/pma/other.php": "403",
        "/pma/css/x.php": "403",
      },
    );
  });
});

test("A script below the root of a route is never sent as a file", async () => {
  const text = site(`{ ${OTHER}, static: {} }`, "{ path: /x/*, php: { upstream: app } }");
  await withConfig({ text, application: echoParameters }, async (gateway) => {
    assert.deepEqual(await answers(gateway, ["/pma/index.php", "/pma/a.txt"]), {
      "/pma/index.php": "403",
      "/pma/a.txt": "a",
    });
  });
});

test("A root without a prefix has the whole path below it", async () => {
  const text = site(`{ path: /css/*, root: ${trees.other}, static: {} }`);
  await withConfig({ text }, async (gateway) => {
    assert.deepEqual(await answers(gateway, ["/css/x.css"]), { "/css/x.css": "css" });
  });
});

test("A listing shows the client's path", async () => {
  const text = site(`{ ${OTHER}, static: { listing: true } }`);
  await withConfig({ text }, async (gateway) => {
    const page = (await gateway.send("/pma/css/")).body.toString();
    assert.match(page, /<title>\/pma\/css\/<\/title>/);
    assert.match(page, /href="\.\/x\.css"/);
  });
});
