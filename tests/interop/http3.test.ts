/**
 * The executable over HTTP/3: Bun's client, and Deno's QUIC for what certificates it shows. What the
 * runtime's server does by itself and cannot be told otherwise stands in docs/http3.md.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Afcgi } from "../support/afcgi.ts";
import { type CertificateFiles, selfSigned } from "../support/certificates.ts";
import { temporaryDirectory } from "../support/places.ts";
import { httpRequest } from "../support/raw_http.ts";

const run = promisify(execFile);
const DENO = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url));
const LENGTH = 3_000_000;
const LIMIT_MS = 30_000;

const directory = temporaryDirectory();
let afcgi: Afcgi;
let port: number;
let configWith: (body: string) => Readonly<Record<string, unknown>>;
let certificates: Readonly<Record<"a.test" | "b.test" | "127.0.0.1", CertificateFiles>>;

function certificateFor(name: string): CertificateFiles {
  return selfSigned(
    `/CN=${name}`,
    `subjectAltName=${/^[\d.]+$/.test(name) ? "IP" : "DNS"}:${name}`,
    "basicConstraints=critical,CA:FALSE",
  );
}

before(async () => {
  certificates = {
    "a.test": certificateFor("a.test"),
    "b.test": certificateFor("b.test"),
    "127.0.0.1": certificateFor("127.0.0.1"),
  };
  writeFileSync(join(directory, "big.bin"), "x".repeat(LENGTH));
  const tls = (name: keyof typeof certificates) => ({
    cert: certificates[name].certPath,
    key: certificates[name].keyPath,
  });
  configWith = (body) => {
    const routes = [
      { path: "/big.bin", static: {} },
      { path: "/app", fastcgi: { upstream: "app" } },
      { respond: { body } },
    ];
    const hosts = ["a.test", "b.test", "127.0.0.1"] as const;
    return {
      listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: {}, http3: true }],
      limits: { request_body: "1MiB" },
      upstreams: { app: { servers: ["127.0.0.1:1"] } },
      sites: hosts.map((host) => ({
        hosts: [host],
        tls: tls(host),
        https: "allow",
        root: directory,
        routes,
      })),
    };
  };
  afcgi = await Afcgi.start({ config: configWith("hello") });
  port = Number((await afcgi.waitForLog(({ msg }) => msg === "listening for HTTP/3"))["port"]);
});

after(() => afcgi.stop());

function ask(path: string, init: Record<string, unknown> = {}): Promise<Response> {
  const { headers, ...rest } = init as { headers?: Record<string, string> };
  return fetch(`https://127.0.0.1:${port}${path}`, {
    protocol: "http3",
    tls: { rejectUnauthorized: false },
    headers: { host: "a.test", ...headers },
    ...rest,
  } as RequestInit);
}

test("Requests and responses, small and large, and the log knows the version", async () => {
  assert.equal(await (await ask("/small")).text(), "hello");
  assert.equal((await (await ask("/big.bin")).arrayBuffer()).byteLength, LENGTH);
  const { protocol } = await afcgi.waitForAccess(({ path }) => path === "/small");
  assert.equal(protocol, "HTTP/3.0");
});

test("The same limits and rules as over the other versions", async () => {
  const large = await ask("/app", { method: "POST", body: "x".repeat(2_000_000) });
  assert.equal(large.status, 413);
  assert.equal((await ask("/", { headers: { host: "c.test" } })).status, 404);
  assert.equal((await ask("/", { headers: { te: "gzip" } })).status, 400);
  assert.equal((await ask("/", { headers: { host: "a b" } })).status, 400);
});

test("Clients of the other versions are told of it", async () => {
  const { headers } = await httpRequest(afcgi.port, { headers: { Host: "a.test" } });
  assert.equal(headers.get("alt-svc"), `h3=":${port}"; ma=86400`);
});

test("Each site has its certificate, and so has who asks by address alone", async () => {
  const program = join(directory, "client.ts");
  writeFileSync(program, QUIC_CLIENT);
  for (const [name, { certPath }] of Object.entries(certificates)) {
    const args = ["run", "-A", "--unstable-net", "--no-check", "--no-config", program];
    const { stdout } = await run(DENO, [...args, String(port), name, certPath], {
      timeout: LIMIT_MS,
    });
    assert.equal(stdout.trim(), "verified", name);
  }
});

const QUIC_CLIENT = `
const [port, serverName, path] = Deno.args;
const connection = await Deno.connectQuic({
  hostname: "127.0.0.1",
  port: Number(port),
  serverName,
  alpnProtocols: ["h3"],
  caCerts: [Deno.readTextFileSync(path)],
});
console.log("verified");
connection.close();
Deno.exit(0);
`;

test("Forty clients at once, and one that leaves in the middle", async () => {
  const leaving = await ask("/big.bin");
  await leaving.body!.cancel();
  const texts = await Promise.all(
    Array.from({ length: 40 }, async () => await (await ask("/small")).text()),
  );
  assert.deepEqual(new Set(texts), new Set(["hello"]));
});

test("A reload changes what is served, and cuts no response and no listener", async () => {
  const loads = Array.from({ length: 10 }, async () => {
    for (let count = 0; count < 10; count++) {
      assert.equal((await (await ask("/big.bin")).arrayBuffer()).byteLength, LENGTH);
    }
  });
  for (const body of ["two", "three", "hello"]) {
    const from = afcgi.child.stderr.lines.length;
    afcgi.rewrite(configWith(body));
    process.kill(afcgi.child.pid, "SIGHUP");
    await afcgi.child.stderr.waitFor((line) => line.includes('"reloaded"'), from);
    assert.equal(await (await ask("/small")).text(), body);
  }
  await Promise.all(loads);
});
