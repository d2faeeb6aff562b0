/** TLS on the runtime that the tests run on, with real sockets. */
import assert from "node:assert/strict";
import { connect as connectPlain, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { test } from "node:test";
import type { TcpAddress } from "../../src/runtime/address.ts";
import type { HttpPeer } from "../../src/runtime/connection.ts";
import {
  type TlsConnection,
  TlsError,
  type TlsListener,
  type TlsListenOptions,
} from "../../src/runtime/tls.ts";
import { missingPeer } from "../support/peers.ts";
import { selfSigned, signedBy } from "../support/certificates.ts";
import { rawTls } from "../support/raw_tls.ts";
import { decode, encode, runtime } from "./support.ts";
import { until } from "../support/idle.ts";

const skip = missingPeer("openssl");
const LOOPBACK: TcpAddress = { transport: "tcp", host: "127.0.0.1", port: 0 };

const certificates = skip === false
  ? { a: selfSigned("/CN=a.test"), b: selfSigned("/CN=b.test") }
  : undefined;

interface Server {
  readonly listener: TlsListener;
  readonly port: number;
  readonly failures: string[];
  readonly admitted: HttpPeer[];
  readonly gone: HttpPeer[];
  next(): Promise<TlsConnection>;
}

/** A listener for a.test and b.test whose connections a test takes one by one. */
async function listen(options: Partial<TlsListenOptions> = {}): Promise<Server> {
  const connections: TlsConnection[] = [];
  const waiting: ((connection: TlsConnection) => void)[] = [];
  const failures: string[] = [];
  const admitted: HttpPeer[] = [];
  const gone: HttpPeer[] = [];
  const { a, b } = certificates!;
  const listener = await runtime.tls.listen({
    address: LOOPBACK,
    versionMin: "1.2",
    identify: (name) => name === "" || name === "a.test" ? a : name === "b.test" ? b : undefined,
    handshakeTimeoutMs: 20_000,
    admit: (peer) => admitted.push(peer) > 0,
    onGone: (peer) => void gone.push(peer),
    onHandshakeFailed: (_, reason) => void failures.push(reason),
    onConnection: (connection) => {
      const take = waiting.shift();
      if (take === undefined) connections.push(connection);
      else take(connection);
    },
    ...options,
  });
  const next = async () =>
    connections.shift() ?? await new Promise<TlsConnection>((resolve) => waiting.push(resolve));
  return { listener, port: listener.address.port, failures, admitted, gone, next };
}

function dial(port: number, options: Record<string, unknown> = {}): TLSSocket {
  const socket = connect({
    port,
    host: "127.0.0.1",
    servername: "a.test",
    rejectUnauthorized: false,
    ...options,
  });
  socket.on("error", () => {});
  socket.resume();
  return socket;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => void socket.once("close", () => resolve()));
}

async function readText(connection: TlsConnection): Promise<string> {
  const { value } = await connection.readable.getReader().read();
  return decode(value ?? new Uint8Array());
}

test("The name that a client asks for picks the certificate and is told", { skip }, async () => {
  const server = await listen();
  for (const name of ["a", "b"] as const) {
    const client = await runtime.tls.connect(server.listener.address, {
      serverName: `${name}.test`,
    });
    const connection = await server.next();
    assert.equal(connection.serverName, `${name}.test`);
    assert.equal(client.certificate?.subject, `/CN=${name}.test`);
    client.destroy();
    connection.destroy();
  }
  server.listener.close();
});

test("A client that asks for no name gets the first certificate", { skip }, async () => {
  const server = await listen();
  const client = await runtime.tls.connect(server.listener.address);
  const connection = await server.next();
  assert.equal(connection.serverName, undefined);
  assert.equal(client.certificate?.subject, "/CN=a.test");
  assert.equal(connection.certificate, undefined);
  assert.equal(connection.peer.host, "127.0.0.1");
  assert.deepEqual(server.admitted, [connection.peer]);
  client.destroy();
  connection.destroy();
  server.listener.close();
});

test("A name that nobody has fails the handshake", { skip }, async () => {
  const server = await listen();
  const client = dial(server.port, { servername: "c.test" });
  await closed(client);
  assert.equal(server.failures.length, 1);
  server.listener.close();
});

test("Versions below the oldest are refused, the others are told", { skip }, async () => {
  const server = await listen({ versionMin: "1.3" });
  const refused = await rawTls(server.port, "", ["-tls1_2"]);
  assert.deepEqual(refused, { text: "", ended: false });
  assert.equal(server.failures.length, 1);
  const client = dial(server.port);
  const connection = await server.next();
  assert.equal(connection.version, "TLSv1.3");
  assert.match(connection.cipher, /^TLS_/);
  connection.destroy();
  client.destroy();
  server.listener.close();
  const old = await listen();
  const second = dial(old.port, { maxVersion: "TLSv1.2" });
  const secondConnection = await old.next();
  assert.equal(secondConnection.version, "TLSv1.2");
  secondConnection.destroy();
  second.destroy();
  old.listener.close();
});

test("A client's certificate is told, whoever signed it", { skip }, async () => {
  const server = await listen();
  const authority = selfSigned("/CN=Test Authority");
  const alice = signedBy(authority, "/CN=Alice/O=Wonderland, Ltd");
  const client = dial(server.port, { cert: alice.cert, key: alice.key });
  const { certificate, ...connection } = await server.next();
  assert.equal(certificate?.subject, "/CN=Alice/O=Wonderland, Ltd");
  assert.equal(certificate?.issuer, "/CN=Test Authority");
  assert.equal(certificate?.serial, "1234");
  assert.match(certificate?.sha256 ?? "", /^[0-9a-f]{64}$/);
  assert.equal(certificate!.notAfterMs - certificate!.notBeforeMs, 2 * 86_400_000);
  const [issuer] = runtime.tls.readCertificates(authority.cert);
  assert.ok(issuer?.hasIssued(certificate!));
  assert.ok(!runtime.tls.readCertificates(certificates!.a.cert)[0]?.hasIssued(certificate!));
  void connection;
  client.destroy();
  server.listener.close();
});

test("Certificates that are none are refused", { skip }, () => {
  assert.deepEqual(runtime.tls.readCertificates("nothing"), []);
  const { a, b } = certificates!;
  runtime.tls.checkIdentity(a);
  assert.throws(() => runtime.tls.checkIdentity({ cert: a.cert, key: b.key }), TlsError);
  assert.throws(() => runtime.tls.checkIdentity({ cert: "nothing", key: a.key }), TlsError);
});

test("Closing ends with close_notify, destroying without, on both versions", { skip }, async () => {
  const server = await listen();
  for (const version of ["-tls1_2", "-tls1_3"]) {
    for (const ending of ["close", "destroy"] as const) {
      const response = rawTls(server.port, "hello\r\n", [version, "-servername", "a.test"]);
      const connection = await server.next();
      assert.equal(await readText(connection), "hello\r\n");
      const writer = connection.writable.getWriter();
      await writer.write(encode("response"));
      if (ending === "close") await writer.close();
      else connection.destroy();
      const { text, ended } = await response;
      assert.equal(text, "response");
      assert.equal(ended, ending === "close", `${version} ${ending}`);
      connection.destroy();
    }
  }
  server.listener.close();
});

test("A client's own close_notify ends reading and leaves writing", { skip }, async () => {
  const server = await listen();
  const client = dial(server.port, { allowHalfOpen: true });
  const received: string[] = [];
  client.on("data", (bytes: Uint8Array) => received.push(decode(bytes)));
  client.end("hello");
  const connection = await server.next();
  const reader = connection.readable.getReader();
  assert.equal(decode((await reader.read()).value!), "hello");
  assert.equal((await reader.read()).done, true);
  const writer = connection.writable.getWriter();
  await writer.write(encode("response"));
  await writer.close();
  await closed(client);
  assert.equal(received.join(""), "response");
  server.listener.close();
});

test("A write waits for a client that does not read", { skip }, async () => {
  const server = await listen();
  const client = dial(server.port);
  // The runtime's own client reads ahead; a paused TCP socket does not.
  const connection = await server.next();
  (client as unknown as Socket).pause();
  const writer = connection.writable.getWriter();
  const piece = new Uint8Array(1024 * 1024);
  let written = 0;
  const writing = (async () => {
    for (; written < 64; written++) await writer.write(piece);
  })();
  let received = 0;
  client.on("data", (bytes: Uint8Array) => received += bytes.length);
  client.resume();
  await writing;
  await writer.close();
  await closed(client);
  assert.equal(received, 64 * piece.length);
  server.listener.close();
});

test("A plain TCP client is cut, and told as a failed handshake", { skip }, async () => {
  const server = await listen();
  const client = connectPlain(server.port, "127.0.0.1");
  client.on("error", () => {});
  client.resume();
  client.write("gemini://a.test/\r\n");
  await closed(client);
  assert.equal(server.failures.length, 1);
  assert.equal(server.gone.length, 1);
  server.listener.close();
});

test("A handshake that does not go on is cut after its time", { skip }, async () => {
  const server = await listen({ handshakeTimeoutMs: 50 });
  const client = connectPlain(server.port, "127.0.0.1");
  client.on("error", () => {});
  client.resume();
  await closed(client);
  assert.equal(server.failures[0], "It was not done in time");
  assert.equal(server.gone.length, 1);
  server.listener.close();
});

test("A client that is not admitted is cut before its handshake", { skip }, async () => {
  const server = await listen({ admit: () => false });
  const client = dial(server.port);
  await closed(client);
  assert.deepEqual(server.gone, []);
  server.listener.close();
});

test("A listener that is closed cuts handshakes and leaves connections", { skip }, async () => {
  const server = await listen();
  const silent = connectPlain(server.port, "127.0.0.1");
  silent.on("error", () => {});
  silent.resume();
  const client = dial(server.port);
  const connection = await server.next();
  await until(() => server.admitted.length === 2, "both connections");
  server.listener.close();
  await closed(silent);
  const writer = connection.writable.getWriter();
  await writer.write(encode("still here"));
  await writer.close();
  await closed(client);
});

test("A connect to nobody, and one that is given up, reject", { skip }, async () => {
  const server = await listen();
  server.listener.close();
  await assert.rejects(runtime.tls.connect(server.listener.address), /Cannot connect/);
  const gone = AbortSignal.abort();
  await assert.rejects(runtime.tls.connect(LOOPBACK, { signal: gone }), /given up/);
});
