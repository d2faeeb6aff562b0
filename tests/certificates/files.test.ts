/** Certificates that change on disk, in front of real files and a clock that the test moves. */
import assert from "node:assert/strict";
import { copyFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type CertificateFiles,
  openCertificateFiles,
  WATCH_INTERVAL_MS,
} from "../../src/certificates/files.ts";
import { readPair } from "../../src/certificates/pair.ts";
import { Logger } from "../../src/observe/logger.ts";
import type { ClientHello } from "../../src/runtime/client_hello.ts";
import type { TlsIdentity } from "../../src/runtime/connection.ts";
import { ManualClock } from "../support/memory/manual_clock.ts";
import {
  type CertificateFiles as MadeFiles,
  selfSigned,
  signedBy,
} from "../support/certificates.ts";
import { LineSink, runtime } from "../support/gateway.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory, waitUntil } from "../support/places.ts";

const skip = missingPeer("openssl") ?? false;

const HELLO: ClientHello = {
  serverName: "a.test",
  protocols: [],
  signatureSchemes: [0x0403],
  cipherSuites: [0x1301],
  speaks13: true,
};

interface World {
  readonly paths: { readonly cert: string; readonly key: string };
  readonly source: CertificateFiles;
  readonly log: LineSink;
  served(): string;
  /** Lets the files be looked at, and what comes of it be done. */
  look(until?: () => boolean): Promise<void>;
}

async function withFiles(first: MadeFiles, use: (world: World) => Promise<void>): Promise<void> {
  const place = temporaryDirectory();
  const paths = { cert: join(place, "tls.crt"), key: join(place, "tls.key") };
  copyFileSync(first.certPath, paths.cert);
  copyFileSync(first.keyPath, paths.key);
  // The system tells times of files to some milliseconds, which a test is done within.
  for (const path of [paths.cert, paths.key]) utimesSync(path, 1_000_000, 1_000_000);
  const clock = new ManualClock();
  const log = new LineSink();
  const logger = new Logger({ sink: log, clock: runtime.clock, level: "debug", format: "json" });
  const source = await openCertificateFiles([paths], { ...runtime, clock }, logger);
  const served = () => (source.find("a.test", HELLO) as TlsIdentity).cert;
  const look = async (until: () => boolean = () => true) => {
    const timers = clock.timerCount;
    clock.advance(WATCH_INTERVAL_MS);
    // The next look is planned once this one is done.
    await waitUntil(() => clock.timerCount === timers && until(), "the look is done");
    await logger.flush();
  };
  try {
    await use({ paths, source, log, served, look });
  } finally {
    source.close();
    assert.equal(clock.timerCount, 0);
  }
}

test("A changed certificate is served from the next handshake on", { skip }, async () => {
  const [first, second] = [selfSigned("/CN=a.test"), selfSigned("/CN=b.test")];
  await withFiles(first, async ({ paths, log, served, look }) => {
    const before = served();
    await look();
    assert.equal(served(), before, "nothing has changed");
    writeFileSync(paths.key, second.key);
    writeFileSync(paths.cert, second.cert);
    await look(() => served() === second.cert);
    const renewed = await log.findAll(1, (line) => line["code"] === "certificate_renewed");
    assert.equal(renewed.length, 1);
  });
});

test(
  "A changed certificate that is faulty changes nothing, and is told once",
  { skip },
  async () => {
    const [first, second] = [selfSigned("/CN=a.test"), selfSigned("/CN=b.test")];
    await withFiles(first, async ({ paths, log, served, look }) => {
      const failures = () => log.lines.filter((line) => line["level"] === "error");
      writeFileSync(paths.cert, second.cert);
      await look();
      assert.equal(served(), first.cert);
      assert.equal(failures().length, 0, "the key may be on its way");
      await look();
      await look();
      await look();
      assert.equal(failures().length, 1);
      assert.match(String(failures()[0]!["msg"]), /stays as it was: The key in .* is not that of/);
      writeFileSync(paths.key, second.key);
      await look(() => served() === second.cert);
      writeFileSync(paths.cert, "garbage");
      await look();
      await look();
      assert.equal(served(), second.cert);
      await log.findAll(2, (line) => line["level"] === "error");
      assert.equal(failures().length, 2);
    });
  },
);

test("What is wrong with a pair of files is told as people can mend it", { skip }, async () => {
  const place = temporaryDirectory();
  const authority = selfSigned("/CN=Root", "basicConstraints=critical,CA:TRUE");
  const [own, other] = [signedBy(authority, "/CN=a.test"), selfSigned("/CN=b.test")];
  const garbage = "no certificate";
  const errors: readonly [cert: string, key: string, "cert" | "key", RegExp][] = [
    [own.cert, other.key, "key", /is not that of the certificate/],
    [authority.cert + own.cert, own.key, "cert", /wrong order: the key's certificate is number 2/],
    [own.cert + other.cert, own.key, "cert", /does not hang together: number 2 did not issue/],
    [own.cert + other.cert + authority.cert, own.key, "cert", /wrong order: number 2 did not/],
    [own.key, own.cert, "cert", /is the key and .* the certificate \(swap/],
    [garbage, own.key, "cert", /There is no certificate in PEM form/],
    [own.cert, garbage, "key", /There is no private key in PEM form/],
    [own.cert.slice(0, -60), own.key, "cert", /is cut short/],
    [own.cert.replace(/MII[A-Za-z0-9]{8}/, "AAAAAAAAAAA"), own.key, "cert", /Cannot read the cert/],
    [
      own.cert,
      own.key.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
      "key",
      /locked with a passphrase/,
    ],
  ];
  const paths = { cert: join(place, "x.crt"), key: join(place, "x.key") };
  for (const [cert, key, file, message] of errors) {
    writeFileSync(paths.cert, cert);
    writeFileSync(paths.key, key);
    await assert.rejects(readPair(paths, runtime), (error: Error & { file?: string }) => {
      assert.match(error.message, message);
      assert.equal(error.file, file, error.message);
      return true;
    });
  }
  writeFileSync(paths.cert, own.cert + authority.cert);
  writeFileSync(paths.key, own.key);
  assert.deepEqual((await readPair(paths, runtime)).names, ["a.test"]);
});
