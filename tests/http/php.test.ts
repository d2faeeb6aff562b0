/**
 * The presets `php` and `app` over a real directory: which script runs, and what is never served, run
 * or shown. The application records which file it was asked to run.
 */
import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { appPreset, phpPreset } from "../../src/config/preset.ts";
import type { PhpHandlerOptions, RouteOptions } from "../../src/http/options.ts";
import type { RequestInfo } from "../../src/responder/options.ts";
import { type Gateway, runtime, withGateway } from "../support/gateway.ts";

/** In every file that must not come out as it is. */
const SOURCE = "<?php SOURCE";
const SECRET = "SECRET";

const FILES: Readonly<Record<string, string>> = {
  "www/index.php": SOURCE,
  "www/info.php": SOURCE,
  "www/style.css": "body {}",
  "www/dir/index.php": SOURCE,
  "www/pages/index.html": "<p>page</p>",
  "www/bare/file.txt": "bare",
  "www/old.phtml": SOURCE,
  "www/UPPER.PHP": SOURCE,
  "www/folder.php/inner.php": SOURCE,
  "www/upload/image.jpg": "JPEG",
  "www/.env": SECRET,
  "www/.git/config.php": SECRET,
  "outside.php": SECRET,
  "outside.txt": SECRET,
};

const SYMLINKS: readonly (readonly [target: string, name: string])[] = [
  ["../outside.php", "www/link.php"],
  ["../outside.txt", "www/link.txt"],
  ["info.php", "www/source.txt"],
];

interface Site {
  readonly root: string;
  readonly gateway: Gateway;
  /** Scripts that the application was asked to run, below the root. */
  readonly ran: string[];
}

const PHP: RouteOptions = {
  path: undefined,
  methods: undefined,
  handler: {
    kind: "php",
    upstream: "app",
    index: ["index.php"],
    frontController: undefined,
    params: {},
  },
};
const STATIC: RouteOptions = {
  path: undefined,
  methods: undefined,
  handler: { kind: "static", index: ["index.html"] },
};
const FRONT_CONTROLLER: RouteOptions = {
  ...PHP,
  handler: { ...PHP.handler, frontController: "/index.php" } as RouteOptions["handler"],
};

async function withSite(
  routes: readonly RouteOptions[] | ((root: string) => readonly RouteOptions[]),
  use: (site: Site) => Promise<void>,
): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "afcgi-php-")));
  const root = join(base, "www");
  const ran: string[] = [];
  try {
    for (const [name, content] of Object.entries(FILES)) {
      mkdirSync(join(base, name, ".."), { recursive: true });
      writeFileSync(join(base, name), content);
    }
    for (const [target, name] of SYMLINKS) symlinkSync(target, join(base, name));
    const application = (_request: Request, { params }: RequestInfo) => {
      ran.push(params.get("SCRIPT_FILENAME")!.slice(root.length));
      return Response.json({
        SCRIPT_NAME: params.get("SCRIPT_NAME"),
        PATH_INFO: params.get("PATH_INFO"),
        QUERY_STRING: params.get("QUERY_STRING"),
        DOCUMENT_ROOT: params.get("DOCUMENT_ROOT"),
        SCRIPT_FILENAME: params.get("SCRIPT_FILENAME"),
        PATH_TRANSLATED: params.get("PATH_TRANSLATED"),
      });
    };
    const chosen = typeof routes === "function" ? routes(root) : routes;
    await withGateway(
      { application, root, routes: chosen },
      (gateway) => use({ root, gateway, ran }),
    );
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

/** What a target gets: `run FILE PATH_INFO`, the text of a file, or a status. */
async function outcome({ gateway, ran }: Site, target: string, method = "GET"): Promise<string> {
  ran.length = 0;
  const response = await gateway.send(
    method === "POST" ? { method, target, body: "x=1" } : { method, target },
  );
  const text = response.body.toString();
  assert.ok(!text.includes(SOURCE) && !text.includes(SECRET), `${target} shows ${text}`);
  if (ran.length > 0) {
    const { PATH_INFO } = JSON.parse(text);
    return `run ${ran.join()}${PATH_INFO ? ` ${PATH_INFO}` : ""}`;
  }
  if (response.status === 200) return text;
  const location = response.headers.get("location");
  return location === undefined ? String(response.status) : `${response.status} ${location}`;
}

async function outcomes(site: Site, targets: readonly string[]): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const target of targets) seen[target] = await outcome(site, target);
  return seen;
}

/** The same in whichever order the routes stand. */
const WITHOUT_FRONT_CONTROLLER: Readonly<Record<string, string>> = {
  "/": "run /index.php",
  "/index.php": "run /index.php",
  "/info.php?a=b": "run /info.php",
  "/info.php/": "run /info.php /",
  "/info.php/a/b%20c": "run /info.php /a/b c",
  "/%69nfo.php": "run /info.php",
  "/missing.php": "404",
  "/missing.php/info": "404",
  "/dir/missing.php": "404",
  "/dir/": "run /dir/index.php",
  "/folder.php/inner.php": "run /folder.php/inner.php",
  "/upload/image.jpg": "JPEG",
  "/upload/image.jpg/x.php": "404",
  "/style.css": "body {}",
  "/pages/": "<p>page</p>",
  "/bare/": "404",
  "/missing": "404",
  "/.env": "403",
  "/.git/config.php": "403",
  "/link.php": "403",
  "/link.txt": "403",
  "/source.txt": "403",
  "/old.phtml": "403",
  "/UPPER.PHP": "403",
  "/../outside.txt": "400",
  "/%2e%2e/outside.php": "400",
};

for (
  const [order, routes] of [
    ["static before php", [STATIC, PHP]],
    ["php before static", [PHP, STATIC]],
  ] as const
) {
  test(`Scripts run, files are served and nothing leaks, ${order}`, async () => {
    await withSite(routes, async (site) => {
      const seen = await outcomes(site, Object.keys(WITHOUT_FRONT_CONTROLLER));
      assert.deepEqual(seen, WITHOUT_FRONT_CONTROLLER);
    });
  });

  test(`A file takes no POST, a script does, ${order}`, async () => {
    await withSite(routes, async (site) => {
      assert.equal(await outcome(site, "/info.php", "POST"), "run /info.php");
      assert.equal(await outcome(site, "/dir/", "POST"), "run /dir/index.php");
      assert.equal(await outcome(site, "/missing", "POST"), "404");
      for (const target of ["/style.css", "/pages/"]) {
        assert.equal(await outcome(site, target, "POST"), "405", target);
        const response = await site.gateway.send({ method: "POST", target, body: "" });
        assert.equal(response.headers.get("allow"), "GET, HEAD");
      }
    });
  });
}

test("A directory without its slash is redirected to it, by whichever route knows its index", async () => {
  await withSite([PHP, STATIC], async (site) => {
    assert.equal(await outcome(site, "/dir"), "308 /dir/");
    assert.equal(await outcome(site, "/dir?a=b"), "308 /dir/?a=b");
    assert.equal(await outcome(site, "/pages"), "308 /pages/");
  });
});

test("A front controller gets every path that is no file", async () => {
  await withSite([STATIC, FRONT_CONTROLLER], async (site) => {
    assert.deepEqual(
      await outcomes(site, ["/", "/users/1?x=y", "/style.css", "/info.php", "/bare/", "/dir/"]),
      {
        "/": "run /index.php",
        "/users/1?x=y": "run /index.php",
        "/style.css": "body {}",
        "/info.php": "run /info.php",
        "/bare/": "run /index.php",
        "/dir/": "run /dir/index.php",
      },
    );
    assert.equal(await outcome(site, "/users", "POST"), "run /index.php");
    const response = await site.gateway.send("/users/1?x=y");
    assert.deepEqual(JSON.parse(response.body.toString()), {
      SCRIPT_NAME: "/index.php",
      QUERY_STRING: "x=y",
      DOCUMENT_ROOT: site.root,
      SCRIPT_FILENAME: join(site.root, "index.php"),
    });
  });
});

test("A front controller gets no script that is missing, nothing hidden, nothing from outside", async () => {
  await withSite([STATIC, FRONT_CONTROLLER], async (site) => {
    assert.deepEqual(
      await outcomes(site, ["/missing.php", "/.env", "/link.php", "/link.txt", "/old.phtml"]),
      {
        "/missing.php": "404",
        "/.env": "403",
        "/link.php": "403",
        "/link.txt": "403",
        "/old.phtml": "403",
      },
    );
  });
});

test("A route that sends *.php to an application keeps static routes from showing source", async () => {
  const scripts: RouteOptions = {
    path: "*.php",
    methods: undefined,
    handler: { kind: "fastcgi", upstream: "app", scriptName: "", params: {} },
  };
  await withSite([STATIC, scripts], async (site) => {
    assert.equal(await outcome(site, "/info.php"), "run /info.php /info.php");
    assert.equal(await outcome(site, "/UPPER.PHP"), "403");
    assert.equal(await outcome(site, "/style.css"), "body {}");
  });
});

/** A preset's routes, with the test's upstream in the place of theirs. */
function presetRoutes(preset: AppOptions): RouteOptions[] {
  return preset.sites[0]!.routes.map((route) =>
    "upstream" in route.handler
      ? { ...route, handler: { ...route.handler, upstream: "app" } }
      : route
  );
}

test("The preset php serves files, runs scripts and falls back to index.php", async () => {
  const routes = (root: string) => presetRoutes(phpPreset({ servers: [] }, root, runtime.files));
  await withSite(routes, async (site) => {
    assert.deepEqual(
      await outcomes(site, ["/", "/style.css", "/info.php/x", "/users", "/.env", "/missing.php"]),
      {
        "/": "run /index.php",
        "/style.css": "body {}",
        "/info.php/x": "run /info.php /x",
        "/users": "run /index.php",
        "/.env": "403",
        "/missing.php": "404",
      },
    );
  });
});

test("The preset app sends everything to the application", async () => {
  const routes = (root: string) => presetRoutes(appPreset({ servers: [] }, root));
  await withSite(routes, async (site) => {
    assert.equal(await outcome(site, "/style.css"), "run /style.css /style.css");
    assert.equal(await outcome(site, "/users", "POST"), "run /users /users");
  });
});

test("A script that appears is run, one that goes away is not", async () => {
  await withSite([STATIC, PHP], async (site) => {
    const path = join(site.root, "new.php");
    assert.equal(await outcome(site, "/new.php"), "404");
    writeFileSync(path, SOURCE);
    assert.equal(await outcome(site, "/new.php"), "run /new.php");
    rmSync(path);
    assert.equal(await outcome(site, "/new.php"), "404");
  });
});

test("With no endings to split at, only a whole path is a script, and nothing is PATH_INFO", async () => {
  const whole: RouteOptions = {
    ...PHP,
    handler: {
      ...PHP.handler,
      splitPath: [],
      frontController: "/index.php",
    } as RouteOptions["handler"],
  };
  await withSite([whole], async (site) => {
    assert.match(await outcome(site, "/info.php"), /^run \/info\.php/);
    assert.match(await outcome(site, "/info.php/more"), /^run \/index\.php/);
    assert.match(await outcome(site, "/info.php/more.php"), /^404/);
    assert.match(await outcome(site, "/dir/"), /^run \/dir\/index\.php/);
  });
});

function phpRoute(more: Partial<PhpHandlerOptions>): RouteOptions {
  return { ...PHP, handler: { ...PHP.handler, ...more } as PhpHandlerOptions };
}

test("Only scripts that a pattern names are run, in a directory or at its index too", async () => {
  const scripts = ["/index.php", "/d*/*.php"];
  await withSite([STATIC, phpRoute({ scripts, frontController: "/index.php" })], async (site) => {
    assert.deepEqual(
      await outcomes(site, ["/", "/nothing", "/dir/", "/info.php", "/info.php/a", "/missing.php"]),
      {
        "/": "run /index.php",
        "/nothing": "run /index.php",
        "/dir/": "run /dir/index.php",
        "/info.php": "403",
        "/info.php/a": "403",
        "/missing.php": "403",
      },
    );
  });
});

test("No script below a directory of no_scripts is run, nor its index", async () => {
  await withSite([STATIC, phpRoute({ noScripts: ["/dir", "/folder.php"] })], async (site) => {
    assert.deepEqual(
      await outcomes(site, ["/dir/", "/dir/index.php", "/folder.php/inner.php", "/info.php"]),
      {
        "/dir/": "403",
        "/dir/index.php": "403",
        "/folder.php/inner.php": "403",
        "/info.php": "run /info.php",
      },
    );
  });
});

/** The parameters of a target's script. */
async function paramsOf({ gateway }: Site, target: string): Promise<Record<string, string>> {
  return JSON.parse((await gateway.send({ target })).body.toString());
}

test("With application_root every path is one of the application's own", async () => {
  await withSite([phpRoute({ applicationRoot: "/var/www/html" })], async (site) => {
    const params = await paramsOf(site, "/dir/index.php/a");
    assert.equal(params.SCRIPT_FILENAME, "/var/www/html/dir/index.php");
    assert.equal(params.DOCUMENT_ROOT, "/var/www/html");
    assert.equal(params.PATH_TRANSLATED ?? undefined, undefined);
    assert.equal(await outcome(site, "/missing.php"), "404");
  });
});

test("With resolve_root a deployment is there with the next request, with its own paths", async () => {
  await withSite([phpRoute({ resolveRoot: true })], async (site) => {
    // The root becomes a symlink to a release, and then to the next one.
    const releases = ["one", "two"].map((name) => `${site.root}-${name}`);
    renameSync(site.root, releases[0]!);
    mkdirSync(releases[1]!);
    writeFileSync(join(releases[1]!, "new.php"), SOURCE);
    for (const [release, target] of [[releases[0]!, "/info.php"], [releases[1]!, "/new.php"]]) {
      symlinkSync(release!, `${site.root}-next`);
      renameSync(`${site.root}-next`, site.root);
      const params = await paramsOf(site, target!);
      assert.equal(params.DOCUMENT_ROOT, release);
      assert.equal(params.SCRIPT_FILENAME, release! + target!);
    }
    assert.equal((await site.gateway.send({ target: "/info.php" })).status, 404);
  });
});
