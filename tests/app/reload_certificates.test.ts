/**
 * Certificates over a reload: those that a configuration keeps are the same ones, of the local
 * authority, from files and of Gemini; those that it brings serve, and those that are gone do not.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { AppOptions } from "../../src/app/options.ts";
import { GEMINI_LIMIT_DEFAULTS } from "../../src/gemini/options.ts";
import type { SiteTlsOptions } from "../../src/certificates/options.ts";
import { selfSigned } from "../support/certificates.ts";
import {
  freshPath,
  freshSocket,
  gatewayAppOptions,
  LOOPBACK,
  runtime,
  startGateway,
} from "../support/gateway.ts";
import { capsuleSite, dialGemini, route } from "../support/gemini.ts";
import { missingPeer } from "../support/peers.ts";
import { temporaryDirectory } from "../support/places.ts";

const skip = missingPeer("openssl");

function siteOf(host: string, tls: SiteTlsOptions) {
  const handler = { kind: "respond", status: 200, body: host } as const;
  return {
    hosts: [host],
    root: undefined,
    routes: [{ path: undefined, methods: undefined, handler }],
    tls,
  };
}

test("A certificate that a configuration keeps is the same after a reload", { skip }, async () => {
  const place = temporaryDirectory();
  const pair = { cert: join(place, "tls.crt"), key: join(place, "tls.key") };
  const put = (subject: string): void => {
    const { cert, key } = selfSigned(subject, "subjectAltName=DNS:files.test");
    writeFileSync(pair.cert, cert);
    writeFileSync(pair.key, key);
  };
  put("/CN=first");
  const internal = (host: string) => siteOf(host, { kind: "internal" });
  const files = siteOf("files.test", { kind: "files", pairs: [pair] });
  const say = route({ kind: "respond", code: 20, meta: "text/plain", body: "" });
  const capsule = capsuleSite({ routes: [say] }, freshPath());
  const options: AppOptions = {
    ...gatewayAppOptions({ admin: true }, freshSocket()),
    upstreams: [],
    store: join(place, "store"),
    listen: [{ address: LOOPBACK, tls: {} }],
    sites: [internal("a.test"), files],
    gemini: { sites: [capsule], limits: GEMINI_LIMIT_DEFAULTS },
  };
  const gateway = await startGateway(options);
  const { app } = gateway;
  const shown = async (serverName: string): Promise<string> => {
    const address = { transport: "tcp", host: "127.0.0.1", port: gateway.port } as const;
    const connection = await runtime.tls.connect(address, { serverName });
    connection.destroy();
    return connection.certificate?.sha256 ?? "";
  };
  const shownByGemini = async (): Promise<string> => {
    const [address] = app.geminiAddresses;
    assert.ok(address?.transport === "tcp");
    const connection = await dialGemini(address.port);
    connection.destroy();
    return connection.certificate?.sha256 ?? "";
  };
  const all = async () => [await shown("a.test"), await shown("files.test"), await shownByGemini()];
  const reload = async (sites: AppOptions["sites"]): Promise<void> => {
    await (await app.prepare({ ...options, sites })).commit();
  };
  const expiring = async (): Promise<string[]> => {
    const metrics = (await gateway.admin("/metrics")).body.toString();
    return [
      ...metrics.matchAll(/^afcgi_certificate_expiry_seconds\{site="([^"]*)",name="([^"]*)"/gm),
    ]
      .map(([, site, name]) => `${site} ${name}`);
  };
  try {
    const before = await all();
    await reload([internal("a.test"), internal("b.test"), files]);
    assert.deepEqual(await all(), before);
    assert.notEqual(await shown("b.test"), before[0]);
    assert.deepEqual((await expiring()).toSorted(), [
      "a.test a.test",
      "b.test b.test",
      "files.test files.test",
      "localhost 127.0.0.1",
      "localhost localhost",
      "tls: internal intermediate",
      "tls: internal root",
    ]);
    put("/CN=second");
    await reload([internal("b.test"), files]);
    assert.notEqual(await shown("files.test"), before[1], "a reload waits for no look");
    assert.equal(await shownByGemini(), before[2]);
    await assert.rejects(shown("a.test"));
  } finally {
    await app.stop();
  }
});
