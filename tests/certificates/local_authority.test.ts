/** `tls: internal`: what the local authority signs, keeps and renews. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { addressOf, isLocalHost } from "../../src/certificates/address_name.ts";
import {
  INTERMEDIATE_LIFETIME_MS,
  LocalAuthority,
  readRoot,
  ROOT_LIFETIME_MS,
  SITE_LIFETIME_MS,
} from "../../src/certificates/local_authority.ts";
import { CertificateStore } from "../../src/certificates/store.ts";
import { Logger } from "../../src/observe/logger.ts";
import type { ClientHello } from "../../src/runtime/client_hello.ts";
import type { TlsIdentity } from "../../src/runtime/connection.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import { withConfig } from "../support/configured.ts";
import { LineSink, runtime } from "../support/gateway.ts";
import { httpsRequest } from "../support/https.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";

const skip = missingPeer("openssl") ?? false;
const NO_HELLO = {} as ClientHello;

const log = new Logger({
  sink: new LineSink(),
  clock: runtime.clock,
  level: "error",
  format: "json",
});

const openStore = (path: string) => CertificateStore.open(path, runtime);

test("openssl verifies what it signs by the root, for names and addresses", { skip }, async () => {
  const place = temporaryDirectory();
  const store = openStore(join(place, "store"));
  const authority = await LocalAuthority.open(store, runtime, log);
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
    Array.from({ length: 4 }, () => LocalAuthority.open(openStore(path), runtime, log)),
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
      await LocalAuthority.open(openStore(join(place, name)), runtime, log);
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

/** An authority whose time is a test's, with what it logs and what its store has. */
async function aging(place = join(temporaryDirectory(), "store")) {
  const clock = new ManualClock();
  const sink = new LineSink();
  const logger = new Logger({ sink, clock, level: "info", format: "json" });
  const store = openStore(place);
  const authority = await LocalAuthority.open(store, { ...runtime, clock }, logger);
  const codes = async () => {
    await logger.flush();
    return sink.lines.map(({ level, code }) => `${level} ${code}`);
  };
  return { authority, clock, store, place, logger, codes };
}

/** The chain that a client gets, from its own certificate on. */
const chainOf = async (authority: LocalAuthority) => {
  const { cert } = await authority.issue(["a.test"]);
  return runtime.tls.readCertificates(cert);
};

test("A site's certificate is renewed while it is used, and serves until the next is there", {
  skip,
}, async () => {
  const { authority, clock } = await aging();
  const source = authority.sourceFor({ hosts: ["a.test"] });
  const first = await source.find("", NO_HELLO);
  assert.equal(source.find("", NO_HELLO), first);
  clock.advance(SITE_LIFETIME_MS * 2 / 3 + 1);
  assert.equal(source.find("", NO_HELLO), first, "until the new one is there");
  await waitUntil(() => source.find("", NO_HELLO) !== first, "it is renewed");
  clock.advance(SITE_LIFETIME_MS + 1);
  assert.ok(source.find("", NO_HELLO) instanceof Promise, "one that is over is not shown");
});

test("The authority below the root is renewed in the last third of its life", async () => {
  const { authority, clock, store, codes } = await aging();
  const [, first] = await chainOf(authority);
  clock.advance(INTERMEDIATE_LIFETIME_MS * 0.6);
  assert.equal((await chainOf(authority))[1]?.sha256, first?.sha256);
  clock.advance(INTERMEDIATE_LIFETIME_MS * 0.1);
  const root = readRoot(store);
  const [leaf, second] = await chainOf(authority);
  assert.notEqual(second?.sha256, first?.sha256);
  assert.ok(second!.hasIssued(leaf!));
  assert.ok(runtime.tls.readCertificates(root!)[0]!.hasIssued(second!));
  assert.equal(readRoot(store), root, "the root is far from its end");
  assert.deepEqual(await codes(), ["info certificate_renewed"]);
  const other = await LocalAuthority.open(store, { ...runtime, clock }, log);
  assert.equal((await chainOf(other))[1]?.sha256, second?.sha256, "it is kept in the store");
});

test("The root is renewed with its key: who trusts the old one or the new one is served", {
  skip,
}, async () => {
  const { authority, clock, store, place, codes } = await aging();
  const old = readRoot(store)!;
  clock.advance(ROOT_LIFETIME_MS * 0.7);
  const { cert } = await authority.issue(["a.test"]);
  const renewed = readRoot(store)!;
  assert.notEqual(renewed, old);
  assert.ok((await codes()).includes("warn certificate_renewed"));
  writeFileSync(join(place, "leaf"), cert);
  for (const root of [old, renewed]) {
    writeFileSync(join(place, "root"), root);
    const at = `${Math.floor(clock.wallMs() / 1000) + 60}`;
    execFileSync("openssl", [
      ...["verify", "-attime", at, "-x509_strict", "-purpose", "sslserver"],
      ...["-CAfile", join(place, "root"), "-untrusted", join(place, "leaf"), join(place, "leaf")],
    ], { stdio: ["ignore", "pipe", "pipe"] });
  }
  const [facts] = runtime.tls.readCertificates(renewed);
  assert.ok(facts!.notAfterMs - clock.wallMs() > ROOT_LIFETIME_MS * 0.99);
});

test("A machine that slept through all of it begins anew, and names both expiries", async () => {
  const { clock, store, logger, codes } = await aging();
  clock.advance(ROOT_LIFETIME_MS * 2);
  const authority = await LocalAuthority.open(store, { ...runtime, clock }, logger);
  assert.deepEqual(await codes(), ["warn certificate_renewed", "info certificate_renewed"]);
  for (const { name, notAfterMs } of authority.held()) assert.ok(notAfterMs > clock.wallMs(), name);
  assert.deepEqual(authority.held().map(({ name }) => name), ["root", "intermediate"]);
});

test("A store that cannot be written to costs no site its certificate", async () => {
  const { authority, clock, place, codes } = await aging();
  execFileSync("rm", ["-r", join(place, "internal")]);
  writeFileSync(join(place, "internal"), "in the way");
  clock.advance(INTERMEDIATE_LIFETIME_MS * 0.9);
  const [leaf, intermediate] = await chainOf(authority);
  assert.ok(intermediate!.hasIssued(leaf!));
  assert.ok(intermediate!.notAfterMs > clock.wallMs() + INTERMEDIATE_LIFETIME_MS * 0.9);
  assert.ok((await codes()).includes("error certificate_failed"));
});

test("A root that was taken away is followed by another, and what it had signed goes", async () => {
  const { place, clock, store } = await aging();
  execFileSync("rm", [join(place, "internal", "root.pem")]);
  const again = await LocalAuthority.open(store, { ...runtime, clock }, log);
  const [, intermediate] = await chainOf(again);
  assert.ok(runtime.tls.readCertificates(readRoot(store)!)[0]!.hasIssued(intermediate!));
});

for (const [what, text] of Object.entries({ nothing: "", words: "no key here\n" })) {
  test(`A root that is ${what} is told with what to do`, async () => {
    const { place, clock, store } = await aging();
    writeFileSync(join(place, "internal", "root.pem"), text, { mode: 0o600 });
    await assert.rejects(
      LocalAuthority.open(store, { ...runtime, clock }, log),
      /internal\/root\.pem.*remove it/,
    );
  });
}

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
      for (const name of ["root", "intermediate"]) {
        assert.match(metrics, new RegExp(`\\{site="tls: internal",name="${name}"\\} \\d+`));
      }
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
  assert.deepEqual(addressOf("127.0.0.1"), Uint8Array.of(127, 0, 0, 1));
  const v6 = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  assert.deepEqual(addressOf("[2001:db8::1]"), v6);
  assert.deepEqual(
    addressOf("::ffff:127.0.0.1")?.subarray(10),
    Uint8Array.of(255, 255, 127, 0, 0, 1),
  );
  for (
    const host of ["1:2", "a.b", "1.2.3", ":::::::::", "1.2.3.256", "1:2:3:4:5:6:7:8:9", "::12345"]
  ) {
    assert.equal(addressOf(host), undefined, host);
  }
});

test("Each certificate is replaced at two thirds of its life, not a millisecond before", async () => {
  const place = join(temporaryDirectory(), "store");
  const { authority, clock } = await aging(place);
  const source = authority.sourceFor({ hosts: ["a.test"] });
  let issued = 0;
  const issue = authority.issue.bind(authority);
  authority.issue = (hosts) => (issued++, issue(hosts));
  const first = await source.find("", NO_HELLO) as TlsIdentity;
  assert.deepEqual(source.held(), [{
    name: "a.test",
    notAfterMs: clock.wallMs() + SITE_LIFETIME_MS,
  }]);
  clock.advance(SITE_LIFETIME_MS * 2 / 3 - 1);
  assert.equal(source.find("", NO_HELLO), first);
  assert.equal(issued, 1);
  clock.advance(1);
  assert.equal(source.find("", NO_HELLO), first);
  assert.equal(source.find("", NO_HELLO), first);
  assert.equal(issued, 2, "once, however many ask");
  await waitUntil(() => source.find("", NO_HELLO) !== first, "it is renewed");
  const second = source.find("", NO_HELLO);
  // It says itself when it ends, in whole seconds.
  clock.advance(SITE_LIFETIME_MS - 1);
  assert.equal(source.find("", NO_HELLO), second, "until its last moment");
  assert.equal(issued, 3);
});

test("An authority is replaced at two thirds of its life, not a millisecond before", async () => {
  const { authority, clock } = await aging();
  const lives = runtime.tls.readCertificates((await authority.issue(["a.test"])).cert);
  const { notBeforeMs, notAfterMs, sha256 } = lives[1]!;
  assert.equal(notAfterMs - clock.wallMs(), INTERMEDIATE_LIFETIME_MS);
  clock.advance(notBeforeMs + (notAfterMs - notBeforeMs) * 2 / 3 - clock.wallMs() - 1);
  assert.equal((await chainOf(authority))[1]?.sha256, sha256);
  clock.advance(1);
  assert.notEqual((await chainOf(authority))[1]?.sha256, sha256);
});

test("Of two processes the one that renews first renews for both, once for all that ask", async () => {
  const { authority, clock, store, logger, codes } = await aging();
  const other = await LocalAuthority.open(store, { ...runtime, clock }, logger);
  clock.advance(INTERMEDIATE_LIFETIME_MS * 0.7);
  const [one, two] = await Promise.all([chainOf(authority), chainOf(authority)]);
  assert.equal(one[1]?.sha256, two[1]?.sha256);
  assert.deepEqual(await codes(), ["info certificate_renewed"]);
  const kept = store.read("internal", "intermediate.pem");
  assert.equal((await chainOf(other))[1]?.sha256, one[1]?.sha256);
  assert.equal(store.read("internal", "intermediate.pem"), kept);
});

test("A site for every host has this machine's names", async () => {
  const { authority } = await aging();
  const source = authority.sourceFor({ hosts: [] });
  assert.deepEqual(source.held(), []);
  const { cert } = await source.find("", NO_HELLO) as TlsIdentity;
  const { names } = runtime.tls.readCertificates(cert)[0]!;
  assert.equal(names.length, 4);
  for (const name of ["localhost", "*.localhost", "127.0.0.1"]) assert.ok(names.includes(name));
  assert.equal(source.held()[0]?.name, "localhost");
});
