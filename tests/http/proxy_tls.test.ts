/** HTTP servers behind TLS: whom a certificate must be for, and who must vouch for it. */
import assert from "node:assert/strict";
import { createServer } from "node:tls";
import { test } from "node:test";
import type { RouteOptions } from "../../src/http/options.ts";
import type { UpstreamTlsOptions } from "../../src/upstream/options.ts";
import { type CertificateFiles, selfSigned, signedBy } from "../support/certificates.ts";
import { withGateway } from "../support/gateway.ts";
import { response } from "../support/raw_server.ts";

const PROXY: RouteOptions = {
  path: undefined,
  methods: undefined,
  handler: { kind: "proxy", upstream: "app", headers: {} },
};

interface TlsReply {
  readonly status: number;
  readonly body: string;
  readonly log: string;
}

/** What a client gets through a server that shows this certificate. */
async function ask(shown: CertificateFiles, tls: UpstreamTlsOptions): Promise<TlsReply> {
  const server = createServer({ cert: shown.cert, key: shown.key }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", () => socket.write(response("over TLS")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  let reply: TlsReply | undefined;
  await withGateway({
    server: { transport: "tcp", host: "127.0.0.1", port },
    upstream: { protocol: "http", tls },
    routes: [PROXY],
  }, async (gateway) => {
    const got = await gateway.send("/");
    if (got.status === 502) await gateway.log.find(({ code }) => code === "connect_failed");
    reply = { status: got.status, body: got.body.toString(), log: gateway.log.text };
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return reply!;
}

test("A server is spoken to over TLS when its authority and its name are right", async () => {
  const authority = selfSigned("/CN=Authority");
  const good = signedBy(authority, "/CN=x", "subjectAltName=DNS:app.internal,IP:127.0.0.1");
  const trusted = { authorities: authority.cert };
  const named = await ask(good, { serverName: "app.internal", ...trusted });
  assert.equal(named.body, "over TLS", named.log);
  const addressed = await ask(good, { serverName: "127.0.0.1", ...trusted });
  assert.equal(addressed.body, "over TLS", addressed.log);
});

test("A certificate for another name, or that nobody vouches for, gets no request", async () => {
  const authority = selfSigned("/CN=Authority");
  const good = signedBy(authority, "/CN=x", "subjectAltName=DNS:app.internal");
  const trusted = { authorities: authority.cert };
  const wrongName = await ask(good, { serverName: "other.internal", ...trusted });
  assert.equal(wrongName.status, 502);
  assert.match(wrongName.log, /its certificate is for another name/);
  const wrongAddress = await ask(good, { serverName: "127.0.0.1", ...trusted });
  assert.equal(wrongAddress.status, 502);
  const unknown = await ask(good, { serverName: "app.internal", authorities: undefined });
  assert.equal(unknown.status, 502);
  assert.match(unknown.log, /its certificate is not trusted/);
  const other = selfSigned("/CN=Other");
  const stranger = await ask(good, { serverName: "app.internal", authorities: other.cert });
  assert.equal(stranger.status, 502);
});
