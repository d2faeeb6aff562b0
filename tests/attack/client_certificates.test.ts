/**
 * Somebody wants into a site that asks for a client's certificate: with another name in the handshake,
 * on a connection made for another site, with header fields that look like what the application is
 * told, or with a session of somebody else's.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "node:tls";
import { selfSigned, signedBy } from "../support/certificates.ts";
import { APP_UPSTREAM, withConfig } from "../support/configured.ts";
import { echoParameters, type Gateway } from "../support/gateway.ts";
import { httpsRequest } from "../support/https.ts";
import { missingPeer } from "../support/peers.ts";

const skip = missingPeer("openssl") ?? false;

const AUTHORITY = "basicConstraints=critical,CA:TRUE";

interface World extends Gateway {
  readonly alice: { readonly cert: string; readonly key: string };
}

/** A site that requires a certificate beside one that does not, behind one listener. */
async function withSites(use: (world: World) => Promise<void>): Promise<void> {
  const authority = selfSigned("/CN=Authority", AUTHORITY);
  const both = selfSigned("/CN=both", "subjectAltName=DNS:closed.test,DNS:open.test");
  const tls = `{ cert: "${both.certPath}", key: "${both.keyPath}" }`;
  const text = `
listen: [{ address: "127.0.0.1:0", tls: {} }]
${APP_UPSTREAM}
sites:
  - hosts: [closed.test]
    tls: ${tls}
    client_auth: "${authority.certPath}"
    routes: [{ fastcgi: { upstream: app } }]
  - hosts: [open.test]
    tls: ${tls}
    routes:
      - { path: /inside/*, client_auth: { ca: "${authority.certPath}" }, fastcgi: { upstream: app } }
      - fastcgi: { upstream: app }
  - hosts: [never.test]
    tls: ${tls}
    routes: [{ fastcgi: { upstream: app } }]
`.replace(`client_auth: "${authority.certPath}"`, `client_auth: { ca: "${authority.certPath}" }`);
  const alice = signedBy(authority, "/CN=Alice");
  const options = { text, application: echoParameters, listen: "file" } as const;
  await withConfig(options, (gateway) => use({ ...gateway, alice }));
}

const parametersOf = (body: string): Record<string, string> =>
  JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1));

test("A handshake for one site opens no other that asks for certificates", { skip }, async () => {
  await withSites(async ({ port, alice, access }) => {
    const status = async (
      servername: string | undefined,
      host: string,
      identity?: World["alice"],
    ) => {
      const name = servername === undefined ? {} : { servername };
      const client = identity === undefined ? {} : { identity };
      return (await httpsRequest({ port, ...name, host, ...client })).status;
    };
    assert.equal(await status("closed.test", "closed.test", alice), 200);
    assert.equal(await status("closed.test", "closed.test"), 400);
    for (const identity of [undefined, alice]) {
      assert.equal(await status("open.test", "closed.test", identity), 421);
      assert.equal(await status("never.test", "closed.test", identity), 421);
      assert.equal(await status(undefined, "closed.test", identity), 421, "no name at all");
      assert.equal(await status("never.test", "open.test", identity), 421, "a route of it asks");
    }
    assert.equal(await status("open.test", "never.test"), 200, "who asks for nothing takes any");
    const line = await access.find((one) => one["status"] === 421);
    assert.equal(line["code"], "misdirected_request");
  });
});

test("A route asks for itself alone", { skip }, async () => {
  await withSites(async ({ port, alice }) => {
    const get = (target: string, identity?: World["alice"]) =>
      httpsRequest({ port, servername: "open.test", target, ...(identity && { identity }) });
    assert.equal((await get("/")).status, 200);
    for (const target of ["/inside/", "/inside", "/./inside/x", "/x/../inside/"]) {
      assert.equal((await get(target)).status, 400, target);
    }
    assert.equal((await get("/inside/", alice)).status, 200);
  });
});

test(
  "What the application is told of a certificate is never the client's word",
  { skip },
  async () => {
    const headers = {
      "SSL-Client-Verify": "SUCCESS",
      "SSL_CLIENT_VERIFY": "SUCCESS",
      "X-SSL-Client-S-DN": "CN=root",
      "Ssl-Client-S-Dn": "CN=root",
      "SSL_CLIENT_CERT": "x",
      "SSL-Protocol": "TLSv9",
    };
    await withSites(async ({ port, alice }) => {
      const fields = { port, headers };
      const open = parametersOf((await httpsRequest({ ...fields, servername: "open.test" })).body);
      for (const name of ["VERIFY", "S_DN", "I_DN", "SERIAL", "FINGERPRINT", "CERT"]) {
        assert.equal(open[`SSL_CLIENT_${name}`], undefined, name);
      }
      assert.match(open["SSL_PROTOCOL"] ?? "", /^TLSv1\.[23]$/);
      const closed = await httpsRequest({ ...fields, servername: "closed.test", identity: alice });
      const told = parametersOf(closed.body);
      assert.deepEqual([told["SSL_CLIENT_VERIFY"], told["SSL_CLIENT_S_DN"]], [
        "SUCCESS",
        "CN=Alice",
      ]);
      const refused = await httpsRequest({ ...fields, servername: "closed.test" });
      assert.equal(refused.status, 400);
    });
  },
);

test("A resumed session is still its owner's, and nobody else's", { skip }, async () => {
  await withSites(async ({ port, alice }) => {
    const once = (session?: Buffer, servername = "closed.test") =>
      new Promise<{ status: string; session: Buffer | undefined }>(
        (resolve, reject) => {
          let kept: Buffer | undefined;
          let text = "";
          const socket = connect({
            port,
            host: "127.0.0.1",
            servername,
            rejectUnauthorized: false,
            maxVersion: "TLSv1.2",
            ...(session ? { session } : alice),
          });
          socket.on("session", (given: Buffer) => kept = given);
          socket.on("data", (bytes) => text += String(bytes));
          socket.on("error", reject);
          socket.on("close", () =>
            resolve({
              status: text.slice(9, 12),
              session: kept,
            }));
          socket.on("secureConnect", () => {
            socket.write(`GET / HTTP/1.1\r\nHost: closed.test\r\nConnection: close\r\n\r\n`);
          });
        },
      );
    const first = await once();
    assert.equal(first.status, "200");
    if (first.session === undefined) return; // Deno's client tells of none.
    const again = await once(first.session);
    // Without a session (Deno's client keeps none) it is a handshake without a certificate.
    assert.ok(again.status === "200" || again.status === "400", again.status);
    const elsewhere = await once(first.session, "never.test");
    assert.equal(elsewhere.status, "421");
  });
});
