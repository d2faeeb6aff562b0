/** A listener with TLS, with a certificate that openssl makes for the test. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { test } from "node:test";
import {
  echoParameters,
  freshPath,
  freshSocket,
  gatewayAppOptions,
  LOOPBACK,
  startGateway,
  withGateway,
} from "../support/gateway.ts";

const skip = hasOpenssl() ? false : "There is no openssl";

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A key and a certificate for localhost that signs itself. */
function makeCertificate(): { cert: string; key: string } {
  const directory = freshPath();
  mkdirSync(directory);
  const cert = join(directory, "tls.crt");
  const key = join(directory, "tls.key");
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const files = ["-nodes", "-days", "2", "-keyout", key, "-out", cert];
  execFileSync("openssl", [...request, ...names, ...files], { stdio: "ignore" });
  return { cert, key };
}

/** One request over TLS; the certificate must be the one that was made. */
function requestOverTls(port: number, certPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      servername: "localhost",
      ca: readFileSync(certPath, "utf8"),
    });
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (piece: string) => {
      text += piece;
      if (text.includes("}")) {
        socket.destroy();
        resolve(text);
      }
    });
    socket.on("error", reject);
    socket.on(
      "secureConnect",
      () => socket.write("GET /over/tls HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    );
  });
}

test("A request over TLS arrives as https", { skip }, async () => {
  const tls = makeCertificate();
  const options = {
    application: echoParameters,
    listen: [{ address: LOOPBACK, tls: { pair: tls } }],
  };
  await withGateway(options, async (gateway) => {
    const text = await requestOverTls(gateway.port, tls.cert);
    assert.match(text, /^HTTP\/1\.1 200 /);
    const parameters = JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1));
    assert.equal(parameters.HTTPS, "on");
    assert.equal(parameters.REQUEST_SCHEME, "https");
    assert.equal(parameters.SERVER_NAME, "localhost");
    assert.equal(parameters.SERVER_PORT, String(gateway.port));
    assert.equal(parameters.REQUEST_URI, "/over/tls");
  });
});

test("A certificate that is not there or is none keeps afcgi from starting", async () => {
  const directory = freshPath();
  mkdirSync(directory);
  const garbage = join(directory, "garbage.pem");
  writeFileSync(garbage, "no certificate");
  for (const path of [join(directory, "missing.pem"), garbage]) {
    const listen = [{ address: LOOPBACK, tls: { pair: { cert: path, key: path } } }];
    await assert.rejects(startGateway(gatewayAppOptions({ listen }, freshSocket())), Error);
  }
});
