/**
 * A site whose symlinks may lead out of its root to `shared`, where an application puts uploads:
 * what each kind of route makes of them. `private` is another directory beside the root.
 */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import type { FastCgiHandler } from "../../src/responder/options.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { freshPath, type Gateway } from "../support/gateway.ts";

const FILES: Readonly<Record<string, string>> = {
  "www/index.php": "<?php own",
  "www/page.php": "<?php own",
  "www/hello.txt": "hello",
  "shared/a.txt": "shared text",
  "shared/sub/index.html": "<p>shared page",
  "shared/sub/index.php": "<?php upload",
  "shared/bare/b.txt": "b",
  "shared/scripts/index.php": "<?php upload",
  "shared/evil.php": "<?php upload",
  "shared/evil.phtml": "<?php upload",
  "shared/front.php": "<?php upload",
  "shared/folder.php/inner.txt": "inner",
  "shared/error.html": "<p>own error",
  "shared/.hidden": "hidden",
  "shared/packed.txt": "packed",
  "private/secret.txt": "secret",
};

const SYMLINKS: readonly (readonly [target: string, name: string])[] = [
  ["../shared", "www/storage"],
  ["../shared/a.txt", "www/single.txt"],
  ["../shared/evil.php", "www/single.php"],
  ["../shared/evil.php", "www/image.jpg"],
  ["../shared/front.php", "www/front.php"],
  ["../private", "www/private"],
  ["../private/secret.txt", "shared/out.txt"],
  ["../www/page.php", "shared/back.php"],
  ["evil.php", "shared/renamed.txt"],
];

/** Tells which file it was asked to run. */
const tell: FastCgiHandler = async (_request, { params, data, role }) => {
  const name = role === "filter" ? "filtered" : "ran";
  return new Response(`${name} ${params.get("SCRIPT_NAME")} ${await new Response(data).text()}`);
};

interface Site {
  readonly gateway: Gateway;
  readonly base: string;
  /** Status, and the text of what succeeded. */
  outcome(target: string): Promise<string>;
}

/** `keys` stand at the site, before its routes; in both `BASE` is where the directories are. */
async function withSite(
  routes: string,
  use: (site: Site) => Promise<void>,
  { keys = "", application = tell }: { keys?: string; application?: FastCgiHandler } = {},
): Promise<void> {
  const base = freshPath();
  for (const [name, content] of Object.entries(FILES)) {
    mkdirSync(join(base, name, ".."), { recursive: true });
    writeFileSync(join(base, name), content);
  }
  for (const [target, name] of SYMLINKS) symlinkSync(target, join(base, name));
  const text = `${APP_UPSTREAM}
sites:
  - root: www
    follow_symlinks_to: [shared]
    ${keys}
    routes:
${routes}`.replaceAll("BASE", base);
  await withConfig({ text, application, directory: base }, async (gateway) => {
    const outcome = async (target: string): Promise<string> => {
      const { status, body } = await gateway.send(target);
      return status === 200 ? `200 ${body}` : String(status);
    };
    await use({ gateway, base, outcome });
  });
}

async function checkAll(site: Site, cases: readonly (readonly [string, string])[]): Promise<void> {
  for (const [target, wanted] of cases) assert.equal(await site.outcome(target), wanted, target);
}

const STATIC = "      - static: { listing: true, precompressed: [gzip] }\n";
const PHP = "      - php: { upstream: app }\n";

test("A static route serves what symlinks lead to in an allowed directory, and nothing beside it", async () => {
  await withSite(STATIC, async (site) => {
    await checkAll(site, [
      ["/storage/a.txt", "200 shared text"],
      ["/single.txt", "200 shared text"],
      ["/storage/sub/", "200 <p>shared page"],
      ["/storage/sub", "308"],
      ["/hello.txt", "200 hello"],
      ["/storage/.hidden", "403"],
      ["/storage/out.txt", "403"],
      ["/private/secret.txt", "403"],
      ["/storage/none", "404"],
    ]);
    const response = await site.gateway.send({
      target: "/storage/a.txt",
      headers: { Range: "bytes=7-" },
    });
    assert.deepEqual([response.status, response.body.toString()], [206, "text"]);
    const line = await site.gateway.access.ofPath("/storage/out.txt");
    assert.equal(line["code"], "outside_root");
  });
});

test("A listing shows symlinks to an allowed directory, and what is in it; no others", async () => {
  await withSite(STATIC + PHP, async (site) => {
    const listed = async (target: string) =>
      [...(await site.outcome(target)).matchAll(/<td><a href="\.\/([^"]*)"/g)].map(([, it]) => it);
    assert.deepEqual(await listed("/"), ["storage/", "hello.txt", "single.txt"]);
    const shared = ["bare/", "folder.php/", "scripts/", "sub/", "a.txt", "error.html"];
    assert.deepEqual(await listed("/storage/"), [...shared, "packed.txt"]);
    assert.deepEqual(await listed("/storage/bare/"), ["b.txt"]);
  });
});

test("A compressed sibling in an allowed directory is sent, one that leads out of it is not", async () => {
  await withSite(STATIC, async ({ gateway, base }) => {
    writeFileSync(join(base, "shared/packed.txt.gz"), gzipSync("packed before"));
    writeFileSync(join(base, "private/a.gz"), gzipSync("secret"));
    symlinkSync("../private/a.gz", join(base, "shared/a.txt.gz"));
    const headers = { "Accept-Encoding": "gzip" };
    const packed = await gateway.send({ target: "/storage/packed.txt", headers });
    assert.equal(packed.headers.get("content-encoding"), "gzip");
    assert.equal(gunzipSync(packed.body).toString(), "packed before");
    const plain = await gateway.send({ target: "/storage/a.txt", headers });
    assert.equal(plain.headers.get("content-encoding"), undefined);
    assert.equal(plain.body.toString(), "shared text");
  });
});

for (const [order, routes] of [["static", STATIC + PHP], ["php", PHP + STATIC]] as const) {
  test(`No script in an allowed directory runs or is shown, ${order} first`, async () => {
    await withSite(routes, async (site) => {
      await checkAll(site, [
        ...[
          "/storage/evil.php",
          "/storage/evil.php/info",
          "/storage/evil.php/a.png",
          "/storage/evil.phtml",
          "/storage/renamed.txt",
          "/storage/scripts/index.php",
          "/single.php",
          "/image.jpg",
        ].map((target) => [target, "403"] as const),
        ["/storage/a.txt", "200 shared text"],
        ["/storage/a.txt/x.php", "404"],
        ["/storage/folder.php/inner.txt", "200 inner"],
        ["/page.php", "200 ran /page.php "],
        // Where it ends counts, not where the way leads through.
        ["/storage/back.php", "200 ran /storage/back.php "],
      ]);
    });
  });
}

test("A directory's script and a front controller in an allowed directory do not run either", async () => {
  const index = "      - php: { upstream: app, index: [index.php], try: [file, folder, =404] }\n";
  await withSite(index + STATIC, async (site) => {
    await checkAll(site, [
      ["/storage/scripts/", "403"],
      ["/storage/sub/", "403"],
      ["/storage/bare/", "404"],
      ["/", "200 ran /index.php "],
    ]);
    assert.equal((await site.gateway.access.ofPath("/storage/sub/"))["code"], "outside_root");
  });
  const route = "      - php: { upstream: app, front_controller: /front.php }\n";
  await withSite(route, async (site) => {
    await checkAll(site, [["/any", "403"], ["/front.php", "403"], [
      "/page.php",
      "200 ran /page.php ",
    ]]);
  });
});

test("The list of a php route leaves files in an allowed directory to the next route", async () => {
  const route = "      - php: { upstream: app, try: [script, file, '${path}.php', /index.php] }\n";
  await withSite(route + STATIC, async (site) => {
    await checkAll(site, [
      ["/storage/a.txt", "200 shared text"],
      ["/storage/evil", "403"],
      ["/storage/none", "200 ran /index.php "],
      ["/private/secret.txt", "403"],
    ]);
  });
});

test("A php route whose root is followed for each request knows the allowed directories", async () => {
  const route =
    "      - php: { upstream: app, resolve_root: true, front_controller: /index.php }\n";
  await withSite(STATIC + route, async (site) => {
    const { base } = site;
    renameSync(join(base, "www"), join(base, "release"));
    symlinkSync("release", join(base, "www"));
    await checkAll(site, [
      ["/storage/evil.php", "403"],
      ["/storage/a.txt", "200 shared text"],
      ["/storage/back.php", "200 ran /storage/back.php "],
      ["/none", "200 ran /index.php "],
    ]);
  });
});

test("A filter gets files of an allowed directory, but no script and nothing beside it", async () => {
  const routes = "      - { path: '*.run', php: { upstream: app } }\n" +
    "      - filter: { upstream: app }\n";
  await withSite(routes, async (site) => {
    await checkAll(site, [
      ["/storage/a.txt", "200 filtered /storage/a.txt shared text"],
      ["/single.txt", "200 filtered /single.txt shared text"],
      ["/storage/evil.php", "403"],
      ["/storage/renamed.txt", "403"],
      ["/image.jpg", "403"],
      ["/storage/out.txt", "403"],
    ]);
  });
});

test("X-Accel-Redirect goes by the allowed directories, X-Sendfile by its own alone", async () => {
  const routes = "      - { path: /storage/*, internal: true, static: {} }\n" +
    "      - { path: /app/*, fastcgi: { upstream: app } }\n";
  const base = Promise.withResolvers<string>();
  const application: FastCgiHandler = async (request) => {
    const [, name = "", path = ""] = /^\/app\/([^/]+)(.*)$/.exec(new URL(request.url).pathname)!;
    const value = name === "X-Sendfile" ? await base.promise + path : path;
    return new Response("own", { headers: { [name]: value } });
  };
  await withSite(routes, async (site) => {
    base.resolve(site.base);
    await checkAll(site, [
      ["/app/X-Accel-Redirect/storage/a.txt", "200 shared text"],
      ["/app/X-Accel-Redirect/storage/out.txt", "403"],
      ["/app/X-Accel-Redirect/storage/.hidden", "403"],
      ["/app/X-Sendfile/www/hello.txt", "200 hello"],
      ["/app/X-Sendfile/www/storage/a.txt", "403"],
      ["/app/X-Sendfile/shared/a.txt", "502"],
      ["/storage/a.txt", "404"],
    ]);
  }, { keys: "sendfile: [www]", application });
});

test("An error page may lie in an allowed directory", async () => {
  const keys = "error_pages: { 404: /storage/error.html, 403: /private/secret.txt }";
  await withSite(STATIC, async ({ gateway }) => {
    const page = await gateway.send("/none");
    assert.deepEqual([page.status, page.body.toString()], [404, "<p>own error"]);
    const refused = await gateway.send("/private/secret.txt");
    assert.equal(refused.status, 403);
    assert.ok(!refused.body.includes("secret"));
  }, { keys });
});
