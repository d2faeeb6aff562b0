/**
 * What openssl sees of TLS, and handshakes while a certificate changes on disk. With
 * AFCGI_TEST_LONG there are 10,000 of them and 50 changes.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { selfSigned } from "../support/certificates.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { httpsRequest } from "../support/https.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory } from "../support/places.ts";

const skip = missingPeer("openssl") ?? false;
const IS_LONG = process.env["AFCGI_TEST_LONG"] !== undefined;
const HANDSHAKES = IS_LONG ? 10_000 : 400;
const CHANGES = IS_LONG ? 50 : 3;

async function withSite(
  use: (port: number, paths: { cert: string; key: string }) => Promise<void>,
) {
  const place = temporaryDirectory();
  const paths = { cert: join(place, "tls.crt"), key: join(place, "tls.key") };
  const first = selfSigned("/CN=a.test", "subjectAltName=DNS:a.test");
  writeFileSync(paths.cert, first.cert);
  writeFileSync(paths.key, first.key);
  const text = `
listen: [{ address: "127.0.0.1:0", tls: {} }]
${APP_UPSTREAM}
sites: [{ hosts: [a.test], tls: { cert: "${paths.cert}", key: "${paths.key}" }, routes: [{ respond: { body: fine } }] }]
`;
  await withConfig({ text, listen: "file" }, async ({ port }) => await use(port, paths));
}

async function sClient(port: number, ...args: string[]): Promise<string> {
  const child = promisify(execFile)("openssl", [
    ...["s_client", "-connect", `127.0.0.1:${port}`, ...args],
  ], { timeout: 10_000 });
  // It may have ended before, where the handshake failed.
  child.child.stdin?.on("error", () => {});
  child.child.stdin?.end("Q\n");
  const done = await child.catch((error: { stdout: string; stderr: string }) => error);
  return done.stdout + done.stderr;
}

test("openssl gets TLS 1.2 and 1.3 with modern ciphers, and nothing older", { skip }, async () => {
  await withSite(async (port) => {
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const text = await sClient(port, "-servername", "a.test", version);
      assert.match(text, /subject=CN = a\.test/, version);
      assert.match(text, /Compression: NONE/);
      assert.match(text, /Cipher is (?:TLS_(?:AES|CHACHA)|ECDHE-ECDSA-(?:AES|CHACHA))/);
    }
    for (const version of ["-tls1", "-tls1_1"]) {
      const text = await sClient(
        port,
        "-servername",
        "a.test",
        version,
        "-cipher",
        "ALL:@SECLEVEL=0",
      );
      assert.match(text, /Cipher is \(NONE\)/, version);
    }
    for (const weak of ["AES128-SHA", "3DES", "RC4", "NULL", "EXPORT", "ADH"]) {
      const text = await sClient(
        port,
        "-servername",
        "a.test",
        "-tls1_2",
        "-cipher",
        `${weak}:@SECLEVEL=0`,
      );
      assert.ok(!/Cipher is [A-Z0-9]/.test(text), weak);
    }
    const nameless = await sClient(port, "-noservername");
    assert.match(nameless, /subject=CN = a\.test/);
    const unknown = await sClient(port, "-servername", "other.test");
    assert.match(unknown, /unrecognized name/i);
  });
});

/** What a client says over its connection, as text; `R` at a line's begin renegotiates. */
async function said(port: number, text: string, ...args: string[]): Promise<string> {
  const child = promisify(execFile)("openssl", [
    ...["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "a.test", ...args],
  ], { timeout: 10_000 });
  child.child.stdin?.on("error", () => {});
  child.child.stdin?.write(text);
  const done = await child.catch((error: { stdout: string; stderr: string }) => error);
  return done.stdout + done.stderr;
}

test("Nobody renegotiates, and nobody compresses", { skip }, async () => {
  await withSite(async (port) => {
    const again = await said(port, "R\n", "-tls1_2");
    assert.match(again, /RENEGOTIATING/);
    assert.match(again, /no renegotiation|handshake failure|ssl3_read_bytes|unexpected/i, again);
    assert.ok(!/RENEGOTIATING[^]*verify return[^]*HTTP/.test(again), again);
    assert.match(
      await sClient(port, "-tls1_2", "-servername", "a.test"),
      /Secure Renegotiation IS/,
    );
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const text = await sClient(port, "-servername", "a.test", version, "-comp");
      assert.match(text, /Compression: NONE/, version);
    }
  });
});

test("A session is resumed by its ticket, over TLS 1.2 and 1.3", { skip }, async () => {
  await withSite(async (port) => {
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const session = join(temporaryDirectory(), "session");
      const get = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
      // The tickets of TLS 1.3 come behind the handshake, so a response is waited for.
      const first = await said(port, get, version, "-ign_eof", "-sess_out", session);
      assert.match(first, /^New, /m, version);
      assert.match(first, /fine/, version);
      const second = await said(port, get, version, "-ign_eof", "-sess_in", session);
      assert.match(second, /^Reused, /m, version);
      assert.match(second, /fine/, version);
    }
  });
});

test("No handshake fails while the certificate changes", { skip }, async () => {
  await withSite(async (port, paths) => {
    const pairs = Array.from(
      { length: CHANGES },
      () => selfSigned("/CN=a.test", "subjectAltName=DNS:a.test"),
    );
    const statuses = new Map<number, number>();
    let left = HANDSHAKES;
    const client = async () => {
      while (left-- > 0) {
        const { status } = await httpsRequest({ port, servername: "a.test" });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        const due = Math.floor((HANDSHAKES - left) / (HANDSHAKES / (CHANGES + 1)));
        const next = pairs[due - 1];
        if (next === undefined) continue;
        pairs[due - 1] = undefined as never;
        writeFileSync(paths.cert, next.cert);
        writeFileSync(paths.key, next.key);
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    assert.deepEqual([...statuses], [[200, HANDSHAKES]]);
  });
});
