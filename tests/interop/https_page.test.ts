/**
 * What docs/https.md says is done as it is written there: on one's own machine, and on the internet
 * with pebble in the place of the public authority, which looks for `example.com` on this machine.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { allPages, blocksOf } from "../docs/pages.ts";
import { AFCGI, type LogLine } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { Pebble, tlsLikePort } from "../support/pebble.ts";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";

const page = allPages().find(({ name }) => name === "docs/https.md")!;
const shell = blocksOf(page, "sh");
const skip = missingPeer("php-fpm") || missingPeer("curl");

/** The block of the page that has this text. */
function block(part: string, texts: Readonly<Record<string, string>> = {}): string {
  let found = shell.find((text) => text.includes(part));
  assert.ok(found, `docs/https.md has no block with "${part}"`);
  for (const [from, to] of Object.entries(texts)) {
    assert.ok(found.includes(from), `"${part}" has no "${from}"`);
    found = found.replaceAll(from, to);
  }
  return found.trim();
}

class Reader {
  readonly directory = temporaryDirectory();
  readonly root = join(this.directory, "www");
  readonly #env: Record<string, string>;

  /** `flags` are for what on the internet is as the page has it, and here is not. */
  constructor(flags: readonly string[], curl: readonly string[]) {
    chmodSync(this.directory, 0o755);
    mkdirSync(this.root);
    writeFileSync(join(this.root, "index.php"), "<?php echo 'Hello from PHP';");
    const bin = join(this.directory, "bin");
    mkdirSync(bin);
    const lines = [
      "#!/bin/sh",
      'command=$1; shift; case "$command" in',
      `serve|check) exec ${AFCGI} "$command" "$@" ${flags.join(" ")} ;;`,
      `*) exec ${AFCGI} "$command" "$@" ;; esac`,
    ];
    writeFileSync(join(bin, "afcgi"), `${lines.join("\n")}\n`, { mode: 0o755 });
    writeFileSync(join(this.directory, ".curlrc"), `${curl.join("\n")}\n`);
    this.#env = {
      PATH: `${bin}:${process.env.PATH}`,
      CURL_HOME: this.directory,
      AFCGI_STORE: join(this.directory, "store"),
    };
  }

  start(script: string): Child {
    const options = { env: this.#env, cwd: this.directory, group: true };
    return new Child("sh", ["-ec", script], options);
  }

  async run(script: string): Promise<string> {
    const child = this.start(script);
    const { code } = await child.exited;
    assert.equal(code, 0, `${script}\n${child.stderr.lines.join("\n")}`);
    return child.stdout.lines.join("\n");
  }
}

test("HTTPS on one's own machine, as the page has it", { skip }, async () => {
  const reader = new Reader([], []);
  const [port, tlsPort] = [await freePort(), await tlsLikePort()];
  const serve = block("--domain localhost", {
    "afcgi serve": "exec afcgi serve",
    "/srv/www": reader.root,
    "127.0.0.1:8080": `127.0.0.1:${port}`,
    "127.0.0.1:8443": `127.0.0.1:${tlsPort}`,
  });
  const child = reader.start(serve);
  try {
    await child.stderr.waitFor((line) =>
      line.includes('"listening"') && line.includes(`${tlsPort}`)
    );
    const trust = block("afcgi trust", { ":8443": `:${tlsPort}`, "curl ": "curl -sS " });
    assert.equal(await reader.run(trust), "Hello from PHP");
    const plain = await reader.run(`curl -sSi http://localhost:${port}/x?y`);
    assert.match(plain, /^HTTP\/1\.1 308 /);
    assert.match(plain, new RegExp(`^location: https://localhost:${tlsPort}/x\\?y\\r?$`, "im"));
  } finally {
    assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null });
  }
});

test("HTTPS on the internet, as the page has it", {
  skip: skip || missingPeer("pebble"),
}, async () => {
  const pebble = await Pebble.start();
  try {
    const { httpPort, tlsPort } = pebble;
    const roots = join(temporaryDirectory(), "roots.pem");
    writeFileSync(roots, pebble.root());
    const admin = await freePort();
    const reader = new Reader([
      ...[
        "--admin",
        `127.0.0.1:${admin}`,
        "--listen",
        `127.0.0.1:${httpPort}`,
        "--listen",
        `127.0.0.1:${tlsPort}`,
      ],
      ...["--acme-directory", pebble.directory, "--acme-ca", pebble.caPath],
    ], [
      `connect-to = "example.com:80:127.0.0.1:${httpPort}"`,
      `connect-to = "example.com:443:127.0.0.1:${tlsPort}"`,
      `cacert = "${roots}"`,
    ]);
    const child = reader.start(
      block("--acme-email", { "afcgi serve": "exec afcgi serve", "/srv/www": reader.root }),
    );
    try {
      const line = await child.stderr.waitFor((text) => text.includes("certificate_renewed"));
      const { names, authority }: LogLine = JSON.parse(line);
      assert.deepEqual([names, authority], ["example.com", new URL(pebble.directory).host]);
      const commands = block("check --certificates", { "/srv/www": reader.root }).split("\n");
      assert.equal(commands.length, 3);
      const [plain, secure, check] = commands as [string, string, string];
      const redirect = await reader.run(plain);
      assert.match(redirect, /^HTTP\/1\.1 308 /);
      assert.match(redirect, /^location: https:\/\/example\.com(?::\d+)?\/\r?$/im);
      assert.match(await reader.run(secure), /^HTTP\/2 200/);
      assert.match(
        await reader.run(check),
        /^example\.com: auto\n {2}tcp:\S+ shows .* of \/CN=Pebble Intermediate/m,
      );
      const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
      const labels = '{site="example.com",name="example.com"}';
      const [, left = ""] =
        new RegExp(`^afcgi_certificate_expiry_seconds${labels} (\\d+)$`, "m").exec(metrics) ?? [];
      assert.ok(Number(left) > 86_400, metrics);
      assert.match(metrics, /^afcgi_acme_orders_total\{result="issued"\} 1$/m);
    } finally {
      assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null });
    }
  } finally {
    await pebble.stop();
  }
});
