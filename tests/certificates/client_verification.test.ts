/**
 * What is told of a client's certificate: by afcgi and, where there is one, by nginx over the same
 * files, byte for byte.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { INTERMEDIATES_MAX } from "../../src/certificates/client_verification.ts";
import { readCertificateText } from "../../src/certificates/certificate_der.ts";
import { DerError } from "../../src/certificates/der_reader.ts";
import { selfSigned } from "../support/certificates.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { Child } from "../support/child.ts";
import { echoParameters } from "../support/gateway.ts";
import { type HttpsRequest, httpsRequest } from "../support/https.ts";
import { missingPeer, PEER_PATH } from "../support/peers.ts";
import { freePort, temporaryDirectory, waitForListener } from "../support/places.ts";

const skip = missingPeer("openssl") ?? false;

const directory = temporaryDirectory();
const file = (name: string) => join(directory, name);

interface Issued {
  readonly cert: string;
  readonly key: string;
}

const openssl = (...args: string[]) =>
  void execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });

/** A certificate of its own, or one of an authority's, with extensions as openssl reads them. */
function issue(
  name: string,
  { subject = `/CN=${name}`, by, extensions = "", days = "3", serial = "4660", chain = [] }: {
    readonly subject?: string;
    readonly by?: string;
    readonly extensions?: string;
    readonly days?: string;
    readonly serial?: string;
    readonly chain?: readonly string[];
  },
): Issued {
  const [crt, key, csr, ext] = ["crt", "key", "csr", "ext"].map((end) => file(`${name}.${end}`));
  writeFileSync(ext!, extensions);
  openssl(
    ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8"],
    ...["-subj", subject, "-keyout", key!, "-out", csr!],
  );
  const issuer = by === undefined
    ? ["-signkey", key!]
    : ["-CA", file(`${by}.crt`), "-CAkey", file(`${by}.key`)];
  openssl(
    ...["x509", "-req", "-in", csr!, "-days", days, "-set_serial", serial, "-extfile", ext!],
    ...issuer,
    ...["-out", crt!],
  );
  const certs = [name, ...chain].map((one) => readFileSync(file(`${one}.crt`), "utf8"));
  return { cert: certs.join(""), key: readFileSync(key!, "utf8") };
}

const ODD_SUBJECT =
  '/C=DE/O=A, B\\/C+OU=x/CN=ü "x"/emailAddress=a@b.c/DC=dom/UID=u1/serialNumber=5' +
  "/street= s /postalCode=#17/GN=<a>;b/SN=\\\\c";

const AUTHORITY = "basicConstraints=critical,CA:TRUE";

function issueAll() {
  issue("root", { extensions: AUTHORITY });
  issue("inter", { by: "root", extensions: `${AUTHORITY},pathlen:0` });
  issue("other", { extensions: AUTHORITY });
  issue("leaf_as_ca", { by: "root" });
  return {
    fine: issue("fine", { by: "root", subject: ODD_SUBJECT, serial: "0xf1ab" }),
    through: issue("through", { by: "inter", serial: "0x0102", chain: ["inter"] }),
    alone: issue("alone", { by: "inter" }),
    own: issue("own", {}),
    foreign: issue("foreign", { by: "other" }),
    server: issue("server", { by: "root", extensions: "extendedKeyUsage=serverAuth" }),
    client: issue("client", { by: "root", extensions: "extendedKeyUsage=clientAuth", serial: "5" }),
    expired: issue("expired", { by: "root", days: "-1" }),
    forged: issue("forged", { by: "leaf_as_ca", chain: ["leaf_as_ca"] }),
  };
}

const clients = skip === false ? issueAll() : undefined;
const site = skip === false ? selfSigned("/CN=a.test", "subjectAltName=DNS:a.test") : undefined;

const NAMES = [
  "SSL_CLIENT_VERIFY",
  "SSL_CLIENT_S_DN",
  "SSL_CLIENT_I_DN",
  "SSL_CLIENT_SERIAL",
  "SSL_CLIENT_FINGERPRINT",
  "SSL_CLIENT_CERT",
  "SSL_PROTOCOL",
  "SSL_CIPHER",
  "SSL_SERVER_NAME",
] as const;

/** What both tell: the status, and the parameters where there are some. */
interface Told {
  readonly status: number;
  readonly parameters: readonly string[];
}

async function ask(port: number, identity: HttpsRequest["identity"]): Promise<Told> {
  const request = { port, servername: "a.test", target: "/told", ...(identity && { identity }) };
  const { status, body } = await httpsRequest(request);
  if (status !== 200) return { status, parameters: [] };
  const begin = body.indexOf("{");
  const sent = JSON.parse(body.slice(begin, body.lastIndexOf("}") + 1));
  // nginx writes it on one line for us.
  const text = (name: string) => String(sent[name] ?? "").replaceAll("\n", "|");
  return { status, parameters: NAMES.map(text) };
}

function config(mode: string, ca: string | undefined): string {
  const auth = ca === undefined ? `{ mode: ${mode} }` : `{ ca: "${ca}", mode: ${mode} }`;
  return `
listen: [{ address: "127.0.0.1:0", tls: {} }]
${APP_UPSTREAM}
sites:
  - hosts: [a.test]
    tls: { cert: "${site!.certPath}", key: "${site!.keyPath}" }
    client_auth: ${auth}
    routes: [{ fastcgi: { upstream: app } }]
`;
}

async function ofAfcgi(mode: string, ca: string | undefined): Promise<Record<string, Told>> {
  const told: Record<string, Told> = {};
  const options = { text: config(mode, ca), application: echoParameters, listen: "file" } as const;
  await withConfig(options, async ({ port }) => {
    told["none"] = await ask(port, undefined);
    for (const [name, identity] of Object.entries(clients!)) told[name] = await ask(port, identity);
  });
  return told;
}

test(
  "A certificate is judged by its way to an authority, its times and its purpose",
  { skip },
  async () => {
    const told = await ofAfcgi("request", file("root.crt"));
    const statuses = Object.entries(told).map(([name, { status }]) => [name, status]);
    assert.deepEqual(Object.fromEntries(statuses), {
      none: 200,
      fine: 200,
      through: 200,
      alone: 400,
      own: 400,
      foreign: 400,
      server: 400,
      client: 200,
      expired: 400,
      forged: 400,
    });
    assert.equal(told["none"]!.parameters[0], "NONE");
    const [verify, subject, issuer, serial, fingerprint, cert] = told["fine"]!.parameters;
    assert.deepEqual([verify, issuer, serial], ["SUCCESS", "CN=root", "F1AB"]);
    assert.equal(
      subject,
      "SN=\\\\c,GN=\\<a\\>\\;b,postalCode=\\#17,street=\\ s\\ ,serialNumber=5,UID=u1,DC=dom," +
        'emailAddress=a@b.c,CN=\\C3\\BC \\"x\\",O=A\\, B/C+OU=x,C=DE',
    );
    assert.match(fingerprint!, /^[0-9a-f]{40}$/);
    assert.match(cert!, /^-----BEGIN CERTIFICATE-----\|\tMI/);
  },
);

test(
  "require refuses who has none; without authorities the application judges",
  { skip },
  async () => {
    const required = await ofAfcgi("require", file("root.crt"));
    assert.equal(required["none"]!.status, 400);
    assert.equal(required["fine"]!.status, 200);
    assert.equal(required["foreign"]!.status, 400);
    const judged = await ofAfcgi("request", undefined);
    assert.equal(judged["none"]!.parameters[0], "NONE");
    assert.equal(judged["own"]!.parameters[0], "FAILED:self-signed certificate");
    assert.equal(judged["foreign"]!.parameters[0], "FAILED:unable to verify the first certificate");
  },
);

/** nginx with `ssl_verify_client` as said, until `use` is done. */
async function withNginx(
  verify: string,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const place = temporaryDirectory();
  const port = await freePort();
  const variables = NAMES.map((name) => `@@$${name.toLowerCase()}`).join("");
  const path = join(place, "nginx.conf");
  const directories = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((one) => `${one}_temp_path ${place}/${one};`).join(" ");
  writeFileSync(
    path,
    `daemon off; master_process off; pid ${place}/pid; error_log stderr warn;
events {}
http {
  access_log off; ${directories}
  server {
    listen 127.0.0.1:${port} ssl; server_name a.test; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate ${site!.certPath}; ssl_certificate_key ${site!.keyPath};
    ssl_client_certificate ${file("root.crt")}; ssl_verify_client ${verify};
    location / { return 200 "${variables}"; }
  }
}
`,
  );
  const child = new Child("nginx", ["-e", "stderr", "-p", place, "-c", path], {
    env: { PATH: PEER_PATH },
  });
  try {
    await waitForListener({ network: "tcp", host: "127.0.0.1", port });
    await use(port);
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

const skipNginx = skip || (missingPeer("nginx") ?? false);

test("nginx says the same of every certificate, byte for byte", { skip: skipNginx }, async () => {
  for (const [mode, verify] of [["request", "optional"], ["require", "on"]] as const) {
    const ours = await ofAfcgi(mode, file("root.crt"));
    await withNginx(verify, async (port) => {
      for (const [name, told] of Object.entries(ours)) {
        const identity = (clients as unknown as Record<string, Issued>)[name];
        const request = { port, servername: "a.test", ...(identity && { identity }) };
        const { status, body } = await httpsRequest(request);
        assert.equal(told.status, status, `${mode} ${name}`);
        if (status !== 200) continue;
        const [, ...theirs] = body.split("@@");
        const text = (values: readonly string[]) =>
          values.filter((_, index) => NAMES[index] !== "SSL_CIPHER").map((one) =>
            one.replaceAll("\n", "|")
          );
        assert.deepEqual(text(told.parameters), text(theirs), `${mode} ${name}`);
      }
    });
  }
});

test("What is no certificate is told as that, however it is cut", { skip }, () => {
  const der = Buffer.from(clients!.fine.cert.replace(/-----[^-]+-----|\s/g, ""), "base64");
  assert.equal(readCertificateText(der).serial, "F1AB");
  for (let length = 0; length < der.length; length++) {
    assert.throws(() => readCertificateText(der.subarray(0, length)), DerError, String(length));
  }
  assert.ok(INTERMEDIATES_MAX >= 1);
});
