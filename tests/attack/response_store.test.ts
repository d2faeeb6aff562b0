/**
 * Who would have a response kept where it does harm: under the name of a script, which would run; of
 * a hidden file; outside of the directory, by dots, escapes or symlinks; or in place of what others
 * get. Clients choose the paths, and an application that says more than it should helps them.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COPIES_AT_ONCE_MAX } from "../../src/http/response_store.ts";
import { withConfig } from "../support/configured.ts";
import { until } from "../support/idle.ts";
import { HttpConnection } from "../support/raw_http.ts";
import { temporaryDirectory } from "../support/places.ts";

const site = (root: string, more = "") => `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - root: ${JSON.stringify(root)}
    ${more}
    routes:
      - path: "*.cgi"
        fastcgi: { upstream: app, store: true }
      - php: { upstream: app, front_controller: /index.php, store: true }
`;

/** Every file below a directory. */
function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true, encoding: "utf8" })
    .filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

/** Says of each path what a file of its name would say. */
const EVERY_TYPE = [
  "text/plain",
  "text/html",
  "application/octet-stream",
  "application/x-httpd-php",
];

const PATHS = [
  "/evil.php",
  "/evil.PHP",
  "/evil.php7",
  "/evil.phtml",
  "/evil.phar",
  "/evil.php%00.txt",
  "/evil.php/x.txt/..",
  "/evil.cgi",
  "/a/evil.CGI",
  "/.htaccess",
  "/.user.ini",
  "/.env",
  "/x/.git/config",
  "/../outside.txt",
  "/..%2foutside.txt",
  "/%2e%2e/outside.txt",
  "/out/x.txt",
  "/out/../../outside.txt",
  "/.well-known/acme-challenge/token",
  "/a%5c..%5cb.txt",
  "/a:b.txt",
  "/line%0abreak.txt",
  "/dir/",
  "/",
];

test("No path that a client chooses puts a script, a hidden file or one outside", async () => {
  for (const type of EVERY_TYPE) {
    const top = temporaryDirectory();
    const root = join(top, "root");
    const elsewhere = join(top, "elsewhere");
    for (const directory of [root, elsewhere]) mkdirSync(directory);
    writeFileSync(join(root, "index.php"), "");
    symlinkSync(elsewhere, join(root, "out"));
    const application = () =>
      new Response("<?php system($_GET[0]);", { headers: { "Content-Type": type } });
    await withConfig({ text: site(root), application }, async (gateway) => {
      for (const target of PATHS) await gateway.send({ target });
      await gateway.send("/good/plain.txt");
      await gateway.send("/good/page.html");
      const kept = { "text/plain": 1, "text/html": 1 }[type] ?? 0;
      await until(() => filesIn(root).length === 2 + kept, "the good copy");
    });
    const names = filesIn(root).filter((name) => !["index.php", "out"].includes(name));
    assert.deepEqual(names.filter((name) => !/^(?:plain\.txt|page\.html)$/.test(name)), [], type);
    assert.deepEqual(readdirSync(elsewhere), []);
    assert.deepEqual(readdirSync(top).sort(), ["elsewhere", "root"]);
  }
});

test("Copies of many slow responses are bounded, and the rest is only sent", async () => {
  const root = temporaryDirectory();
  writeFileSync(join(root, "index.php"), "");
  const application = () =>
    new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(40_000)) }),
      { headers: { "Content-Type": "text/plain" } },
    );
  await withConfig({ text: site(root), application }, async (gateway) => {
    const count = COPIES_AT_ONCE_MAX + 8;
    const connections = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const connection = await HttpConnection.open(gateway.port);
        await connection.send({ target: `/${index}.txt` });
        assert.equal((await connection.readHeaders()).status, 200);
        return connection;
      }),
    );
    assert.equal(filesIn(root).length, COPIES_AT_ONCE_MAX + 1);
    for (const connection of connections) connection.destroy();
    await until(() => filesIn(root).length === 1, "nothing left behind");
  });
});

test("A route that lets only some in keeps no copies for all", async () => {
  const { readConfig } = await import("../../src/config/read_config.ts");
  const { runtime } = await import("../support/gateway.ts");
  const root = temporaryDirectory();
  for (
    const guard of [
      "basic_auth: { users: { anna: secret } }",
      "ip_restriction: { allow: [10.0.0.0/8] }",
      "authorize: { upstream: app }",
    ]
  ) {
    const text = `
upstreams: { app: { servers: ["unix:/run/app.sock"] } }
sites:
  - root: ${JSON.stringify(root)}
    routes: [{ path: /a/*, ${guard}, fastcgi: { upstream: app, store: true } }, { static: {} }]
`;
    const { errors } = readConfig(text, {
      source: "afcgi.yaml",
      directory: "/",
      files: runtime.files,
      readVariable: () => undefined,
      rootGiven: false,
    });
    assert.match(errors.map(({ message }) => message).join(), /a copy is for everybody/);
  }
});
