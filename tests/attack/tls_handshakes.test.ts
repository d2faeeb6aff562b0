/**
 * Clients that begin TLS and do not go on, each in another way; and those that begin something else.
 * All of them are ended in time, counted by what they did, and in nobody's way.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { ListenOptions } from "../../src/app/options.ts";
import { CONNECTION_TIMEOUTS } from "../../src/http1/server.ts";
import { CERTIFICATE, PRIVATE_KEY } from "../runtime/certificate.ts";
import { freshPath, type Gateway, LISTEN, LOOPBACK, withGateway } from "../support/gateway.ts";
import { httpRequest } from "../support/raw_http.ts";

/** Time for a handshake where some of them never end: others need theirs beside them. */
const HANDSHAKE_MS = 3_000;
/** Clients that never finish. */
const STALLED = 1_000;
const RESPOND = [{
  path: undefined,
  methods: undefined,
  handler: { kind: "respond", status: 200, body: "ok" },
}] as const;

/** How a record begins that holds a ClientHello of 512 bytes. */
const HELLO_BEGINNING = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc);

function tlsListener(): ListenOptions {
  const directory = freshPath();
  mkdirSync(directory);
  const [cert, key] = [join(directory, "tls.crt"), join(directory, "tls.key")];
  writeFileSync(cert, CERTIFICATE);
  writeFileSync(key, PRIVATE_KEY);
  return { address: LOOPBACK, tls: { pair: { cert, key } } };
}

interface World extends Gateway {
  readonly tlsPort: number;
}

/** A gateway with a plain listener, the first, and one with TLS. */
async function withListeners(
  use: (world: World) => Promise<void>,
  httpTimeouts = CONNECTION_TIMEOUTS,
): Promise<void> {
  await withGateway({
    listen: [LISTEN, tlsListener()],
    routes: RESPOND,
    httpTimeouts,
    admin: true,
  }, async (gateway) => {
    const address = gateway.app.addresses[1];
    assert.ok(address?.transport === "tcp");
    await use({ ...gateway, tlsPort: address.port });
  });
}

/** A TCP client, what it was told, and when it was ended. */
class Client {
  readonly socket: Socket;
  readonly begun: Promise<void>;
  readonly ended: Promise<void>;
  text = "";

  constructor(port: number, begin: (socket: Socket) => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.begun = promise;
    this.socket = connect(port, "127.0.0.1", () => {
      begin(this.socket);
      resolve();
    });
    this.ended = new Promise((resolve) => this.socket.on("close", () => resolve()));
    this.socket.on("error", () => {});
    this.socket.on("data", (bytes: Uint8Array) => this.text += new TextDecoder().decode(bytes));
  }
}

/** A ClientHello as a client writes it. */
function clientHello(): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let listener: { close(): void } | undefined;
    import("node:net").then(({ createServer }) => {
      const server = createServer((socket) =>
        socket.once("data", (bytes: Uint8Array) => {
          resolve(bytes);
          socket.destroy();
          listener?.close();
        })
      );
      listener = server;
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as { port: number };
        connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false }).on("error", () => {});
      });
    }, reject);
  });
}

function overTls(port: number, protocols?: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connectTls({
      port,
      host: "127.0.0.1",
      servername: "localhost",
      ca: CERTIFICATE,
      ...(protocols && { ALPNProtocols: protocols }),
    });
    socket.on("error", reject);
    socket.on("secureConnect", () => {
      text = `${socket.alpnProtocol || "none"} `;
      socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    });
    socket.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
    socket.on("close", () => resolve(text));
  });
}

async function failures({ admin }: Gateway): Promise<Record<string, number>> {
  const metrics = (await admin("/metrics")).body.toString();
  const found = metrics.matchAll(/^afcgi_tls_handshakes_failed_total\{reason="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, reason, count]) => [reason, Number(count)]));
}

test("1,000 handshakes that never end are ended in time, and others are served beside them", async () => {
  const hello = await clientHello();
  await withListeners(async (world) => {
    const startedMs = performance.now();
    const drips = new Set<ReturnType<typeof setInterval>>();
    const ways: ((socket: Socket) => void)[] = [
      () => {},
      (socket) => socket.write(HELLO_BEGINNING.subarray(0, 1)),
      (socket) => socket.write(HELLO_BEGINNING),
      (socket) => {
        socket.write(HELLO_BEGINNING);
        drips.add(setInterval(() => socket.write(Uint8Array.of(0)), HANDSHAKE_MS / 20));
      },
      // It reads what the server says, and says nothing back.
      (socket) => socket.write(hello),
    ];
    const clients = Array.from(
      { length: STALLED },
      (_, index) => new Client(world.tlsPort, ways[index % ways.length]!),
    );
    // An honest client has no more time than they: it comes when this process has begun them all.
    await Promise.all(clients.map(({ begun }) => begun));
    assert.equal((await httpRequest(world.port, {})).body.toString(), "ok");
    assert.match(await overTls(world.tlsPort), /\r\n\r\nok$/);
    await Promise.all(clients.map(({ ended }) => ended));
    const tookMs = performance.now() - startedMs;
    for (const drip of drips) clearInterval(drip);
    assert.ok(tookMs >= HANDSHAKE_MS, "they had their time");
    assert.ok(tookMs < HANDSHAKE_MS + 10_000, `${tookMs} ms`);
    assert.match(await overTls(world.tlsPort), /\r\n\r\nok$/);
    assert.deepEqual(await failures(world), { timeout: STALLED });
    const lines = world.log.lines.filter(({ code }) => code === "tls_handshake_failed");
    assert.ok(lines.length >= 1 && lines.length <= 3, `${lines.length} lines`);
    assert.equal(lines[0]?.["reason"], "timeout");
  }, { ...CONNECTION_TIMEOUTS, handshakeMs: HANDSHAKE_MS });
});

test("HTTP on a port of TLS is told so, however it is cut, and is no request", async () => {
  await withListeners(async (world) => {
    for (const request of ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.0\r\n\r\n"]) {
      const client = new Client(world.tlsPort, (socket) => socket.write(request));
      await client.ended;
      assert.match(client.text, /^HTTP\/1\.1 400 Bad Request\r\n[^]*https:/);
    }
    assert.deepEqual(await failures(world), { plain_http: 2 });
    assert.deepEqual(world.access.lines, []);
  });
});

test("What is neither TLS nor HTTP is ended without a word", async () => {
  await withListeners(async (world) => {
    const garbage = [
      Uint8Array.of(0x80, 0x2e, 1, 3, 1),
      Uint8Array.of(0),
      new TextEncoder().encode("SSH-2.0-x\r\n"),
      new Uint8Array(100_000).fill(0xff),
    ];
    for (const bytes of garbage) {
      const client = new Client(world.tlsPort, (socket) => socket.write(bytes));
      await client.ended;
      assert.equal(client.text, "");
    }
    assert.deepEqual(await failures(world), { not_tls: garbage.length });
  });
});

test("A record that begins like a handshake and is none fails by itself", async () => {
  await withListeners(async (world) => {
    const bytes = Uint8Array.of(0x16, 3, 1, 0, 5, 9, 9, 9, 9, 9);
    await new Client(world.tlsPort, (socket) => socket.write(bytes)).ended;
    assert.deepEqual(await failures(world), { malformed: 1 });
    assert.match(await overTls(world.tlsPort), /\r\n\r\nok$/);
  });
});

test("A client that leaves in its handshake is gone at once", async () => {
  await withListeners(async (world) => {
    const client = new Client(world.tlsPort, (socket) => socket.end());
    await client.ended;
    assert.deepEqual(await failures(world), { client_left: 1 });
  });
});

test("A client speaks what was agreed on: of what it offers, HTTP/2 first, and HTTP/1.1 unasked", async () => {
  await withListeners(async ({ tlsPort }) => {
    assert.match(await overTls(tlsPort, ["http/1.1"]), /^http\/1\.1 HTTP\/1\.1 200 /);
    assert.match(await overTls(tlsPort), /^none HTTP\/1\.1 200 /);
    // It sends a request of HTTP/1 although it was told otherwise.
    for (const offered of [["h2", "http/1.1"], ["http/1.1", "h2"], ["h2"]]) {
      const said = await overTls(tlsPort, offered);
      assert.match(said, /^h2 /);
      assert.match(said, /preface is not that of HTTP\/2/);
    }
    await assert.rejects(overTls(tlsPort, ["spdy/3"]));
  });
});
