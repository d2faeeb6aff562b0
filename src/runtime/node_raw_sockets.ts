/**
 * `node:net` (`node:tls`) as a listener of raw sockets: what Deno uses, whose own sockets take twice
 * as much time for small pieces (measured: 12 against 15 to 17 µs for a request and its answer).
 */
import type { Server, Socket } from "node:net";
import { type Address, formatAddress } from "./address.ts";
import { listenError } from "./failures.ts";
import { peerHost } from "./peer.ts";
import type { AcceptedSocket, RawListenOptions, RawSocketEvents } from "./raw_socket.ts";
import { type ByteListener, ListenError } from "./runtime.ts";
import { removeSocketFile } from "./unix_path.ts";

/**
 * Most bytes that `node:net` is given at a time: it tells only when all of them are taken, and a slow
 * client is to be seen to take some.
 */
const WRITE_LENGTH_MAX = 256 * 1024;

class NodeRawSocket implements AcceptedSocket {
  readonly host: string;
  readonly port: number;
  readonly #socket: Socket;
  readonly #events: RawSocketEvents;
  /** What `node:net` was not given yet. */
  #waiting: Uint8Array[] = [];
  #waitingLength = 0;
  /** Whether `node:net` wants to be asked again before it gets more. */
  #isFull = false;
  #isEnding = false;

  constructor(socket: Socket, onSocket: RawListenOptions["onSocket"]) {
    this.#socket = socket;
    const { remoteAddress, remotePort } = socket;
    const hasAddress = remoteAddress !== undefined && remotePort !== undefined;
    this.host = hasAddress ? peerHost(remoteAddress) : "";
    this.port = hasAddress ? remotePort : 0;
    this.#events = onSocket(this);
    socket.setNoDelay(true);
    socket.on("data", (bytes: Uint8Array) => this.#events.received(bytes));
    socket.on("drain", () => this.#drain());
    socket.on("end", () => this.#events.peerEnded());
    // What it says, "close" says as well.
    socket.on("error", () => {});
    socket.on("close", () => this.#events.closed());
  }

  get isBroken(): boolean {
    return this.#socket.errored !== null;
  }

  get unsentLength(): number {
    return this.#socket.destroyed ? 0 : this.#waitingLength + this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#isFull && bytes.length <= WRITE_LENGTH_MAX) return this.#give(bytes);
    this.#waiting.push(bytes);
    this.#waitingLength += bytes.length;
    if (!this.#isFull) this.#giveWaiting();
    return !this.#isFull;
  }

  writeLent(bytes: Uint8Array, length: number): boolean {
    return this.write(bytes.slice(0, length));
  }

  writeAhead(bytes: Uint8Array, length: number): boolean {
    return this.writeLent(bytes, length);
  }

  #give(bytes: Uint8Array): boolean {
    this.#isFull = !this.#socket.write(bytes);
    return !this.#isFull;
  }

  #giveWaiting(): void {
    while (!this.#isFull && this.#waiting.length > 0) {
      const bytes = this.#waiting[0]!;
      const piece = bytes.subarray(0, WRITE_LENGTH_MAX);
      if (piece.length < bytes.length) this.#waiting[0] = bytes.subarray(WRITE_LENGTH_MAX);
      else this.#waiting.shift();
      this.#waitingLength -= piece.length;
      this.#give(piece);
    }
  }

  #drain(): void {
    this.#isFull = false;
    this.#giveWaiting();
    if (this.#isFull) return;
    if (this.#isEnding) this.#socket.end();
    this.#events.drained();
  }

  transfer(): number {
    return 0;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#isEnding = true;
    if (this.#waiting.length === 0) this.#socket.end();
  }

  destroy(): void {
    // What it was given and has not passed on would be lost.
    if (this.#socket.writableLength === 0) this.#socket.destroy();
    else this.#socket.end(() => this.#socket.destroy());
  }

  /** Over TLS it is an end without `close_notify`: `node:tls` has nothing harder. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** @throws {ListenError}; the caller has cleared a unix socket's path */
export async function listenNodeRaw(options: RawListenOptions): Promise<ByteListener> {
  const { address, reusePort } = options;
  if (reusePort) {
    throw new ListenError("Cannot share a port between processes: node:net does not do that");
  }
  const server = await createServer(options);
  try {
    await listening(server, address);
  } catch (error) {
    throw listenError(address, error);
  }
  const inForce = server.address();
  if (address.transport === "unix") {
    const close = (): void => {
      server.close();
      removeSocketFile(address);
    };
    return { address, close };
  }
  const port = inForce !== null && typeof inForce === "object" ? inForce.port : address.port;
  return { address: { ...address, port }, close: () => void server.close() };
}

async function createServer({ address, tls, onSocket }: RawListenOptions): Promise<Server> {
  const settings = { allowHalfOpen: true };
  const onConnection = (socket: Socket): void => void new NodeRawSocket(socket, onSocket);
  if (tls === undefined) return (await import("node:net")).createServer(settings, onConnection);
  if (address.transport === "unix") {
    throw new ListenError(`Cannot listen with TLS on ${formatAddress(address)}: use TCP`);
  }
  const { createServer } = await import("node:tls");
  return createServer({ ...settings, cert: tls.cert, key: tls.key }, onConnection);
}

function listening(server: Server, address: Address): Promise<void> {
  const where = address.transport === "unix"
    ? { path: address.path }
    : { host: address.host, port: address.port };
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      // Mostly for want of descriptors; the connections that wait are tried again.
      server.on("error", () => {});
      resolve();
    });
  });
}
