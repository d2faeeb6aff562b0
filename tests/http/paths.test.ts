/**
 * What no target may do, however it is written: open a file outside the root, or run as a script
 * what is none. The targets go out as raw bytes over a socket; the application notes which file it
 * was asked to run. A kernel's own view of the path (symlinks, dots, slashes) is what counts, so
 * the directory is a real one; and who is asked which file a name means is the kernel, too: by a
 * symlink that leads up, a script has names without end.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { RouteOptions } from "../../src/http/options.ts";
import { type Gateway, withGateway } from "../support/gateway.ts";
import { type HttpResponse, rawRequest } from "../support/raw_http.ts";

const SECRET = "secret, never to be served";
/** What an upload could hold: whoever runs it has lost. */
const UPLOAD = "<?php upload";
const SOURCE = "<?php source";

const FILES: Readonly<Record<string, string>> = {
  "www/index.php": SOURCE,
  "www/app/run.php": SOURCE,
  "www/folder.php/inner.txt": "inner",
  "www/hello.txt": "hello",
  "www/docs/page.html": "page",
  "www/upload/a.jpg": UPLOAD,
  "www/upload/b.php.jpg": UPLOAD,
  "www/upload/c.php.": UPLOAD,
  "www/upload/d.php ": UPLOAD,
  "www/upload/e.php\\f.txt": UPLOAD,
  "www/upload/g.php;.txt": UPLOAD,
  "www/upload/h.php\n": UPLOAD,
  "www/upload/i.php::$DATA": UPLOAD,
  "www/upload/..\\hello.txt": "odd",
  "www/.env": SECRET,
  "www/.git/config": SECRET,
  "secret.txt": SECRET,
  "secret.php": SECRET,
  "www-other/secret.txt": SECRET,
  "shared/shown.txt": "shown",
  "shared/evil.php": UPLOAD,
  "shared/index.php": UPLOAD,
  "shared/.env": SECRET,
  "shared-other/secret.txt": SECRET,
};

const SYMLINKS: readonly (readonly [target: string, name: string])[] = [
  ["../secret.txt", "www/link.txt"],
  ["../secret.php", "www/link.php"],
  ["..", "www/up"],
  ["/", "www/all"],
  // Where symlinks may lead out of the root, they may lead to `shared`.
  ["../shared", "www/storage"],
  ["../shared-other", "www/other"],
  ["../shared/evil.php", "www/run.php"],
  ["evil.php", "shared/c.php"],
  ["../secret.txt", "shared/secret.txt"],
  ["../secret.php", "shared/link.php"],
  ["../www/app/run.php", "shared/link.txt"],
  ["../www", "shared/www"],
  ["..", "shared/up"],
];

/** Below the root, by their exact names: all that may run. */
const SCRIPTS = ["/index.php", "/app/run.php"];

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
  handler: {
    kind: "static",
    index: ["index.html"],
    precompressed: ["gzip"],
    listing: true,
  },
};

interface Site {
  readonly gateway: Gateway;
  readonly root: string;
  /** SCRIPT_FILENAME of each request that reached the application. */
  readonly ran: string[];
}

async function withSite(
  routes: readonly RouteOptions[],
  use: (site: Site) => Promise<void>,
  { followsLinks: followsSymlinks = false } = {},
): Promise<void> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "afcgi-paths-")));
  const root = join(base, "www");
  const ran: string[] = [];
  try {
    for (const [name, content] of Object.entries(FILES)) {
      mkdirSync(join(base, name, ".."), { recursive: true });
      writeFileSync(join(base, name), content);
    }
    for (const [target, name] of SYMLINKS) symlinkSync(target, join(base, name));
    const symlinkTargets = followsSymlinks ? [join(base, "shared")] : undefined;
    await withGateway({
      sites: [{ hosts: [], root, symlinkTargets, routes }],
      application: (_request, info) => {
        ran.push(info.params.get("SCRIPT_FILENAME") ?? "");
        return new Response("ran");
      },
    }, (gateway) => use({ gateway, root, ran }));
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

/** Bytes beyond ASCII are sent as they are, one for each character. */
function ask(gateway: Gateway, target: string): Promise<HttpResponse | undefined> {
  const headers = `GET ${target} HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n`;
  // A runtime may close the connection at a target that is none.
  return rawRequest(gateway.port, Buffer.from(headers, "latin1")).catch(() => undefined);
}

/** Fails where a target got what nobody may get. */
async function attack(
  { gateway, root, ran }: Site,
  target: string,
): Promise<HttpResponse | undefined> {
  const shown = JSON.stringify(target);
  ran.length = 0;
  const response = await ask(gateway, target);
  for (const file of ran) {
    const real = realpathSync(file);
    assert.ok(SCRIPTS.some((script) => root + script === real), `${shown} ran ${file}`);
  }
  const body = response?.body.toString() ?? "";
  assert.ok(!body.includes(SECRET), `${shown} opened a secret`);
  assert.ok(!body.includes(SOURCE), `${shown} showed a script's source`);
  return response;
}

/** An attack on each part: names, separators, dots, endings, each written in many ways. */
const PIECES: readonly string[] = [
  ...["/", "/", "/", "//", "%2f", "%2F", "%252f", "%c0%af", "%e0%80%af", "\xc0\xaf", "\\", "%5c"],
  ...[
    ".",
    "..",
    "%2e",
    "%2e%2e",
    ".%2e",
    "%252e%252e",
    "%c0%ae",
    "%c0%ae%c0%ae",
    "\xc0\xae",
    "....",
  ],
  ...["/../", "/..%2f", "/%2e%2e/", "/..\\", "/..;/", "/.%00./", "/./", "/up/", "/all/"],
  ...["index.php", "run.php", "app", "folder.php", "hello.txt", "docs", "page.html", "upload"],
  ...["a.jpg", "b.php.jpg", "c.php", "d.php", "e.php", "f.txt", "g.php", "h.php", "i.php"],
  ...[
    "secret.txt",
    "secret.php",
    "www-other",
    "www",
    ".env",
    ".git",
    "config",
    "link.txt",
    "link.php",
  ],
  ...["/storage/", "storage", "shared", "other", "shown.txt", "evil.php"],
  ...[
    ".php",
    ".PHP",
    ".pHp",
    "%2ephp",
    ".ph%70",
    ".php%00",
    "%00.php",
    ".php%20",
    ".php.",
    ".php%0a",
  ],
  ...["%0a.php", "%0d%0a", "::$DATA", ":.php", ";.php", ";.jpg", "~1", "%20", "%2500", "%", "%zz"],
  ...["?", "#", "?.php", "%3f", "%23", "\xe9", "%c3%a9", "%ef%bc%8f", "%e2%80%ae", "%u002e"],
];

const targets = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 8 })
  .map((pieces) => `/${pieces.join("")}`);

for (const [order, routes] of [["static", [STATIC, PHP]], ["php", [PHP, STATIC]]] as const) {
  for (const followsSymlinks of [false, true]) {
    const where = followsSymlinks ? ", with symlinks to an allowed directory" : "";
    test(`No target opens a secret or runs what is no script, ${order} first${where}`, async () => {
      await withSite(routes, async (site) => {
        await fc.assert(
          fc.asyncProperty(targets, async (target) => void await attack(site, target)),
          { numRuns: 400 },
        );
      }, { followsLinks: followsSymlinks });
    });
  }
}

test("Targets of attacks that worked elsewhere get nothing", async () => {
  const known = [
    // PATH_INFO guessed backwards (cgi.fix_pathinfo): an upload runs.
    ...[
      "/upload/a.jpg/x.php",
      "/upload/a.jpg/.php",
      "/upload/a.jpg%00.php",
      "/upload/a.jpg%20.php",
    ],
    // CVE-2019-11043: a line feed hid PATH_INFO from the web server's pattern.
    ...["/index.php%0a/x", "/upload/a.jpg/%0a.php", "/index.php/PHP%0Ais_the_shittiest_lang.php"],
    // CVE-2013-4547, CVE-2010-2266 of nginx: a blank or a stream's name behind a script's.
    ...["/upload/a.jpg%20/x.php", "/upload/d.php%20", "/upload/i.php::$DATA", "/index.php::$DATA"],
    // CVE-2021-41773 and -42013 of Apache: dots encoded once and twice.
    ...[
      "/docs/.%2e/%2e%2e/secret.txt",
      "/docs/%%32%65%%32%65/secret.txt",
      "/%252e%252e/secret.txt",
    ],
    // IIS: overlong UTF-8, backslashes.
    ...[
      "/docs/..%c0%af../secret.txt",
      "/..%c1%9csecret.txt",
      "/..\\secret.txt",
      "/..%5csecret.txt",
    ],
    // A mount that ends without its slash (nginx's alias), and a symlink's way out.
    ...[
      "/docs../secret.txt",
      "/up/secret.txt",
      "/all/etc/passwd",
      "/link.txt",
      "/link.php",
      "/up/",
    ],
    ...["/upload/c.php.", "/upload/g.php;.txt", "/upload/h.php%0a", "/upload/b.php.jpg/x.php"],
    ...["/INDEX.PHP", "/index.PHP", "/index.php.gz", "/folder.php/inner.txt/x.php", "/.git/config"],
  ];
  await withSite([PHP, STATIC], async (site) => {
    for (const target of known) {
      const response = await attack(site, target);
      assert.ok(!response?.body.toString().includes("root:"), target);
    }
  });
});

test("Targets that go through symlinks get nothing that the symlinks may not lead to", async () => {
  const targets = [
    ...["/storage/secret.txt", "/storage/link.php", "/storage/link.txt", "/storage/.env"],
    ...["/storage/up/secret.txt", "/storage/up/shared-other/secret.txt", "/other/secret.txt"],
    ...["/storage/evil.php", "/storage/evil.php/x", "/storage/c.php", "/run.php", "/run.php/x"],
    ...["/storage/", "/storage", "/storage/www/../evil.php", "/storage/www/storage/evil.php"],
    ...[
      "/storage/www/.env",
      "/storage/www/link.txt",
      "/up/shared/up/secret.txt",
      "/storage%2f.env",
    ],
  ];
  for (const followsSymlinks of [false, true]) {
    await withSite([PHP, STATIC], async (site) => {
      for (const target of targets) {
        await attack(site, target);
        assert.deepEqual(site.ran, [], target);
      }
      const shown = await attack(site, "/storage/shown.txt");
      assert.equal(shown?.body.toString() === "shown", followsSymlinks);
    }, { followsLinks: followsSymlinks });
  }
});

test("A script runs under every name that a symlink gives it below the root", async () => {
  await withSite([PHP, STATIC], async (site) => {
    for (const target of ["/up/www/index.php", "//up%2fwww/app/run.php/x"]) {
      assert.equal((await attack(site, target))?.body.toString(), "ran", target);
      assert.equal(site.ran.length, 1, target);
    }
  });
});

test("Scripts of exact names do run, and what lies below the root is served", async () => {
  await withSite([PHP, STATIC], async (site) => {
    const runs = ["/index.php", "/app/run.php/info", "/app/%72un.php", "//app//run.php", "/"];
    for (const target of runs) {
      assert.equal((await attack(site, target))?.body.toString(), "ran", target);
      assert.equal(site.ran.length, 1, target);
    }
    for (const target of ["/hello.txt", "/docs/../hello.txt", "/docs/%2e%2e/hello.txt"]) {
      assert.equal((await attack(site, target))?.body.toString(), "hello", target);
    }
    const listing = (await attack(site, "/docs/"))?.body.toString() ?? "";
    assert.ok(listing.includes("page.html"));
  });
});
