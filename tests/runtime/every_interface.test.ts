/** `:8080`: clients of both families are taken by every kind of listener, and have their own address. */
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { test } from "node:test";
import { parseAddress, type TcpAddress } from "../../src/runtime/address.ts";
import { listenEverywhere } from "../../src/runtime/every_interface.ts";
import type { AcceptedSocket, SocketEvents } from "../../src/runtime/callback_socket.ts";
import type { ByteListener } from "../../src/runtime/listener.ts";
import { ListenError } from "../../src/runtime/network.ts";
import { withConfig } from "../support/configured.ts";
import { echoParameters } from "../support/gateway.ts";
import { CERTIFICATE, PRIVATE_KEY } from "./certificate.ts";
import { runtime } from "./support.ts";

const EVERY = parseAddress(":0", { anyHost: true }) as TcpAddress;
const IDENTITY = { cert: CERTIFICATE, key: PRIVATE_KEY };
const IGNORED: SocketEvents = { received() {}, drained() {}, peerEnded() {}, closed() {} };

/** Whether this machine has IPv6 at all. */
const hasIpv6 = await new Promise<boolean>((resolve) => {
  const server = createServer().once("error", () => resolve(false));
  server.listen({ host: "::1", port: 0 }, () => server.close(() => resolve(true)));
});

type Seen = (host: string) => void;

const tls = { identify: () => IDENTITY, handshakeTimeoutMs: 20_000 };
const listenSockets = (seen: Seen, more: object) =>
  runtime.listenSockets({
    address: EVERY,
    ...more,
    onSocket: (socket: AcceptedSocket) => {
      seen(socket.host);
      socket.destroy();
      return IGNORED;
    },
  });

const KINDS: Readonly<Record<string, (seen: Seen) => Promise<ByteListener>>> = {
  "connections, as a responder's": (seen) =>
    runtime.listen(EVERY, (connection) => {
      seen(connection.remote.replace(/^tcp:\/\/(.*):\d+$/, "$1"));
      connection.destroy();
    }),
  "sockets, as HTTP's and the admin's": (seen) => listenSockets(seen, {}),
  "sockets with TLS": (seen) => listenSockets(seen, { tls: { ...tls, protocols: [] } }),
  "streams with TLS, as Gemini's": (seen) =>
    runtime.tls.listen({
      ...tls,
      address: EVERY,
      versionMin: "1.2",
      admit: () => true,
      onGone() {},
      onHandshakeFailed() {},
      onConnection: (connection) => {
        seen(connection.peer.host);
        connection.destroy();
      },
    }),
};

for (const [name, listen] of Object.entries(KINDS)) {
  test(`Clients of both families are told by their own address: ${name}`, async () => {
    let seen = Promise.withResolvers<string>();
    const listener = await listen((host) => seen.resolve(host));
    const { port } = listener.address as TcpAddress;
    for (const host of hasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]) {
      seen = Promise.withResolvers();
      const client = name.includes("TLS")
        ? connectTls({ host, port, rejectUnauthorized: false })
        : connect({ host, port });
      client.on("error", (error) => seen.reject(error));
      assert.equal((await seen.promise).replace(/^\[(.*)\]$/, "$1"), host);
      client.destroy();
    }
    listener.close();
  });
}

test("An application and a rule meet the IPv4 address of a client", async () => {
  const text = `
upstreams: { app: { servers: ["\${env.APP}"], multiplex: "on" } }
sites:
  - routes:
      - { path: /in, ip_restriction: { allow: [127.0.0.1] }, respond: { body: in } }
      - fastcgi: { upstream: app }
`;
  const listen = [{ address: EVERY, tls: undefined }];
  await withConfig({ text, application: echoParameters, listen }, async (gateway) => {
    assert.equal((await gateway.send("/in")).status, 200);
    const sent = JSON.parse((await gateway.send("/")).body.toString());
    assert.deepEqual([sent.REMOTE_ADDR, sent.SERVER_NAME], ["127.0.0.1", "test.example"]);
  });
});

const failure = (code?: string) =>
  new ListenError("no", { cause: Object.assign(new Error("no"), code && { code }) });

test("Where there is no IPv6 it listens on IPv4 alone", async () => {
  // Bun 1.4.5 tells no code of a socket that cannot be made.
  for (const code of ["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL", undefined]) {
    const tried: string[] = [];
    await listenEverywhere({ address: EVERY }, ({ host }) => {
      tried.push(host);
      return host === "::" ? Promise.reject(failure(code)) : Promise.resolve();
    });
    assert.deepEqual(tried, ["::", "0.0.0.0"], String(code));
  }
  const isIpv6Alone = () => true;
  const open = ({ host }: TcpAddress) => Promise.resolve(host);
  assert.equal(await listenEverywhere({ address: EVERY, isIpv6Alone }, open), "0.0.0.0");
});

test("A port that is taken is no reason for half of the interfaces, nor is an address of one", async () => {
  const fail = (code: string) => ({ host }: TcpAddress) =>
    Promise.reject(host === "0.0.0.0" ? new Error("tried") : failure(code));
  for (const code of ["EADDRINUSE", "EACCES", "EMFILE"]) {
    await assert.rejects(listenEverywhere({ address: EVERY }, fail(code)), /^ListenError: no$/);
  }
  const one = { ...EVERY, host: "::1" };
  await assert.rejects(listenEverywhere({ address: one }, fail("EAFNOSUPPORT")), /: no$/);
  const taken = await runtime.listen({ ...EVERY, host: "0.0.0.0" }, () => {});
  await assert.rejects(runtime.listen({ ...taken.address, host: "::" } as TcpAddress, () => {}));
  taken.close();
});
