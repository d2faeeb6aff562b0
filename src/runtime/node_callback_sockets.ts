/**
 * `node:net` as a listener of raw sockets, for Deno, whose own sockets take twice as much time for
 * small pieces (measured: 12 against 15 to 17 µs for a request and its response); and `node:tls`,
 * on both runtimes.
 */
import type { Server, Socket } from "node:net";
import { type Address, formatAddress } from "./address.ts";
import { listenError } from "./failures.ts";
import {
  createTlsAcceptor,
  listenTls,
  tlsDetails,
  type TlsServerOptions,
} from "./node_tls_server.ts";
import type { DescriptorCalls } from "./pausable_listener.ts";
import { peerHost, UNIX_PEER } from "./peer.ts";
import type { AcceptedSocket, SocketEvents, SocketListenOptions } from "./callback_socket.ts";
import type { TlsDetails } from "./tls_details.ts";
import type { HttpPeer } from "./connection.ts";
import type { ByteListener } from "./listener.ts";
import { ListenError, type SocketAdopter } from "./network.ts";
import { bindSocket } from "./socket_file.ts";
import { reportUnexpected } from "./unexpected.ts";
import { removeSocketFile } from "./unix_path.ts";

/**
 * Most bytes that `node:net` is given at a time: it tells only when all of them are taken, and a slow
 * client is to be seen to take some.
 */
const WRITE_LENGTH_MAX = 256 * 1024;

class NodeCallbackSocket implements AcceptedSocket {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsDetails | undefined;
  readonly #socket: Socket;
  /** Below TLS; else the same. */
  readonly #tcp: Socket;
  #events: SocketEvents;
  /** What `node:net` was not given yet. */
  #waiting: Uint8Array[] = [];
  #waitingLength = 0;
  /** Whether `node:net` wants to be asked again before it gets more. */
  #isFull = false;
  #isEnding = false;

  constructor(
    socket: Socket,
    onSocket: SocketListenOptions["onSocket"],
    { host, port }: HttpPeer,
    over: { readonly tcp: Socket; readonly tls: TlsDetails } | undefined = undefined,
  ) {
    this.#socket = socket;
    this.#tcp = over?.tcp ?? socket;
    this.tls = over?.tls;
    this.host = host;
    this.port = port;
    this.#events = onSocket(this);
    socket.setNoDelay(true);
    socket.on("data", (bytes: Uint8Array) => {
      try {
        this.#events.received(bytes);
      } catch (error) {
        this.#threw(error, "received");
      }
    });
    socket.on("drain", () => this.#guarded(() => this.#drain(), "drained"));
    socket.on("end", () => this.#guarded(() => this.#events.peerEnded(), "peerEnded"));
    // What it says, "close" says as well.
    socket.on("error", () => {});
    socket.on("close", () => this.#guarded(() => this.#events.closed(), "closed"));
  }

  #guarded(handle: () => void, handler: string): void {
    try {
      handle();
    } catch (error) {
      this.#threw(error, handler);
    }
  }

  /** A handler of ours threw: the connection is in no state that anybody knows, so it ends. */
  #threw(error: unknown, handler: string): void {
    reportUnexpected(error, `${handler} of a socket`);
    this.#socket.destroy();
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

  handOver(events: SocketEvents): void {
    this.#events = events;
  }

  destroy(): void {
    // What it was given and has not passed on would be lost.
    if (this.#socket.writableLength === 0) this.#socket.destroy();
    else this.#socket.end(() => this.#socket.destroy());
  }

  /** Over TLS it is an end without `close_notify`. */
  reset(): void {
    if (this.#tcp !== this.#socket) this.#tcp.resetAndDestroy();
    else this.#socket.resetAndDestroy();
    this.#socket.destroy();
  }
}

/** @throws {ListenError}; the caller has cleared a unix socket's path */
export async function listenNodeSockets(options: SocketListenOptions): Promise<ByteListener> {
  const { address, tls, onSocket } = options;
  if (tls !== undefined) {
    if (address.transport === "tcp") return listenNodeTlsSockets({ ...options, address, tls });
    throw new ListenError(`Cannot listen with TLS on ${formatAddress(address)}: use TCP`);
  }
  const { createServer } = await import("node:net");
  const server = createServer(
    { allowHalfOpen: true },
    (socket) => acceptPlain(socket, address, onSocket),
  );
  try {
    await listening(server, options);
  } catch (error) {
    throw listenError(address, error);
  }
  const inForce = server.address();
  let keepsFile = false;
  if (address.transport === "unix") {
    const close = (): void => {
      server.close();
      if (!keepsFile) removeSocketFile(address);
    };
    return { address, close, keepFile: () => void (keepsFile = true) };
  }
  if (options.descriptor !== undefined) return { address, close: () => void server.close() };
  const port = inForce !== null && typeof inForce === "object" ? inForce.port : address.port;
  return { address: { ...address, port }, close: () => void server.close() };
}

function acceptPlain(
  socket: Socket,
  address: Address,
  onSocket: SocketListenOptions["onSocket"],
): void {
  const peer = peerOf(socket, address);
  if (peer === undefined) socket.destroy();
  else void new NodeCallbackSocket(socket, onSocket, peer);
}

/** With `calls` the listener can pause. @throws {ListenError} */
export async function listenNodeTlsSockets(
  { address, descriptor, reusePort, onSocket, tls }: TlsSocketListenOptions,
  calls?: DescriptorCalls,
): Promise<ByteListener> {
  return await listenTls(
    { ...tls, address, descriptor, reusePort, onSecure: secured(onSocket) },
    calls,
  );
}

function secured(onSocket: SocketListenOptions["onSocket"]): TlsServerOptions["onSecure"] {
  return (socket, tcp, peer, serverName) => {
    const details = tlsDetails(socket, serverName);
    void new NodeCallbackSocket(socket, onSocket, peer, { tcp, tls: details });
  };
}

/** Makes a socket of a descriptor: the runtimes differ in how. */
export type SocketOf = (create: typeof Socket, descriptor: number) => Socket;

/** Serves connections that somebody else has accepted. */
export async function adoptNodeSockets(
  { address, onSocket, tls }: SocketListenOptions,
  socketOf: SocketOf,
): Promise<SocketAdopter> {
  const { Socket: create } = await import("node:net");
  const open = (descriptor: number, onGone: () => void): Socket => {
    const socket = socketOf(create, descriptor);
    // Behind all who hear that it is closed: nobody counts it any more.
    socket.once("close", () => queueMicrotask(onGone));
    return socket;
  };
  if (tls === undefined) {
    return {
      adopt: (descriptor, onGone) => acceptPlain(open(descriptor, onGone), address, onSocket),
      configureTls() {},
      close() {},
    };
  }
  const acceptor = await createTlsAcceptor({ ...tls, onSecure: secured(onSocket) });
  return {
    adopt: (descriptor, onGone) => acceptor.accept(open(descriptor, onGone)),
    configureTls: acceptor.configureTls,
    close: () => acceptor.close(),
  };
}

type TlsSocketListenOptions =
  & Pick<SocketListenOptions, "reusePort" | "onSocket" | "descriptor">
  & Required<Pick<SocketListenOptions, "tls">>
  & Pick<TlsServerOptions, "address">;

/** Undefined for a client that left before it was accepted: it must not pass for one without address. */
function peerOf(
  { remoteAddress, remotePort }: Socket,
  { transport }: Address,
): HttpPeer | undefined {
  if (transport === "unix") return UNIX_PEER;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return { host: peerHost(remoteAddress), port: remotePort };
}

function listening(
  server: Server,
  { address, descriptor, reusePort }: SocketListenOptions,
): Promise<void> {
  const where = descriptor !== undefined
    ? { fd: descriptor }
    : address.transport === "unix"
    ? { path: address.path }
    : { host: address.host, port: address.port, ...(reusePort && { reusePort }) };
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const begin = () =>
      server.listen(where, () => {
        server.off("error", reject);
        // Mostly for want of descriptors; the connections that wait are tried again.
        server.on("error", () => {});
        resolve();
      });
    // A path is bound at once; an error comes by its event.
    if (descriptor === undefined) bindSocket(address, begin, (bound) => bound.close());
    else begin();
  });
}
