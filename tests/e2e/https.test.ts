/**
 * HTTPS as its users meet it: the local authority with `afcgi trust` and a browser that trusts its
 * root, what `afcgi check --certificates` says of each name, and stores that are root's or a user's.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { Afcgi, runAfcgi } from "../support/afcgi.ts";
import { selfSigned } from "../support/certificates.ts";
import { httpsRequest } from "../support/https.ts";
import { missingPeer } from "../support/peers.ts";
import { freePort, temporaryDirectory } from "../support/places.ts";

const skip = missingPeer("openssl");
const skipBrowser = missingPeer("chromium") || missingPeer("certutil");
const skipUsers = process.getuid?.() === 0 ? skip : "takes root";
const WWW_DATA = 33;
const NOBODY = 65_534;

interface World {
  readonly afcgi: Afcgi;
  readonly store: string;
  readonly tlsPort: number;
}

/** A site of the local authority's, for `localhost` and more hosts. */
async function withInternal(
  use: (world: World) => Promise<void>,
  { store = join(temporaryDirectory(), "store"), hosts = ["localhost"], more = {} } = {},
): Promise<void> {
  const tlsPort = await freePort();
  const afcgi = await Afcgi.start({
    config: {
      listen: ["127.0.0.1:0", { address: `127.0.0.1:${tlsPort}`, tls: {} }],
      tls: { store },
      sites: [{ hosts, tls: "internal", routes: [{ respond: { body: "fine" } }] }],
      ...more,
    },
  });
  try {
    await use({ afcgi, store, tlsPort });
  } finally {
    await afcgi.stop();
  }
}

test(
  "afcgi trust prints the root that verifies the site, and how to trust it",
  { skip },
  async () => {
    await withInternal(async ({ store, tlsPort }) => {
      const { code, stdout, stderr } = await runAfcgi(["trust", "--store", store]);
      assert.deepEqual([code, stderr], [0, ""]);
      assert.match(stdout, /^# The root of .* Nothing has been changed/);
      for (const how of ["update-ca-certificates", "security add-trusted-cert", "certutil"]) {
        assert.ok(stdout.includes(how), how);
      }
      const root = join(temporaryDirectory(), "root.crt");
      writeFileSync(root, stdout);
      const args = ["--cacert", root, "-sS", "--resolve", `localhost:${tlsPort}:127.0.0.1`];
      const body = execFileSync("curl", [...args, `https://localhost:${tlsPort}/`]).toString();
      assert.equal(body, "fine");
      const quiet = await runAfcgi(["trust", "-q"], { env: { AFCGI_STORE: store } });
      assert.match(quiet.stdout, /^-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----$/);
      assert.ok(!quiet.stdout.includes("PRIVATE"));
      const cwd = temporaryDirectory();
      const config = { tls: { store }, sites: [{ routes: [{ respond: {} }] }] };
      writeFileSync(join(cwd, "afcgi.yaml"), JSON.stringify(config));
      assert.equal((await runAfcgi(["trust", "-q"], { cwd })).stdout, quiet.stdout, "by its file");
      const named = ["trust", "-q", "-c", join(cwd, "afcgi.yaml")];
      assert.equal((await runAfcgi(named)).stdout, quiet.stdout);
      const both = await runAfcgi([...named, "--store", store]);
      assert.deepEqual([both.code, both.stdout], [2, ""]);
    });
  },
);

test("afcgi trust makes nothing where there is nothing, and says what to do", async () => {
  const place = temporaryDirectory();
  for (const store of [join(place, "no"), place]) {
    const { code, stdout, stderr } = await runAfcgi(["trust", "--store", store]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /There is no local authority in ".*" \(start afcgi with tls: internal/);
  }
  assert.ok(!existsSync(join(place, "no")));
});

test("afcgi check --certificates tells what each listener shows for each name", {
  skip,
}, async () => {
  const files = selfSigned("/CN=files.test", "subjectAltName=DNS:files.test");
  const store = join(temporaryDirectory(), "store");
  const tlsPort = await freePort();
  const config = {
    listen: ["127.0.0.1:0", { address: `127.0.0.1:${tlsPort}`, tls: {} }],
    tls: { store },
    sites: [
      {
        hosts: ["files.test"],
        tls: { cert: files.certPath, key: files.keyPath },
        routes: [{ respond: {} }],
      },
      { hosts: ["*.in.test", "127.0.0.1"], tls: "internal", routes: [{ respond: {} }] },
      { hosts: ["plain.test"], routes: [{ respond: {} }] },
    ],
  };
  const file = join(temporaryDirectory(), "afcgi.yaml");
  writeFileSync(file, JSON.stringify(config));
  const check = () => runAfcgi(["check", "--certificates", file]);
  const before = await check();
  assert.equal(before.code, 0, before.stderr);
  assert.match(before.stdout, /files\.test: files\n {2}tcp:\S+ shows nothing: /);
  const afcgi = await Afcgi.start({ config });
  try {
    const { code, stdout, stderr } = await check();
    assert.deepEqual([code, stderr], [0, ""]);
    const shown = (name: string) =>
      new RegExp(`^${name}: .*\\n {2}tcp:\\S+ (.*)$`, "m").exec(stdout)?.[1] ?? stdout;
    const day = /until \d{4}-\d\d-\d\d \(\d days\)$/;
    assert.match(shown("files\\.test"), /^shows \/CN=files\.test of \/CN=files\.test, /);
    assert.match(shown("files\\.test"), day);
    assert.match(
      shown("\\*\\.in\\.test"),
      /^shows \/CN=\*\.in\.test of \/CN=afcgi local authority/,
    );
    assert.match(shown("127\\.0\\.0\\.1"), /^shows \/CN=\*\.in\.test of /);
    assert.match(shown("plain\\.test"), /^shows nothing: /);
  } finally {
    await afcgi.stop();
  }
});

/** Lines of a file that only who speaks TLS can judge, and what is said of them. */
const FAULTS: readonly (readonly [line: string, place: string, message: RegExp])[] = [
  [`tls: { ciphers: NONSENSE }`, "1:17", /No cipher suite of TLS 1\.2 is named by "NONSENSE"/],
  [`tls: { client_auth: { ca: NO_PEM } }`, "1:27", /Cannot use the authorities in ".*": .*PEM/],
  [`# the file's own`, "7:32", /The key in ".*" is not that of the certificate/],
];

for (const [line, place, message] of FAULTS) {
  test(`check and serve tell with its line: ${line}`, { skip }, async () => {
    const directory = temporaryDirectory();
    const [a, b] = [selfSigned("/CN=a.test"), selfSigned("/CN=a.test")];
    writeFileSync(join(directory, "tls.crt"), a.cert);
    writeFileSync(join(directory, "own.key"), a.key);
    writeFileSync(join(directory, "other.key"), b.key);
    writeFileSync(join(directory, "no.pem"), "nothing\n");
    const key = line.startsWith("#") ? "other.key" : "own.key";
    const text = [
      line.replace("NO_PEM", "no.pem"),
      "listen:",
      '  - address: "127.0.0.1:0"',
      "    tls: {}",
      "sites:",
      "  - hosts: [a.test]",
      `    tls: { cert: tls.crt, key: ${key} }`,
      "    routes: [{ respond: {} }]",
    ].join("\n");
    writeFileSync(join(directory, "afcgi.yaml"), text);
    for (const command of ["check", "serve"]) {
      const { code, stderr } = await runAfcgi([command], { cwd: directory });
      assert.equal(code, 2, `${command}: ${stderr}`);
      assert.ok(stderr.startsWith(`afcgi.yaml:${place}: `), stderr);
      assert.match(stderr, message);
      const lines = stderr.trim().split("\n").filter((one) => !one.startsWith("{"));
      assert.equal(lines.length, 1, stderr);
    }
  });
}

test("Who opens a site by its address gets its certificate, whatever stands before it", {
  skip,
}, async () => {
  const files = selfSigned("/CN=files.test", "subjectAltName=DNS:files.test");
  const first = {
    hosts: ["files.test"],
    tls: { cert: files.certPath, key: files.keyPath },
    routes: [{ respond: {} }],
  };
  const second = { hosts: ["127.0.0.1"], tls: "internal", routes: [{ respond: { body: "here" } }] };
  const more = { sites: [first, second] };
  await withInternal(async ({ tlsPort, store }) => {
    const { stdout } = await runAfcgi(["trust", "--store", store]);
    const root = join(temporaryDirectory(), "root.crt");
    writeFileSync(root, stdout);
    const args = ["--cacert", root, "-sS", `https://127.0.0.1:${tlsPort}/`];
    assert.equal(execFileSync("curl", args).toString(), "here");
  }, { more });
});

for (const made of ["not there", "root's, and empty", "root's, of an earlier start"] as const) {
  test(`A user's process keeps the local authority in a store that is ${made}`, {
    skip: skipUsers,
  }, async () => {
    const place = temporaryDirectory();
    chmodSync(place, 0o755);
    const store = join(place, "store");
    if (made !== "not there") mkdirSync(store, { mode: 0o700 });
    if (made === "root's, of an earlier start") await withInternal(async () => {}, { store });
    const roots = new Set<string>();
    for (let start = 0; start < 2; start++) {
      await withInternal(async ({ tlsPort }) => {
        const { status } = await httpsRequest({ port: tlsPort, servername: "localhost" });
        assert.equal(status, 200);
        // Root looks into a store of another's.
        const { code, stdout, stderr } = await runAfcgi(["trust", "-q", "--store", store]);
        assert.equal(code, 0, stderr);
        roots.add(stdout);
      }, { store, more: { user: "www-data" } });
    }
    assert.equal(roots.size, 1);
    for (const name of ["", "internal", "internal/root.pem", "internal/intermediate.pem"]) {
      assert.equal(statSync(join(store, name)).uid, WWW_DATA, name);
    }
  });
}

test("A directory with other things in it is not handed over to a user", {
  skip: skipUsers,
}, async () => {
  const store = temporaryDirectory();
  chmodSync(store, 0o755);
  writeFileSync(join(store, "mine"), "");
  await withInternal(async ({ tlsPort }) => {
    assert.equal((await httpsRequest({ port: tlsPort, servername: "localhost" })).status, 200);
  }, { store, more: { user: "www-data" } });
  assert.equal(statSync(store).uid, 0);
  assert.equal(statSync(join(store, "mine")).uid, 0);
});

test("A store that cannot be made is one line, and no start", async () => {
  const place = temporaryDirectory();
  writeFileSync(join(place, "file"), "");
  for (const tls of ["internal", "auto"]) {
    const file = join(place, `${tls}.yaml`);
    const config = {
      listen: [{ address: "127.0.0.1:0", tls: {} }, "127.0.0.1:0"],
      tls: { store: join(place, "file", "store") },
      sites: [{ hosts: ["a.example.com"], tls, routes: [{ respond: {} }] }],
    };
    writeFileSync(file, JSON.stringify(config));
    const { code, stderr } = await runAfcgi(["serve", "--config", file]);
    assert.notEqual(code, 0);
    assert.match(stderr, /file\/store|file"/, tls);
    assert.ok(!stderr.includes("    at "), stderr);
  }
});

test("A store that cannot be written to is told, and what it holds serves", {
  skip: skipUsers,
}, async () => {
  const store = join(temporaryDirectory(), "store");
  mkdirSync(store, { mode: 0o500 });
  chownSync(store, NOBODY, NOBODY);
  chmodSync(join(store, ".."), 0o755);
  const files = selfSigned("/CN=files.test", "subjectAltName=DNS:files.test");
  const place = join(store, "..");
  const [cert, key] = [join(place, "tls.crt"), join(place, "tls.key")];
  writeFileSync(cert, files.cert);
  writeFileSync(key, files.key);
  const tlsPort = await freePort();
  const site = (host: string, tls: unknown) => ({ hosts: [host], tls, routes: [{ respond: {} }] });
  const base = {
    listen: ["127.0.0.1:0", { address: `127.0.0.1:${tlsPort}`, tls: {} }],
    tls: { store },
  };
  const sites = [site("files.test", { cert, key }), site("a.example.com", "auto")];
  const acme = { directory: `https://127.0.0.1:${await freePort()}/dir` };
  const afcgi = await Afcgi.start({ config: { ...base, acme, sites }, unprivileged: true });
  const line = await afcgi.waitForLog(({ code }) => code === "certificate_failed");
  assert.match(`${line["msg"]}`, /Cannot .*: permission denied$/);
  assert.ok(Number(line["retry_in_s"]) >= 54);
  const { status } = await httpsRequest({ port: tlsPort, servername: "files.test" });
  assert.equal(status, 200);
  await afcgi.stop();
});

test("Nobody writes the keys of sessions down, whoever asks for it", { skip }, async () => {
  const keys = join(temporaryDirectory(), "keys");
  const tlsPort = await freePort();
  const afcgi = await Afcgi.start({
    config: {
      listen: [{ address: `127.0.0.1:${tlsPort}`, tls: {} }],
      tls: { store: join(temporaryDirectory(), "store") },
      sites: [{ hosts: ["localhost"], tls: "internal", routes: [{ respond: {} }] }],
    },
    env: { SSLKEYLOGFILE: keys, NODE_OPTIONS: `--tls-keylog=${keys}` },
  });
  assert.equal((await httpsRequest({ port: tlsPort, servername: "localhost" })).status, 200);
  await afcgi.stop();
  assert.ok(!existsSync(keys));
});

test("Chromium opens a site of the local authority once it trusts the root", {
  skip: skipBrowser,
}, async () => {
  await withInternal(async ({ store, tlsPort }) => {
    const home = temporaryDirectory();
    const open = async (): Promise<string> => {
      const browser = await chromium.launch({
        executablePath: "/usr/bin/chromium",
        args: [
          ...["--no-sandbox", "--disable-dev-shm-usage"],
          "--host-resolver-rules=MAP app.test 127.0.0.1",
        ],
        env: { ...process.env, HOME: home } as Record<string, string>,
      });
      try {
        const page = await (await browser.newContext()).newPage();
        const response = await page.goto(`https://app.test:${tlsPort}/`);
        const { protocol = "" } = await response?.securityDetails() ?? {};
        return `${response?.status()} ${protocol} ${await page.textContent("body")}`;
      } catch (error) {
        return /net::\w+/.exec(String(error))?.[0] ?? String(error);
      } finally {
        await browser.close();
      }
    };
    assert.equal(await open(), "net::ERR_CERT_AUTHORITY_INVALID");
    const root = join(home, "afcgi-root.crt");
    writeFileSync(root, (await runAfcgi(["trust", "--store", store])).stdout);
    // The line that afcgi trust prints for it, done as it is written.
    const line = /^# Chromium \(Linux\): (.*)$/m.exec(readFileSync(root, "utf8"))![1]!;
    mkdirSync(join(home, ".pki/nssdb"), { recursive: true });
    execFileSync("certutil", ["-d", `sql:${home}/.pki/nssdb`, "-N", "--empty-password"]);
    execFileSync("sh", ["-c", line], { cwd: home, env: { ...process.env, HOME: home } });
    assert.equal(await open(), "200 TLS 1.3 fine");
  }, { hosts: ["app.test"] });
});
