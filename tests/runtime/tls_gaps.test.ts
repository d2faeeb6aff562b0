/**
 * Where `node:tls` and `node:crypto` of the two runtimes differ, or differ from what a Gemini server
 * would like. Each test holds what the pinned version does; docs/runtimes.md is the same list. A
 * failure here after an upgrade is news: change the code, the page, the test.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  connect,
  createSecureContext,
  createServer,
  type TlsOptions,
  type TLSSocket,
} from "node:tls";
import { test } from "node:test";
import { selfSigned } from "../support/certificates.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory } from "../support/places.ts";
import { rawTls } from "../support/raw_tls.ts";
import { onBun } from "./support.ts";

const skip = missingPeer("openssl");

/** A server whose connections go to the callback, and what `use` makes of its port. */
async function withServer<Result>(
  options: TlsOptions,
  onConnection: (socket: TLSSocket) => void,
  use: (port: number) => Promise<Result>,
): Promise<Result> {
  const { cert, key } = selfSigned("/CN=a.test");
  const server = createServer({ cert, key, ...options }, (socket) => {
    socket.on("error", () => {});
    onConnection(socket);
  });
  server.on("tlsClientError", (_, socket) => socket?.destroy());
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

test(
  "Gap: to Deno the oldest version is the context's, to Bun the server's",
  { skip },
  async () => {
    const { cert, key } = selfSigned("/CN=a.test");
    const context = createSecureContext({ cert, key });
    const { text } = await withServer(
      { minVersion: "TLSv1.3", SNICallback: (_, answer) => answer(null, context) },
      (socket) => void socket.end(socket.getProtocol() ?? ""),
      (port) => rawTls(port, "", ["-tls1_2", "-servername", "a.test"]),
    );
    assert.equal(text, onBun ? "" : "TLSv1.2");
  },
);

test("Gap: Deno shows no certificate with a critical extension that it does not know", {
  skip,
}, async () => {
  const digest = new Array(32).fill("01").join(":");
  const challenge = selfSigned(
    "/CN=a.test",
    "subjectAltName=DNS:a.test",
    `1.3.6.1.5.5.7.1.31=critical,DER:04:20:${digest}`,
  );
  const { text } = await withServer(
    { cert: challenge.cert, key: challenge.key },
    (socket) => void socket.end("shown"),
    (port) => rawTls(port, "", ["-servername", "a.test"]),
  );
  assert.equal(text, onBun ? "shown" : "");
});

test("Gap: Deno has cipher suites of its own, whatever list it is given", { skip }, async () => {
  const { text } = await withServer(
    { ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
    (socket) => void socket.end(socket.getCipher().name),
    (port) => rawTls(port, "", ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"]),
  );
  assert.equal(text, onBun ? "" : "ECDHE-ECDSA-AES256-GCM-SHA384");
});

/** Whether the second server takes up what a client agreed on with the first. */
async function resumes(first: Uint8Array, second: Uint8Array): Promise<boolean> {
  const file = join(temporaryDirectory(), "session.pem");
  const said = (keys: Uint8Array, args: readonly string[]) =>
    withServer(
      { ticketKeys: keys as Buffer, maxVersion: "TLSv1.2" },
      (socket) => void socket.end(socket.isSessionReused() ? "reused" : "new"),
      (port) => rawTls(port, "", args),
    );
  await said(first, ["-sess_out", file]);
  const { text } = await said(second, ["-sess_in", file]);
  return text === "reused";
}

test("Gap: no server knows sessions by the keys of another; on Deno all of a thread share theirs", {
  skip,
}, async () => {
  const [keys, others] = [Buffer.alloc(48, 1), Buffer.alloc(48, 2)];
  assert.deepEqual([await resumes(keys, keys), await resumes(keys, others)], [!onBun, !onBun]);
});

test("Gap: Deno takes a key that is not the certificate's", { skip }, () => {
  const { cert } = selfSigned("/CN=a.test");
  const { key } = selfSigned("/CN=b.test");
  if (onBun) assert.throws(() => createSecureContext({ cert, key }));
  else createSecureContext({ cert, key });
});

test("Gap: Bun escapes a comma in a certificate's name, Deno does not", { skip }, () => {
  const { cert } = selfSigned("/CN=a/O=b, c");
  assert.equal(new X509Certificate(cert).subject, onBun ? "CN=a\nO=b\\, c" : "CN=a\nO=b, c");
});

test("No gap: neither tells a client that close_notify is missing", { skip }, async () => {
  for (const ending of ["end", "destroy"] as const) {
    const events = await withServer(
      {},
      (socket) => void socket.write("x", () => void socket[ending]()),
      (port) =>
        new Promise<string[]>((resolve) => {
          const seen: string[] = [];
          const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
          socket.on("data", (bytes: Uint8Array) => seen.push(`data ${bytes.length}`));
          socket.on("end", () => {
            seen.push("end");
            socket.end();
          });
          socket.on("error", () => seen.push("error"));
          socket.on("close", () => resolve(seen));
        }),
    );
    assert.deepEqual(events, ["data 1", "end"], ending);
  }
});
