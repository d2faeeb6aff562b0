/** Sockets with callbacks, on the runtime that runs this, with real clients. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { createConnection, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Address } from "../../src/runtime/address.ts";
import type {
  AcceptedSocket,
  SocketEvents,
  SocketTlsOptions,
} from "../../src/runtime/callback_socket.ts";
import type { TlsFiles } from "../../src/runtime/connection.ts";
import { CERTIFICATE, PRIVATE_KEY } from "./certificate.ts";
import { freshAddress, LOOPBACK, onBun, patternBytes, runtime } from "./support.ts";

const IDENTITY: TlsFiles = { cert: CERTIFICATE, key: PRIVATE_KEY };
const TLS: SocketTlsOptions = {
  identify: () => IDENTITY,
  protocols: ["http/1.1"],
  handshakeTimeoutMs: 20_000,
};
const LENGTH = 32 * 1024 * 1024;

/** What a server sees of one client. */
class Seen implements SocketEvents {
  readonly socket: AcceptedSocket;
  length = 0;
  hash = 0;
  onReceived: (bytes: Uint8Array) => void = () => {};
  readonly #happened = new Map<string, PromiseWithResolvers<void>>();

  constructor(socket: AcceptedSocket) {
    this.socket = socket;
  }

  received(bytes: Uint8Array): void {
    this.length += bytes.length;
    this.hash = hashOf(bytes, this.hash);
    this.onReceived(bytes);
  }

  drained(): void {
    this.#when("drained").resolve();
  }

  peerEnded(): void {
    this.#when("peerEnded").resolve();
  }

  closed(): void {
    this.#when("closed").resolve();
  }

  when(what: "drained" | "peerEnded" | "closed"): Promise<void> {
    return this.#when(what).promise;
  }

  #when(what: string): PromiseWithResolvers<void> {
    const known = this.#happened.get(what) ?? Promise.withResolvers<void>();
    this.#happened.set(what, known);
    return known;
  }
}

function hashOf(bytes: Uint8Array, before = 0): number {
  let hash = before;
  for (let index = 0; index < bytes.length; index++) hash = (hash * 31 + bytes[index]!) | 0;
  return hash;
}

/** What a client gets until the end, and how that came. */
class Client {
  readonly socket: Socket;
  length = 0;
  hash = 0;
  text = "";
  readonly ended: Promise<"end" | "reset">;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Uint8Array) => {
      this.length += bytes.length;
      this.hash = hashOf(bytes, this.hash);
      if (bytes.length < 100) this.text += new TextDecoder().decode(bytes);
    });
    socket.on("end", () => socket.end());
    let how: "end" | "reset" = "end";
    socket.on("error", () => how = "reset");
    this.ended = new Promise((resolve) => socket.on("close", () => resolve(how)));
  }
}

interface Pair {
  readonly client: Client;
  readonly seen: Seen;
}

/** A client and what the server sees of it; TLS where there are files. */
async function withPair(
  { address = LOOPBACK, tls }: { readonly address?: Address; readonly tls?: SocketTlsOptions },
  use: (pair: Pair) => Promise<void>,
): Promise<void> {
  const accepted = Promise.withResolvers<Seen>();
  const listener = await runtime.listenSockets({
    address,
    ...(tls && { tls }),
    onSocket(socket) {
      const seen = new Seen(socket);
      accepted.resolve(seen);
      return seen;
    },
  });
  const client = new Client(open(listener.address, tls));
  try {
    await use({ client, seen: await accepted.promise });
  } finally {
    client.socket.destroy();
    (await accepted.promise).socket.reset();
    listener.close();
  }
}

function open(address: Address, tls: SocketTlsOptions | undefined): Socket {
  if (address.transport === "unix") {
    return createConnection({ path: address.path, allowHalfOpen: true });
  }
  const { host, port } = address;
  return tls === undefined
    ? createConnection({ host, port, allowHalfOpen: true })
    : connectTls({ host, port, ca: IDENTITY.cert, servername: "localhost" });
}

const KINDS: Readonly<
  Record<string, () => { readonly address?: Address; readonly tls?: SocketTlsOptions }>
> = {
  tcp: () => ({}),
  ipv6: () => ({ address: { transport: "tcp", host: "::1", port: 0 } }),
  unix: () => ({ address: freshAddress("unix") }),
  tls: () => ({ tls: TLS }),
};

for (const [kind, options] of Object.entries(KINDS)) {
  test(`What is written arrives in order, also what the system does not take (${kind})`, async () => {
    await withPair(options(), async ({ client, seen }) => {
      const { socket } = seen;
      client.socket.write("x");
      await new Promise<void>((resolve) => seen.onReceived = () => resolve());
      const bytes = patternBytes(LENGTH);
      const lent = new Uint8Array(100).fill(1);
      client.socket.pause();
      const isTaken = [socket.writeLent(lent, 50), socket.write(bytes)];
      isTaken.push(socket.writeLent(lent, 100));
      lent.fill(2);
      assert.deepEqual(isTaken, [true, false, false]);
      assert.ok(socket.unsentLength > 0);
      client.socket.resume();
      await seen.when("drained");
      socket.end();
      assert.equal(await client.ended, "end");
      await seen.when("closed");
      assert.equal(socket.unsentLength, 0);
      assert.equal(client.length, 150 + LENGTH);
      const first = hashOf(new Uint8Array(50).fill(1));
      assert.equal(client.hash, hashOf(new Uint8Array(100).fill(1), hashOf(bytes, first)));
    });
  });

  test(`What may wait for more arrives in order, also what the system does not take (${kind})`, async () => {
    await withPair(options(), async ({ client, seen }) => {
      const { socket } = seen;
      client.socket.write("x");
      await new Promise<void>((resolve) => seen.onReceived = () => resolve());
      client.socket.pause();
      const piece = new Uint8Array(100_001);
      let sent = 0;
      let hash = 0;
      // Some come after the first that was not taken whole.
      for (let after = 0; after < 3;) {
        piece.fill(sent++);
        hash = hashOf(piece.subarray(0, 100_000), hash);
        if (!socket.writeAhead(piece, 100_000)) after++;
      }
      client.socket.resume();
      await seen.when("drained");
      socket.end();
      assert.equal(await client.ended, "end");
      assert.deepEqual([client.length, client.hash], [sent * 100_000, hash]);
    });
  });

  test(`What comes in arrives whole, and a pause stops its sender (${kind})`, async () => {
    await withPair(options(), async ({ client, seen }) => {
      seen.socket.pause();
      const bytes = patternBytes(LENGTH);
      let isTaken = false;
      client.socket.write(bytes, () => isTaken = true);
      for (let last = -1, still = 0; still < 20;) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        still = seen.length === last ? still + 1 : 0;
        last = seen.length;
      }
      assert.ok(seen.length <= 1024 * 1024, `${seen.length} bytes came to a paused socket`);
      assert.equal(isTaken, false);
      const all = new Promise<void>((resolve) => {
        seen.onReceived = () => void (seen.length === LENGTH && resolve());
      });
      seen.socket.resume();
      await all;
      assert.equal(seen.hash, hashOf(bytes));
    });
  });

  test(`An end is told to the peer behind all that was written (${kind})`, async () => {
    await withPair(options(), async ({ client, seen }) => {
      client.socket.write("x");
      await new Promise<void>((resolve) => seen.onReceived = () => resolve());
      seen.socket.write(new Uint8Array(LENGTH));
      seen.socket.end();
      assert.equal(await client.ended, "end");
      assert.equal(client.length, LENGTH);
      await seen.when("closed");
      assert.equal(seen.socket.unsentLength, 0);
      assert.equal(seen.socket.write(new Uint8Array(1)), false);
      seen.socket.destroy();
      seen.socket.reset();
      seen.socket.end();
      seen.socket.pause();
      seen.socket.resume();
    });
  });
}

for (const kind of ["tcp", "tls"] as const) {
  test(`Destroying looks regular to the peer, a reset does not (${kind})`, async () => {
    for (const [how, expected] of [["destroy", "end"], ["reset", "reset"]] as const) {
      await withPair(KINDS[kind]!(), async ({ client, seen }) => {
        client.socket.write("x");
        await new Promise<void>((resolve) => seen.onReceived = () => resolve());
        seen.socket[how]();
        // Over TLS a client of Deno's server can only miss the regular good-bye.
        const isSeen = kind === "tcp" || onBun;
        assert.equal(await client.ended, isSeen ? expected : "end", how);
        await seen.when("closed");
      });
    }
  });
}

test("A peer that has said all still gets a response", async () => {
  await withPair({}, async ({ client, seen }) => {
    client.socket.end("question");
    await seen.when("peerEnded");
    seen.socket.write(new Uint8Array(LENGTH));
    seen.socket.end();
    assert.equal(await client.ended, "end");
    assert.equal(client.length, LENGTH);
    await seen.when("closed");
  });
});

test("A peer that breaks its connection is told as closed", async () => {
  await withPair({}, async ({ client, seen }) => {
    client.socket.resetAndDestroy();
    await seen.when("closed");
  });
});

test("The address of a peer is known, over a unix socket there is none", async () => {
  await withPair({}, async ({ client, seen }) => {
    client.socket.write("x");
    await new Promise<void>((resolve) => seen.onReceived = () => resolve());
    assert.deepEqual([seen.socket.host, seen.socket.port], ["127.0.0.1", client.socket.localPort]);
  });
  await withPair({ address: freshAddress("unix") }, async ({ seen }) => {
    assert.deepEqual([seen.socket.host, seen.socket.port], ["", 0]);
    await Promise.resolve();
  });
});

test("Plain text sent to a TLS port ends the connection without a word of ours", async () => {
  const seen: Seen[] = [];
  const listener = await runtime.listenSockets({
    address: LOOPBACK,
    tls: TLS,
    onSocket: (socket) => seen[seen.push(new Seen(socket)) - 1]!,
  });
  const client = new Client(open(listener.address, undefined));
  client.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.ended;
  assert.doesNotMatch(client.text, /HTTP/);
  assert.equal(seen.reduce((sum, { length }) => sum + length, 0), 0);
  await Promise.all(seen.map((one) => one.when("closed")));
  listener.close();
});
