/**
 * The executable before clients of HTTP/2 that others wrote: curl, nghttp and h2load, Go's, Node's and
 * Chromium, HAProxy as a balancer that speaks h2c. What h2spec asks is in h2spec.test.ts.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { CERTIFICATE, PRIVATE_KEY } from "../runtime/certificate.ts";
import { Afcgi } from "../support/afcgi.ts";
import { Child } from "../support/child.ts";
import { missingPeer, PEER_PATH } from "../support/peers.ts";
import { freePort, temporaryDirectory, waitUntil } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const run = promisify(execFile);
const LIMIT_MS = 60_000;
const LENGTH = 1_000_000;

const directory = temporaryDirectory();
let afcgi: Afcgi;
let tlsPort: number;

before(async () => {
  const [cert, key] = [join(directory, "tls.crt"), join(directory, "tls.key")];
  writeFileSync(cert, CERTIFICATE);
  writeFileSync(key, PRIVATE_KEY);
  writeFileSync(join(directory, "big.bin"), "x".repeat(LENGTH));
  afcgi = await Afcgi.start({
    config: {
      listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: { cert, key } }],
      sites: [{
        root: directory,
        routes: [{ path: "/big.bin", static: {} }, { respond: { body: "hello" } }],
      }],
    },
  });
  const listening = await afcgi.waitForLog(({ scheme }) => scheme === "https");
  tlsPort = Number(String(listening["address"]).split(":").at(-1));
});

after(() => afcgi.stop());

async function output(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, [...args], {
    env: { ...process.env, PATH: PEER_PATH, GO111MODULE: "off" },
    timeout: LIMIT_MS,
    maxBuffer: 10_000_000,
  });
  return stdout;
}

/** What the access log says of the request. */
async function assertLogged(path: string): Promise<void> {
  const line = await afcgi.waitForAccess((line) => line["path"] === path);
  assert.equal(line["protocol"], "HTTP/2.0");
}

test("curl, by ALPN and by prior knowledge", { skip: missingPeer("curl") }, async () => {
  const format = ["-s", "-w", " %{http_version}"];
  const plain = `http://127.0.0.1:${afcgi.port}`;
  const tls = `https://127.0.0.1:${tlsPort}`;
  assert.equal(
    await output("curl", [...format, "--http2-prior-knowledge", `${plain}/`]),
    "hello 2",
  );
  assert.equal(await output("curl", [...format, "-k", `${tls}/`]), "hello 2");
  assert.equal(await output("curl", [...format, "-k", "--http1.1", `${tls}/`]), "hello 1.1");
  assert.equal(await output("curl", [...format, `${plain}/`]), "hello 1.1");
  const upgrade = await output("curl", [...format, "--http2", `${plain}/`]);
  assert.equal(upgrade, "hello 1.1", "there is no upgrade from HTTP/1.1");
  const big = await output("curl", ["-sk", `${tls}/big.bin`]);
  assert.equal(big.length, LENGTH);
});

const noNghttp2 = missingPeer("nghttp2");

test("nghttp", { skip: noNghttp2 }, async () => {
  const said = await output("nghttp", ["-nv", `http://127.0.0.1:${afcgi.port}/nghttp`]);
  assert.match(said, /:status: 200/);
  await assertLogged("/nghttp");
});

test("h2load, small and large, many streams of many connections", { skip: noNghttp2 }, async () => {
  for (
    const [count, args] of [
      [5000, ["-c", "16", "-m", "10", `http://127.0.0.1:${afcgi.port}/`]],
      [5000, ["-c", "16", "-m", "10", `https://127.0.0.1:${tlsPort}/`]],
      [100, ["-c", "4", "-m", "10", `http://127.0.0.1:${afcgi.port}/big.bin`]],
      [100, ["-c", "4", "-m", "10", `https://127.0.0.1:${tlsPort}/big.bin`]],
      // The smallest window of h2load's, 1 kB.
      [20, ["-c", "2", "-m", "5", "-w", "10", `http://127.0.0.1:${afcgi.port}/big.bin`]],
    ] as const
  ) {
    const said = await output("h2load", ["-n", String(count), ...args]);
    assert.match(said, new RegExp(`${count} succeeded, 0 failed, 0 errored, 0 timeout`));
  }
});

test("Go's client", { skip: missingPeer("go") }, async () => {
  const program = join(directory, "client.go");
  writeFileSync(program, GO_CLIENT);
  const said = await output("go", ["run", program, `https://127.0.0.1:${tlsPort}/go`]);
  assert.equal(said, "HTTP/2.0 200 hello");
  await assertLogged("/go");
});

const GO_CLIENT = `package main

import ("crypto/tls"; "fmt"; "io"; "net/http"; "os"; "strings")

func main() {
  transport := &http.Transport{
    TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
    ForceAttemptHTTP2: true,
  }
  client := &http.Client{Transport: transport}
  response, err := client.Post(os.Args[1], "text/plain", strings.NewReader(strings.Repeat("x", 500000)))
  if err != nil { panic(err) }
  body, _ := io.ReadAll(response.Body)
  fmt.Printf("%s %d %s", response.Proto, response.StatusCode, body)
}
`;

test("Node's client", async () => {
  const program = join(directory, "client.mjs");
  writeFileSync(program, NODE_CLIENT);
  const said = await output("node", [program, String(afcgi.port)]);
  assert.equal(said, "200 hello");
  await assertLogged("/node");
});

const NODE_CLIENT = `import { connect } from "node:http2";
const session = connect("http://127.0.0.1:" + process.argv[2]);
const request = session.request({ ":path": "/node" });
let status = 0;
let text = "";
request.on("response", (headers) => status = headers[":status"]);
request.on("data", (bytes) => text += bytes);
request.on("end", () => {
  process.stdout.write(status + " " + text);
  session.close();
});
request.end();
`;

test("Chromium", { skip: missingPeer("chromium") }, async () => {
  const said = await output("chromium", [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--ignore-certificate-errors",
    `--user-data-dir=${join(directory, "chromium")}`,
    "--dump-dom",
    `https://127.0.0.1:${tlsPort}/chromium`,
  ]);
  assert.match(said, /hello/);
  await assertLogged("/chromium");
});

test(
  "HAProxy as a load balancer that speaks h2c to us",
  { skip: missingPeer("haproxy") },
  async () => {
    const config = join(directory, "haproxy.cfg");
    const socket = join(directory, "haproxy.sock");
    const port = await freePort();
    writeFileSync(
      config,
      `global
  maxconn 100
  stats socket ${socket}
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
frontend web
  bind 127.0.0.1:${port}
  default_backend back
backend back
  server afcgi 127.0.0.1:${afcgi.port} proto h2
`,
    );
    const child = new Child("haproxy", ["-db", "-f", config], {
      cwd: directory,
      env: { PATH: PEER_PATH },
    });
    try {
      const ask = () => httpRequest(port, { target: "/haproxy" });
      await waitUntil(
        async () => (await ask().catch(() => undefined))?.status === 200,
        "HAProxy answers",
      );
      const responses = await Promise.all(Array.from({ length: 50 }, ask));
      for (const { status, body } of responses) {
        assert.deepEqual([status, body.toString()], [200, "hello"]);
      }
      await assertLogged("/haproxy");
    } finally {
      await child.stop("SIGTERM");
    }
  },
);
