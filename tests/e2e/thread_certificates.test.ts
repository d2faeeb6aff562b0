/** A certificate that has changed serves the next handshake of every thread, once that is told. */
import assert from "node:assert/strict";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "node:tls";
import { Afcgi } from "../support/afcgi.ts";
import { selfSigned } from "../support/certificates.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory } from "../support/places.ts";

const workers = 4;
const ROUNDS = 3;

/** The name in the certificate that a handshake gets. */
function nameAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

test("Threads: a certificate's files that have changed serve the next handshake of each", {
  skip: missingPeer("openssl"),
}, async () => {
  const directory = temporaryDirectory();
  const [cert, key] = [join(directory, "site.crt"), join(directory, "site.key")];
  const put = (path: string, text: string) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  const use = (name: string) => {
    const { certPath, keyPath } = selfSigned(`/CN=${name}`);
    put(key, readFileSync(keyPath, "utf8"));
    put(cert, readFileSync(certPath, "utf8"));
  };
  use("round-0");
  const afcgi = await Afcgi.start({
    config: {
      workers,
      listen: [{ address: "127.0.0.1:0", tls: { cert, key } }],
      log: { access: "off" },
      sites: [{ routes: [{ respond: { body: "ok" } }] }],
    },
  });
  for (let round = 1; round <= ROUNDS; round++) {
    const isTold = () =>
      afcgi.log.filter(({ code }) => code === "certificate_renewed").length >= round;
    use(`round-${round}`);
    // Each thread has just heard of the one before, all the while.
    const before = new Set<string>();
    while (!isTold()) before.add(await nameAt(afcgi.port));
    const names = await Promise.all(
      Array.from({ length: 2 * workers }, () => nameAt(afcgi.port)),
    );
    assert.deepEqual([...new Set(names)], [`round-${round}`]);
    assert.ok(before.has(`round-${round - 1}`));
  }
  await afcgi.stop();
});
