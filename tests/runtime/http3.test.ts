/**
 * Which runtime has HTTP/3 in its server: Bun 1.4.5 does, Deno 2.9.6 does not. A failure here after an
 * upgrade is news: change `runtime/http3.ts`, docs/runtimes.md and this file.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRuntime } from "../../src/runtime/current.ts";
import { ListenError } from "../../src/runtime/network.ts";
import { CERTIFICATE, PRIVATE_KEY } from "./certificate.ts";
import { onBun } from "./support.ts";

const IDENTITIES = [{ cert: CERTIFICATE, key: PRIVATE_KEY, serverName: "" }];
const WHERE = { transport: "tcp", host: "127.0.0.1" } as const;

/** As Bun's client asks; no other one is at hand. */
async function ask(port: number, path: string, init: Record<string, unknown> = {}) {
  const options = { protocol: "http3", tls: { rejectUnauthorized: false }, ...init };
  return await fetch(`https://127.0.0.1:${port}${path}`, options as RequestInit);
}

/** A free UDP port is none that somebody uses over TCP. */
function freePort(): number {
  return 20_000 + Math.floor(Math.random() * 20_000);
}

test("Bun has HTTP/3, Deno has not", () => {
  assert.equal(currentRuntime().listenHttp3 !== undefined, onBun);
  if (onBun) return;
  const deno = (globalThis as unknown as { Deno: Record<string, unknown> }).Deno;
  const names = Object.keys(deno).filter((name) => /http3|^h3/i.test(name));
  assert.deepEqual(names, [], "there is something new");
});

test("A request over HTTP/3 reaches its handler, body, client and all", async () => {
  const listen = currentRuntime().listenHttp3;
  if (listen === undefined) return;
  const port = freePort();
  const listener = listen({
    address: { ...WHERE, port },
    identities: IDENTITIES,
    idleMs: 10_000,
    handler: async (request, { host, protocol, tls }) =>
      new Response(
        [request.method, new URL(request.url).pathname, host, protocol, tls?.version]
          .concat(String((await request.text()).length)).join(" "),
      ),
  });
  const response = await ask(port, "/a", { method: "POST", body: "x".repeat(100_000) });
  assert.equal(await response.text(), "POST /a 127.0.0.1 HTTP/3.0 TLSv1.3 100000");
  listener.destroy();
});

test("A second listener takes the port over, and the first ends what it has", async () => {
  const listen = currentRuntime().listenHttp3;
  if (listen === undefined) return;
  const address = { ...WHERE, port: freePort() };
  const { promise, resolve } = Promise.withResolvers<Response>();
  const { promise: asked, resolve: arrived } = Promise.withResolvers<void>();
  const options = { address, identities: IDENTITIES, idleMs: 10_000 };
  const first = listen({
    ...options,
    handler: () => {
      arrived();
      return promise;
    },
  });
  const waiting = ask(address.port, "/");
  await asked;
  const second = listen({ ...options, handler: () => new Response("second") });
  const stopped = first.stop();
  resolve(new Response("first"));
  assert.equal(await (await waiting).text(), "first");
  await stopped;
  second.destroy();
});

test("A port that cannot be had is an error that says so", () => {
  const listen = currentRuntime().listenHttp3;
  if (listen === undefined) return;
  const address = { transport: "tcp", host: "192.0.2.1", port: freePort() } as const;
  assert.throws(
    () => listen({ address, identities: IDENTITIES, idleMs: 1000, handler: () => new Response() }),
    ListenError,
  );
});
