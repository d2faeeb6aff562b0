/**
 * `examples/wordpress`, both of its files: everything that WordPress answers without a database, which
 * is its installer, its files, and what it must never show.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Afcgi, runAfcgi } from "../support/afcgi.ts";
import type { Child } from "../support/child.ts";
import { missingPeer } from "../support/peers.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { freePlace, placeUrl } from "../support/places.ts";
import { httpRequest, type HttpResponse } from "../support/raw_http.ts";
import { copyExample, startExample } from "./common.ts";

/** As Debian packages it; some of its files are links to those of other packages. */
const WORDPRESS = "/usr/share/wordpress";

const CHILDREN = 5;
const skip = missingPeer("wordpress");

const FILES = ["afcgi.yaml", "beside-php-fpm.yaml"] as const;
const started = new Map<string, Afcgi>();
let directory = "";
let phpFpm: Child | undefined;

before(async () => {
  if (skip) return;
  directory = copyExample("wordpress");
  const root = join(directory, "wordpress");
  cpSync(WORDPRESS, root, { recursive: true, dereference: true });
  // Debian's own looks for others in /etc: this is an archive that was just unpacked.
  rmSync(join(root, "wp-config.php"));
  const place = await freePlace("unix", directory);
  phpFpm = await startPhpFpm({ directory, place, children: CHILDREN, ini: true });
  for (const file of FILES) {
    const flags = file === "afcgi.yaml" ? [] : ["--upstream", placeUrl(place)];
    started.set(file, await startExample(join(directory, file), flags));
  }
});

after(async () => {
  for (const afcgi of started.values()) await afcgi.stop();
  await phpFpm?.stop("SIGQUIT");
});

type Ask = (target: string, headers?: Readonly<Record<string, string>>) => Promise<HttpResponse>;

function testWordPress(says: string, run: (ask: Ask, afcgi: Afcgi) => Promise<void>): void {
  for (const file of FILES) {
    test(`WordPress by ${file} ${says}`, { skip }, async () => {
      const afcgi = started.get(file);
      assert.ok(afcgi, `${file} did not start`);
      await run((target, headers = {}) => httpRequest(afcgi.port, { target, headers }), afcgi);
    });
  }
}

for (const file of FILES) {
  test(`WordPress's ${file} has no error`, { skip }, async () => {
    const { code, stderr } = await runAfcgi(["check", "--config", join(directory, file)]);
    assert.equal(code, 0, stderr);
  });
}

testWordPress("leads every path to the installer by its front controller", async (ask) => {
  for (const target of ["/", "/2026/11/a-pretty-permalink/", "/?p=1", "/wp-login.php"]) {
    const response = await ask(target);
    assert.equal(response.status, 302, target);
    assert.equal(
      response.headers.get("location"),
      "http://test.example/wp-admin/setup-config.php",
      target,
    );
  }
});

testWordPress("has a dashboard whose directory gets its slash", async (ask) => {
  const directory = await ask("/wp-admin?a=1");
  assert.deepEqual([directory.status, directory.headers.get("location")], [308, "/wp-admin/?a=1"]);
  const page = await ask("/wp-admin/setup-config.php?step=1");
  assert.equal(page.status, 200);
  assert.match(page.body.toString(), /Set up your database connection/);
});

testWordPress(
  "takes the installer's form, and says that there is no database",
  async (_, afcgi) => {
    const response = await httpRequest(afcgi.port, {
      method: "POST",
      target: "/wp-admin/setup-config.php?step=2",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: "dbname=wordpress&uname=user&pwd=word&dbhost=127.0.0.1:1&prefix=wp_",
    });
    assert.equal(response.status, 500);
    assert.match(response.body.toString(), /Error establishing a database connection/);
    assert.match(response.body.toString(), /127\.0\.0\.1:1/);
  },
);

testWordPress("sends its files, to be kept for a day, compressed", async (ask) => {
  const readme = await ask("/readme.html");
  assert.equal(readme.status, 200);
  assert.match(readme.body.toString(), /WordPress/);
  const style = await ask("/wp-includes/css/dashicons.min.css?ver=6", {
    "Accept-Encoding": "gzip",
  });
  assert.equal(style.status, 200);
  assert.match(style.headers.get("content-type") ?? "", /^text\/css/);
  assert.equal(style.headers.get("cache-control"), "public, max-age=86400");
  assert.equal(style.headers.get("content-encoding"), "gzip");
});

testWordPress("runs no script of an upload, a plugin or a library by its name", async (ask) => {
  const proof = join(directory, "proof");
  const uploads = join(directory, "wordpress/wp-content/uploads/2026");
  cpSync(join(directory, "wordpress/wp-includes/images"), uploads, { recursive: true });
  for (const name of ["evil.php", "evil.phtml", "index.php"]) {
    writeFileSync(join(uploads, name), `<?php touch(${JSON.stringify(proof)});`);
  }
  const names = ["evil.php", "evil.php/a.png", "evil%2ephp", "evil.phtml", ""];
  const scripts = ["/wp-includes/version.php", "/wp-content/plugins/index.php"];
  for (const target of [...names.map((name) => `/wp-content/uploads/2026/${name}`), ...scripts]) {
    const response = await ask(target);
    assert.equal(response.status, 403, target);
    assert.doesNotMatch(response.body.toString(), /<\?php/, target);
  }
  assert.equal((await ask("/wp-content/uploads/2026/blank.gif")).status, 200);
  assert.equal(existsSync(proof), false, "the script has run");
});

testWordPress("shows neither its configuration nor its log nor hidden files", async (ask) => {
  writeFileSync(join(directory, "wordpress/wp-content/debug.log"), "a secret");
  writeFileSync(join(directory, "wordpress/.htpasswd"), "a secret");
  writeFileSync(join(directory, "beside.txt"), "a secret");
  const targets = ["/wp-content/debug.log", "/.htpasswd", "/../beside.txt", "/..%2fbeside.txt"];
  for (const target of [...targets, "/wp-config-sample.php"]) {
    const response = await ask(target);
    assert.doesNotMatch(response.body.toString(), /secret|DB_PASSWORD/, target);
    assert.notEqual(response.status, 200, target);
  }
});
