/**
 * Listens with TLS by way of `node:tls`, on both runtimes: for HTTP's sockets with callbacks and for
 * Gemini's streams. TCP connections are accepted by `node:net` first, and the first bytes looked at:
 * who speaks no TLS never meets it and can be told so, and a handshake has a time limit and an end
 * (`handshakeTimeout` of `node:tls` tells of one that stands still, and does not end it). Then
 * `node:tls` gets the socket with its bytes put back.
 */
import type { Server as TcpServer, Socket } from "node:net";
import type { SecureContext, Server, TLSSocket } from "node:tls";
import type { TcpAddress } from "./address.ts";
import type { HttpPeer, TlsFiles } from "./connection.ts";
import { listenError } from "./failures.ts";
import { Handshakes } from "./handshakes.ts";
import { NodeCertificate } from "./node_certificate.ts";
import { type Accepting, type DescriptorCalls, PausableListener } from "./pausable_listener.ts";
import { peerHost } from "./peer.ts";
import type { SocketTlsOptions } from "./callback_socket.ts";
import type { ByteListener } from "./listener.ts";
import { TlsError } from "./tls.ts";
import type { TlsDetails } from "./tls_details.ts";
import { handshakeFailure, UnknownNameError } from "./tls_failure.ts";

/** Connections that wait to be accepted, as far as the system allows as many. */
const BACKLOG = 1024;

/** The first byte of a record that begins a handshake (RFC 8446 section 5.1). */
const HANDSHAKE_RECORD = 0x16;

/** How a request of HTTP begins: a method and a space. */
const REQUEST_LINE = /^[A-Z]{2,20} /;

export interface TlsServerOptions extends SocketTlsOptions {
  readonly address: TcpAddress;
  /** Lets several processes listen on the same port. */
  readonly reusePort?: boolean | undefined;
  readonly onSecure: (socket: TLSSocket, tcp: Socket, peer: HttpPeer) => void;
}

/** The TCP socket below, which is there because we have handed it over. */
interface OverTcp {
  readonly _parent?: Socket;
}

/**
 * With `calls` the listener can pause.
 *
 * @throws {ListenError}
 * @throws {TlsError} when there is no certificate for clients that ask for no name
 */
export async function listenTls(
  options: TlsServerOptions,
  calls?: DescriptorCalls,
): Promise<ByteListener<TcpAddress>> {
  const handshakes = new Handshakes(options);
  const server = await createServer(options, handshakes);
  const { createServer: createTcpServer } = await import("node:net");
  const create = (): TcpServer =>
    createTcpServer(
      { allowHalfOpen: true },
      (socket) => accept(socket, server, handshakes, options),
    );
  const tcp = create();
  await listening(tcp, options);
  const bound = tcp.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : options.address.port;
  const address = { ...options.address, port };
  const pausable = calls && new PausableListener(calls, acceptingOf(tcp), (fd) => {
    const next = create();
    next.on("error", () => {});
    next.listen({ fd });
    return acceptingOf(next, fd);
  });
  const close = (): void => {
    if (pausable === undefined) tcp.close();
    else pausable.close();
    handshakes.cut();
  };
  return pausable === undefined ? { address, close } : {
    address,
    close,
    pause: (reason) => pausable.pause(reason),
    resume: (reason) => pausable.resume(reason),
  };
}

/** Bun's server shows the descriptor of its socket. */
function acceptingOf(server: TcpServer, known?: number): Accepting {
  const { _handle: handle } = server as { _handle?: { readonly fd?: number } | null };
  return { descriptor: known ?? handle?.fd ?? -1, stop: () => void server.close() };
}

async function createServer(options: TlsServerOptions, handshakes: Handshakes): Promise<Server> {
  const { createSecureContext, createServer } = await import("node:tls");
  const { identify, protocols, asksForCertificate = false } = options;
  const minVersion = `TLSv${options.versionMin ?? "1.2"}` as const;
  const fallback = identify("");
  if (fallback === undefined) throw new TlsError("There is no certificate for clients without SNI");
  const contexts = new WeakMap<TlsFiles, SecureContext>();
  const contextOf = (identity: TlsFiles): SecureContext => {
    const { cert, key } = identity;
    // To Deno it is the context, not the server, that says which versions are spoken.
    const context = contexts.get(identity) ?? createSecureContext({ cert, key, minVersion });
    contexts.set(identity, context);
    return context;
  };
  const server = createServer({
    cert: fallback.cert,
    key: fallback.key,
    minVersion,
    requestCert: asksForCertificate,
    // Who may do what is decided by the route; a certificate is never a reason to fail here.
    rejectUnauthorized: false,
    allowHalfOpen: true,
    SNICallback: (name, answer) => {
      try {
        const identity = identify(name.toLowerCase());
        if (identity !== undefined) answer(null, contextOf(identity));
        else answer(new UnknownNameError(`No site is named "${name}"`));
      } catch (error) {
        answer(error instanceof Error ? error : new Error(String(error)));
      }
    },
    ...(protocols.length > 0 && {
      ALPNCallback: ({ protocols: offered }: { protocols: string[] }) =>
        protocols.find((protocol) => offered.includes(protocol)),
    }),
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    const tcp = (socket as OverTcp)._parent;
    const peer = tcp && handshakes.end(tcp);
    if (peer !== undefined) options.onSecure(socket, tcp!, peer);
    else socket.destroy();
  });
  server.on("tlsClientError", (error, socket) => {
    const tcp = (socket as OverTcp | undefined)?._parent;
    if (tcp !== undefined) handshakes.fail(tcp, handshakeFailure(error), error.message);
    socket?.destroy();
  });
  return server;
}

function accept(
  socket: Socket,
  server: Server,
  handshakes: Handshakes,
  { admit, plainResponse }: TlsServerOptions,
): void {
  const { remoteAddress, remotePort } = socket;
  // It has left before it was accepted.
  if (remoteAddress === undefined || remotePort === undefined) return void socket.destroy();
  const peer = { host: peerHost(remoteAddress), port: remotePort };
  if (admit?.(peer) === false) return void socket.destroy();
  handshakes.begin(socket, peer);
  socket.once("data", (bytes: Uint8Array) => {
    if (bytes[0] === HANDSHAKE_RECORD) {
      socket.pause();
      socket.unshift(bytes);
      server.emit("connection", socket);
      return;
    }
    const isHttp = REQUEST_LINE.test(String.fromCharCode(...bytes.subarray(0, 21)));
    if (isHttp) handshakes.fail(socket, "plain_http", "The client speaks HTTP", plainResponse);
    else handshakes.fail(socket, "not_tls", "The client does not speak TLS");
  });
  socket.once("end", () => handshakes.fail(socket, "client_left", "The client left"));
}

function listening(
  server: TcpServer,
  { address: { host, port }, address, reusePort }: TlsServerOptions,
): Promise<void> {
  const where = { host, port, backlog: BACKLOG, ...(reusePort && { reusePort }) };
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
export function tlsDetails(socket: TLSSocket): TlsDetails {
  const { servername, alpnProtocol } = socket as {
    servername?: string | false | null;
    alpnProtocol: string | false | null;
  };
  const { raw } = socket.getPeerCertificate() as { raw?: Uint8Array };
  return {
    serverName: servername ? servername.toLowerCase() : undefined,
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher().name,
    protocol: alpnProtocol || undefined,
    certificate: raw && new NodeCertificate(raw),
  };
}
