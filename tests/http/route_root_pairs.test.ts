/**
 * The same files, served at the site's root and below a prefix: whatever the handlers, a target gets
 * the same with the prefix before it as without, but for the prefix itself. And a rewrite that gives
 * every path its own name changes nothing.
 */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { freshPath, type Gateway } from "../support/gateway.ts";

const FILES = [
  "index.php",
  "index.html",
  "app.php",
  "a.txt",
  "page.php",
  "uploads/x.php",
  "uploads/y.txt",
  "docs/index.html",
  "docs/a b.txt",
  "blog/index.php",
  "empty/.keep",
  ".git/config",
  "ä/ö.txt",
] as const;

const root = freshPath();
for (const file of FILES) {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), file.endsWith(".php") ? "<?php" : file);
}
symlinkSync("/etc", join(root, "out"));

const TARGETS = [
  "/",
  "/?q=1",
  "/a.txt",
  "/a.txt/",
  "/a.txt/x.php",
  "/page",
  "/page.php",
  "/page.php/info?x",
  "/PAGE.php",
  "/uploads/x.php",
  "/uploads/y.txt",
  "/uploads",
  "/docs",
  "/docs/",
  "/docs/a%20b.txt",
  "/blog?x=y",
  "/blog/",
  "/blog/index.php",
  "/empty/",
  "/nothing",
  "/nothing.php",
  "/.git/config",
  "/out/passwd",
  "/%C3%A4/%C3%B6.txt",
  "/%C3%A4",
  "/docs/../a.txt",
  "/docs/..%2fa.txt",
  "//docs//",
  "/./blog",
] as const;

const HANDLERS: Readonly<Record<string, readonly string[]>> = {
  "static": ["static: {}"],
  "static with listing": ["static: { listing: true, index: [app.html] }"],
  "php": ["php: { upstream: app }"],
  "static, then php with a front controller": [
    "static: {}",
    "php: { upstream: app, front_controller: /app.php }",
  ],
  "php with a front controller, then static": [
    "php: { upstream: app, front_controller: /app.php, no_scripts: [/uploads] }",
    "static: {}",
  ],
  "php that tries": [
    "static: { index: [index.html] }",
    'php: { upstream: app, try: [script, "${path}.php", folder, "=404"], index: [index.php] }',
  ],
  "php without PATH_INFO": ["php: { upstream: app, split_path: [], scripts: [/page.php] }"],
  "fastcgi": ["static: {}", "fastcgi: { upstream: app }"],
  "fastcgi that splits": ["fastcgi: { upstream: app, split_path: [.php], index: index.php }"],
  "filter": ["filter: { upstream: app }"],
  "a filter before php": ["filter: { upstream: app }", "php: { upstream: app }"],
};

const NAMES = ["SCRIPT_NAME", "PATH_INFO", "SCRIPT_FILENAME", "DOCUMENT_ROOT", "QUERY_STRING"];

function config(handlers: readonly string[], around: string, site = root): string {
  const routes = handlers.map((handler) => `      - { ${around}${handler} }\n`).join("");
  return `${APP_UPSTREAM}\nsites:\n  - root: ${site}\n    routes:\n${routes}`;
}

/** What each target gets, with `prefix` taken out of what tells of it. */
async function seen(text: string, prefix: string): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  await withConfig({
    text,
    application: (_request, { params }) =>
      Response.json(NAMES.map((name) => `${name}=${params.get(name) ?? ""}`)),
  }, async (gateway) => {
    for (const target of TARGETS) all[target] = await answer(gateway, target, prefix);
  });
  return all;
}

async function answer(gateway: Gateway, target: string, prefix: string): Promise<unknown> {
  const { status, headers, body } = await gateway.send(prefix + target);
  const without = (text: string) =>
    text.replaceAll(`=${prefix}/`, "=/").replaceAll(`${prefix}/`, "/");
  const code = /\((\w+)\)/.exec(body.toString())?.[1];
  if (status >= 400) return [status, code];
  const isListing = body.toString().includes("<table>");
  const told = isListing ? "a listing" : without(body.toString());
  return [status, without(headers.get("location") ?? ""), headers.get("content-type") ?? "", told];
}

for (const [name, handlers] of Object.entries(HANDLERS)) {
  test(`Below a prefix all is as at the root: ${name}`, async () => {
    const plain = await seen(config(handlers, ""), "");
    const around = `path: /p/q/*, root: ${root}, strip_prefix: /p/q, `;
    const elsewhere = freshPath();
    mkdirSync(elsewhere);
    // SCRIPT_NAME of an application that is mounted there is the prefix, where it was empty.
    const mounted = JSON.parse(
      JSON.stringify(await seen(config(handlers, around, elsewhere), "/p/q"))
        .replaceAll("SCRIPT_NAME=/p/q", "SCRIPT_NAME="),
    );
    assert.deepEqual(mounted, plain);
  });

  test(`A rewrite to the same path changes nothing: ${name}`, async () => {
    const plain = await seen(config(handlers, ""), "");
    const to = `rewrite: "/\${path.1}"`;
    const path = `path: '~ ^/(.*)$', `;
    const first = `{ ${path}${to} }`;
    const alone = config(handlers, "").replace(
      "    routes:\n",
      (line) => `${line}      - ${first}\n`,
    );
    assert.deepEqual(await seen(alone, ""), plain, "in a route of its own");
    assert.deepEqual(await seen(config(handlers, `${path}${to}, `), ""), plain, "in each route");
  });

  test(`Behind conditions that hold all is as without: ${name}`, async () => {
    const plain = await seen(config(handlers, ""), "");
    const around = "path: '~ ^/', host: '*', scheme: http, headers: { host: true }, ";
    assert.deepEqual(await seen(config(handlers, around), ""), plain);
  });
}
