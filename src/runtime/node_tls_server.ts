/**
 * Listens with TLS by way of `node:tls`, on both runtimes: for HTTP's sockets with callbacks and for
 * Gemini's streams. TCP connections are accepted by `node:net` first, and the first bytes looked at:
 * who speaks no TLS never meets it and can be told so, and a handshake has a time limit and an end
 * (`handshakeTimeout` of `node:tls` tells of one that stands still, and does not end it). The
 * client's hello says which certificate it gets, by name and by what it can verify (of two
 * certificates in one context Deno 2.9.6 knows the first alone); a server of `node:tls` for that
 * certificate gets the socket, with its bytes put back.
 */
import type { Server as TcpServer, Socket } from "node:net";
import type { Server, TlsOptions, TLSSocket } from "node:tls";
import type { TcpAddress } from "./address.ts";
import { type ClientHello, readClientHello } from "./client_hello.ts";
import type { HttpPeer, TlsIdentity } from "./connection.ts";
import { listenError } from "./failures.ts";
import { Handshakes } from "./handshakes.ts";
import { NodeCertificate } from "./node_certificate.ts";
import { type Accepting, type DescriptorCalls, PausableListener } from "./pausable_listener.ts";
import { peerHost } from "./peer.ts";
import { readProxied } from "./node_proxied.ts";
import type { SocketTlsOptions } from "./callback_socket.ts";
import type { ByteListener } from "./listener.ts";
import type { PeerCertificate, TlsDetails } from "./tls_details.ts";
import { handshakeFailure } from "./tls_failure.ts";

/** Connections that wait to be accepted, as far as the system allows as many. */
const BACKLOG = 1024;

/** The first byte of a record that begins a handshake (RFC 8446 section 5.1). */
const HANDSHAKE_RECORD = 0x16;

/** Certificates that are taken beside a client's own. */
const INTERMEDIATES_MAX = 8;

/** How a request of HTTP begins: a method and a space. */
const REQUEST_LINE = /^[A-Z]{2,20} /;

export interface TlsServerOptions extends SocketTlsOptions {
  readonly address: TcpAddress;
  /** As that of {@link SocketListenOptions}. */
  readonly descriptor?: number | undefined;
  /** Lets several processes listen on the same port. */
  readonly reusePort?: boolean | undefined;
  /** `serverName` is empty where the client asked for none. */
  readonly onSecure: (socket: TLSSocket, tcp: Socket, peer: HttpPeer, serverName: string) => void;
}

/** What is of no concern to who listens. */
type AcceptOptions = Omit<TlsServerOptions, "address">;

/** The TCP socket below, which is there because we have handed it over. */
interface OverTcp {
  readonly _parent?: Socket;
}

/** Leads connections that somebody else accepts through their handshakes. */
export interface TlsAcceptor {
  accept(socket: Socket): void;
  /** As that of `ByteListener`. */
  configureTls(changes: Partial<SocketTlsOptions>): void;
  /** Cuts handshakes that are under way. */
  close(): void;
}

export async function createTlsAcceptor(options: AcceptOptions): Promise<TlsAcceptor> {
  const handshakes = new Handshakes(options);
  let current = options;
  const { createServer } = await import("node:tls");
  const servers = new Servers(options, handshakes, createServer);
  const proxied = new Set<Socket>();
  return {
    accept: (socket) => accept(socket, servers, { handshakes, proxied, options: current }),
    configureTls(changes) {
      current = { ...current, ...changes };
      servers.configure(current);
      handshakes.configure(current);
    },
    close() {
      handshakes.cut();
      for (const socket of proxied) socket.destroy();
    },
  };
}

/** With `calls` the listener can pause. @throws {ListenError} */
export async function listenTls(
  options: TlsServerOptions,
  calls?: DescriptorCalls,
): Promise<ByteListener<TcpAddress>> {
  const acceptor = await createTlsAcceptor(options);
  const { configureTls } = acceptor;
  const { createServer: createTcpServer } = await import("node:net");
  const create = (): TcpServer =>
    createTcpServer({ allowHalfOpen: true }, (socket) => acceptor.accept(socket));
  const tcp = create();
  await listening(tcp, options);
  const bound = tcp.address();
  const isOurs = options.descriptor === undefined && bound !== null && typeof bound === "object";
  const address = isOurs ? { ...options.address, port: bound.port } : options.address;
  const first = acceptingOf(tcp, options.descriptor);
  const pausable = calls && new PausableListener(calls, first, (fd) => {
    const next = create();
    next.on("error", () => {});
    next.listen({ fd });
    return acceptingOf(next, fd);
  });
  const close = (): void => {
    if (pausable === undefined) tcp.close();
    else pausable.close();
    acceptor.close();
  };
  return pausable === undefined ? { address, close, configureTls } : {
    address,
    close,
    configureTls,
    get descriptor() {
      return pausable.descriptor;
    },
    duplicate: () => pausable.duplicate(),
    pause: (reason) => pausable.pause(reason),
    resume: (reason) => pausable.resume(reason),
  };
}

/** Bun's server shows the descriptor of its socket. */
function acceptingOf(server: TcpServer, known?: number): Accepting {
  const { _handle: handle } = server as { _handle?: { readonly fd?: number } | null };
  return { descriptor: known ?? handle?.fd ?? -1, stop: () => void server.close() };
}

/** A server of `node:tls` for each certificate: a handshake goes to the one that its hello asks for. */
class Servers {
  #options: AcceptOptions;
  readonly #handshakes: Handshakes;
  readonly #create: (options: TlsOptions) => Server;
  #servers = new WeakMap<TlsIdentity, { plain?: Server; asking?: Server }>();

  constructor(
    options: AcceptOptions,
    handshakes: Handshakes,
    create: (options: TlsOptions) => Server,
  ) {
    this.#options = options;
    this.#handshakes = handshakes;
    this.#create = create;
  }

  /** Those that there are go on where what they were made with is the same: sessions are resumed. */
  configure(options: AcceptOptions): void {
    const { protocols, versionMin, ciphers } = this.#options;
    const isSame = options.versionMin === versionMin && options.ciphers === ciphers &&
      options.protocols.join() === protocols.join();
    if (!isSame) this.#servers = new WeakMap();
    this.#options = options;
  }

  /** @throws where certificate and key are of no use */
  of(identity: TlsIdentity, serverName: string): Server {
    const { asksForCertificate: asks = false } = this.#options;
    const isAsking = typeof asks === "function" ? asks(serverName) : asks;
    const known = this.#servers.get(identity) ?? {};
    const server = known[isAsking ? "asking" : "plain"] ??= this.#make(identity, isAsking);
    this.#servers.set(identity, known);
    return server;
  }

  #make({ cert, key, protocols: own }: TlsIdentity, requestCert: boolean): Server {
    const { protocols, versionMin = "1.2", ciphers, onSecure } = this.#options;
    const spoken = own ?? protocols;
    const server = this.#create({
      cert,
      key,
      minVersion: `TLSv${versionMin}`,
      ...(ciphers !== undefined && { ciphers, honorCipherOrder: true }),
      requestCert,
      // Who may do what is decided by the route; a certificate is never a reason to fail here.
      rejectUnauthorized: false,
      allowHalfOpen: true,
      ...(spoken.length > 0 && {
        ALPNCallback: ({ protocols: offered }: { protocols: string[] }) =>
          spoken.find((protocol) => offered.includes(protocol)),
      }),
    });
    server.on("secureConnection", (socket: TLSSocket) => {
      const tcp = (socket as OverTcp)._parent;
      const handshake = tcp && this.#handshakes.end(tcp);
      if (handshake === undefined) return void socket.destroy();
      // A handshake for its own sake (RFC 8737): there is nothing to say in it.
      if (own !== undefined) return void socket.end();
      onSecure(socket, tcp!, handshake.peer, handshake.serverName);
    });
    server.on("tlsClientError", (error, socket) => {
      const tcp = (socket as OverTcp | undefined)?._parent;
      if (tcp !== undefined) this.#handshakes.fail(tcp, handshakeFailure(error), error.message);
      socket?.destroy();
    });
    return server;
  }
}

function accept(socket: Socket, servers: Servers, context: AcceptContext): void {
  const { remoteAddress, remotePort } = socket;
  // It has left before it was accepted.
  if (remoteAddress === undefined || remotePort === undefined) return void socket.destroy();
  const peer = { host: peerHost(remoteAddress), port: remotePort };
  const { proxyProtocol, handshakeTimeoutMs } = context.options;
  if (proxyProtocol === undefined) return begin(socket, peer, servers, context);
  const reading = {
    proxyProtocol,
    timeoutMs: handshakeTimeoutMs,
    waiting: context.proxied,
  };
  readProxied(socket, peer, reading, (client) => begin(socket, client, servers, context));
}

/** A client, or the one that a proxy speaks for, may begin its handshake. */
function begin(socket: Socket, peer: HttpPeer, servers: Servers, context: AcceptContext): void {
  const { handshakes, options: { admit } } = context;
  if (admit?.(peer) === false) return void socket.destroy();
  handshakes.begin(socket, peer);
  readHello(socket, servers, context);
  socket.once("end", () => handshakes.fail(socket, "client_left", "The client left"));
}

interface AcceptContext {
  readonly handshakes: Handshakes;
  /** Those whose proxy has not said yet whose they are. */
  readonly proxied: Set<Socket>;
  readonly options: AcceptOptions;
}

/** Takes what a client says first, up to the end of its hello. */
function readHello(socket: Socket, servers: Servers, { handshakes, options }: AcceptContext): void {
  let gathered = new Uint8Array(0);
  const onData = (bytes: Uint8Array): void => {
    gathered = gathered.length === 0 ? Uint8Array.from(bytes) : concatenated(gathered, bytes);
    if (gathered[0] !== HANDSHAKE_RECORD) {
      socket.off("data", onData);
      const isHttp = REQUEST_LINE.test(String.fromCharCode(...gathered.subarray(0, 21)));
      if (!isHttp) return handshakes.fail(socket, "not_tls", "The client does not speak TLS");
      const { plainResponse } = options;
      return handshakes.fail(socket, "plain_http", "The client speaks HTTP", plainResponse);
    }
    const hello = readClientHello(gathered);
    if (hello === undefined) return;
    socket.off("data", onData);
    socket.pause();
    if (hello === null) {
      const message = "The client's hello cannot be read";
      return handshakes.fail(socket, "malformed", message, alert(Alert.DECODE_ERROR));
    }
    handshakes.named(socket, hello.serverName);
    identifyBy(hello, socket, options, (identity) => {
      if (!handshakes.isOpen(socket)) return;
      if (identity instanceof Error || identity === undefined) {
        const message = identity?.message ?? `No site is named "${hello.serverName}"`;
        const word = identity === undefined ? Alert.UNRECOGNIZED_NAME : Alert.INTERNAL_ERROR;
        return handshakes.fail(socket, "unknown_name", message, alert(word));
      }
      try {
        const server = servers.of(identity, hello.serverName);
        socket.unshift(gathered);
        server.emit("connection", socket);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        handshakes.fail(socket, "malformed", message, alert(Alert.INTERNAL_ERROR));
      }
    });
  };
  socket.on("data", onData);
}

/** At once, or when who was asked knows. */
function identifyBy(
  hello: ClientHello,
  { localAddress = "" }: Socket,
  { identify }: AcceptOptions,
  done: (identity: TlsIdentity | undefined | Error) => void,
): void {
  const failed = (error: unknown) =>
    done(error instanceof Error ? error : new Error(String(error)));
  let identity;
  try {
    identity = identify(hello.serverName, hello, peerHost(localAddress));
  } catch (error) {
    return failed(error);
  }
  if (identity instanceof Promise) identity.then(done, failed);
  else done(identity);
}

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Descriptions of alerts (RFC 8446 section 6). */
const Alert = { DECODE_ERROR: 50, INTERNAL_ERROR: 80, UNRECOGNIZED_NAME: 112 } as const;

/** A fatal alert in a record of its own. */
function alert(description: number): Uint8Array {
  return Uint8Array.of(0x15, 3, 3, 0, 2, 2, description);
}

function listening(
  server: TcpServer,
  { address: { host, port }, address, descriptor, reusePort }: TlsServerOptions,
): Promise<void> {
  const where = descriptor === undefined
    ? { host, port, backlog: BACKLOG, ...(reusePort && { reusePort }) }
    : { fd: descriptor };
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(address, error)));
    server.listen(where, () => {
      // Mostly for want of descriptors; the connections that wait are tried again.
      server.on("error", () => {});
      resolve();
    });
  });
}

/** What the handshake has come to. */
export function tlsDetails(socket: TLSSocket, serverName: string): TlsDetails {
  const { alpnProtocol } = socket;
  const [own, ...intermediates] = chainOf(socket);
  return {
    serverName: serverName || undefined,
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher().name,
    protocol: alpnProtocol || undefined,
    certificate: own,
    intermediates,
  };
}

/** The client's certificate and what it sent beside it; nothing where it sent none. */
function chainOf(socket: TLSSocket): PeerCertificate[] {
  const chain: PeerCertificate[] = [];
  let next: ShownCertificate | undefined = socket.getPeerCertificate(true) as ShownCertificate;
  const seen = new Set<ShownCertificate>();
  while (next?.raw !== undefined && !seen.has(next) && chain.length <= INTERMEDIATES_MAX) {
    seen.add(next);
    chain.push(new NodeCertificate(next.raw));
    next = next.issuerCertificate;
  }
  return chain;
}

/** As `node:tls` shows one; without one it is an empty object. */
interface ShownCertificate {
  readonly raw?: Uint8Array;
  readonly issuerCertificate?: ShownCertificate;
}
