/**
 * The executable before the cases of h2spec over TLS, as tests of our own; and before h2spec itself
 * where `AFCGI_H2SPEC` names it. Nobody packages it, and its modules are not everywhere to be had, so
 * without the variable there is no such test (CONTRIBUTING.md).
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { H2SPEC_CASES } from "../http2/h2spec_all.ts";
import { type Case, sectionOf } from "../http2/h2spec_cases.ts";
import { CERTIFICATE, PRIVATE_KEY } from "../runtime/certificate.ts";
import { Afcgi } from "../support/afcgi.ts";
import { SocketHttp2Client } from "../support/http2_socket.ts";
import { temporaryDirectory } from "../support/places.ts";

const run = promisify(execFile);
const LIMIT_MS = 60_000;

let afcgi: Afcgi;
let tlsPort: number;

before(async () => {
  const directory = temporaryDirectory();
  const [cert, key] = [join(directory, "tls.crt"), join(directory, "tls.key")];
  writeFileSync(cert, CERTIFICATE);
  writeFileSync(key, PRIVATE_KEY);
  afcgi = await Afcgi.start({
    config: {
      listen: ["127.0.0.1:0", { address: "127.0.0.1:0", tls: { cert, key } }],
      sites: [{ routes: [{ respond: { body: "hello" } }] }],
    },
  });
  const listening = await afcgi.waitForLog(({ scheme }) => scheme === "https");
  tlsPort = Number(String(listening["address"]).split(":").at(-1));
});

after(() => afcgi.stop());

async function play([number, what, ...steps]: Case): Promise<void> {
  const client = await SocketHttp2Client.openTls(tlsPort);
  for (const step of steps) {
    if (typeof step === "function") step(client);
    else {
      const { what: wanted, holds } = step;
      await client.until(() => holds(client, client.isClosed) || client.isClosed);
      assert.ok(holds(client, client.isClosed), `${number}, ${what}: ${wanted}`);
    }
  }
  client.destroy();
}

for (const section of new Set(H2SPEC_CASES.map(sectionOf))) {
  test(`h2spec ${section}, over TLS`, async () => {
    for (const given of H2SPEC_CASES.filter((one) => sectionOf(one) === section)) {
      await play(given);
    }
  });
}

const h2spec = process.env["AFCGI_H2SPEC"];

if (h2spec !== undefined) {
  for (const kind of ["cleartext", "TLS"] as const) {
    test(`h2spec itself, over ${kind}`, async () => {
      const port = kind === "TLS" ? ["-p", String(tlsPort), "-t", "-k"] : ["-p", `${afcgi.port}`];
      const { stdout } = await run(h2spec, ["-h", "127.0.0.1", ...port], { timeout: LIMIT_MS });
      assert.match(stdout, /146 tests, 146 passed, 0 skipped, 0 failed/);
    });
  }
}
