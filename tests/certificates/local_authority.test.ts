/** `tls: internal`: what the local authority signs, keeps and renews. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { addressOf, isLocalHost } from "../../src/certificates/address_name.ts";
import {
  LocalAuthority,
  readRoot,
  SITE_LIFETIME_MS,
} from "../../src/certificates/local_authority.ts";
import { CertificateStore } from "../../src/certificates/store.ts";
import type { ClientHello } from "../../src/runtime/client_hello.ts";
import type { TlsIdentity } from "../../src/runtime/connection.ts";
import { ManualClock } from "../../src/runtime/manual_clock.ts";
import { withConfig } from "../support/configured.ts";
import { runtime } from "../support/gateway.ts";
import { httpsRequest } from "../support/https.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";

const skip = missingPeer("openssl") ?? false;
const NO_HELLO = {} as ClientHello;

const openStore = (path: string) => CertificateStore.open(path, runtime);

test("openssl verifies what it signs by the root, for names and addresses", { skip }, async () => {
  const place = temporaryDirectory();
  const store = openStore(join(place, "store"));
  const authority = await LocalAuthority.open(store, runtime.clock);
  const hosts = ["app.test", "*.app.test", "127.0.0.1", "[::1]"];
  const { cert } = await authority.sourceFor({ hosts }).find("", NO_HELLO) as TlsIdentity;
  const [root, leaf, chain] = ["root", "leaf", "chain"].map((name) => join(place, name));
  writeFileSync(root!, readRoot(store)!);
  writeFileSync(leaf!, cert);
  writeFileSync(chain!, cert.slice(cert.indexOf("-----BEGIN", 10)));
  const verify = (...args: string[]) =>
    execFileSync("openssl", [
      ...["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root!],
      ...["-untrusted", chain!, ...args, leaf!],
    ], { stdio: ["ignore", "pipe", "pipe"] }).toString();
  for (const name of ["app.test", "x.app.test"]) {
    assert.match(verify("-verify_hostname", name), /OK/);
  }
  for (const address of ["127.0.0.1", "::1"]) assert.match(verify("-verify_ip", address), /OK/);
  assert.throws(() => verify("-verify_hostname", "other.test"));
});

test("The store has one root for all, which nobody else may read", { skip }, async () => {
  const path = join(temporaryDirectory(), "store");
  const opened = await Promise.all(
    Array.from({ length: 4 }, () => LocalAuthority.open(openStore(path), runtime.clock)),
  );
  const chains = await Promise.all(opened.map((one) => one.issue(["a.test"])));
  const intermediates = new Set(
    chains.map(({ cert }) => cert.slice(cert.indexOf("-----BEGIN", 10))),
  );
  assert.equal(intermediates.size, 1);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  for (const name of readdirSync(join(path, "internal"))) {
    assert.equal(statSync(join(path, "internal", name)).mode & 0o777, 0o600, name);
  }
});

test(
  "A store that others could change, or a link in its place, is not used",
  { skip },
  async () => {
    const place = temporaryDirectory();
    const open = async (name: string) =>
      await LocalAuthority.open(openStore(join(place, name)), runtime.clock);
    mkdirSync(join(place, "wide"), { mode: 0o700 });
    chmodSync(join(place, "wide"), 0o777);
    await assert.rejects(open("wide"));
    await open("good");
    symlinkSync(join(place, "good", "internal"), join(place, "elsewhere"));
    mkdirSync(join(place, "linked"), { mode: 0o700 });
    symlinkSync(join(place, "good", "internal"), join(place, "linked", "internal"));
    await assert.rejects(open("linked"));
    await open("file");
    writeFileSync(join(place, "mine"), "x");
    execFileSync("rm", [join(place, "file", "internal", "root.pem")]);
    symlinkSync(join(place, "mine"), join(place, "file", "internal", "root.pem"));
    await assert.rejects(open("file"));
  },
);

test("A site's certificate is renewed while it is used, and serves until the next is there", {
  skip,
}, async () => {
  const clock = new ManualClock();
  const authority = await LocalAuthority.open(openStore(join(temporaryDirectory(), "s")), clock);
  const source = authority.sourceFor({ hosts: ["a.test"] });
  const first = await source.find("", NO_HELLO);
  assert.equal(source.find("", NO_HELLO), first);
  clock.advance(SITE_LIFETIME_MS * 2 / 3 + 1);
  assert.equal(source.find("", NO_HELLO), first, "until the new one is there");
  await waitUntil(() => source.find("", NO_HELLO) !== first, "it is renewed");
  clock.advance(SITE_LIFETIME_MS + 1);
  assert.ok(source.find("", NO_HELLO) instanceof Promise, "one that is over is not shown");
});

test(
  "A site with tls: internal is served over TLS, and its expiry is a metric",
  { skip },
  async () => {
    const store = join(temporaryDirectory(), "store");
    const text = `
listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: {} }]
tls: { store: "${store}" }
admin: 127.0.0.1:0
sites:
  - { hosts: [localhost, 127.0.0.1], tls: internal, routes: [{ respond: { body: fine } }] }
`.replace("admin: 127.0.0.1:0", 'admin: { listen: "127.0.0.1:0" }');
    await withConfig({ text, listen: "file" }, async (gateway) => {
      const [, second] = gateway.app.addresses;
      const port = second?.transport === "tcp" ? second.port : 0;
      const sent = await httpsRequest({ port, servername: "localhost" });
      assert.deepEqual([sent.status, sent.body, sent.subject], [200, "fine", "localhost"]);
      assert.equal((await httpsRequest({ port, host: "127.0.0.1" })).status, 200);
      const metrics = (await gateway.admin("/metrics")).body.toString();
      const [, value] =
        /afcgi_certificate_expiry_seconds\{site="localhost",name="localhost"\} (\d+)/
          .exec(metrics) ?? [];
      assert.ok(Math.abs(Number(value) - SITE_LIFETIME_MS / 1000) < 60, metrics);
    });
  },
);

test("Which hosts no public authority vouches for", () => {
  const local = ["localhost", "a.localhost", "x.test", "127.0.0.1", "[::1]", "host", "a.internal"];
  for (const host of local) assert.ok(isLocalHost(host), host);
  for (const host of ["example.com", "testing.example", "a.tests"]) {
    assert.ok(!isLocalHost(host), host);
  }
  assert.equal(addressOf("::1")?.at(-1), 1);
  assert.equal(addressOf("2001:db8::7:1")?.length, 16);
  for (const host of ["1:2", "a.b", "1.2.3", ":::::::::"]) {
    assert.equal(addressOf(host), undefined, host);
  }
});
