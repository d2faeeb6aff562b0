/**
 * TLS by way of `node:tls`, which both runtimes have. A server's sockets are followed from their TCP
 * connection on, because a client that never finishes its handshake is a client too; which secure
 * socket belongs to which TCP connection is told by the peer's port (the socket objects are related
 * in another way on each runtime, see docs/runtimes.md).
 */
import type { Socket } from "node:net";
import {
  connect as connectSocket,
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
} from "node:tls";
import { formatAddress, type TcpAddress } from "./address.ts";
import { connectAborted, connectError, listenError } from "./failures.ts";
import { checkIdentity, NodeCertificate, readAuthorities } from "./node_certificate.ts";
import { NodeConnection } from "./node_connection.ts";
import { peerHost } from "./peer.ts";
import type { HttpPeer } from "./runtime.ts";
import {
  type PeerCertificate,
  type TlsConnection,
  type TlsConnectOptions,
  TlsError,
  type TlsListener,
  type TlsListenOptions,
  type TlsNetwork,
} from "./tls.ts";

/** Most names whose certificates are kept ready; with one more it begins anew. */
const CONTEXTS_MAX = 1024;

export const nodeTls: TlsNetwork = { listen, connect, readAuthorities, checkIdentity };

class NodeTlsConnection extends NodeConnection implements TlsConnection {
  readonly peer: HttpPeer;
  readonly serverName: string | undefined;
  readonly version: string;
  readonly cipher: string;
  readonly certificate: PeerCertificate | undefined;

  constructor(socket: TLSSocket, peer: HttpPeer) {
    super(socket, formatAddress({ transport: "tcp", ...peer }));
    this.peer = peer;
    const { servername } = socket as { servername?: string | false | null };
    this.serverName = servername ? servername.toLowerCase() : undefined;
    this.version = socket.getProtocol() ?? "";
    this.cipher = socket.getCipher().name;
    const { raw } = socket.getPeerCertificate() as { raw?: Uint8Array };
    this.certificate = raw && new NodeCertificate(raw);
  }
}

/** Certificates ready for use, by the name that clients ask for. */
class Contexts {
  readonly #options: TlsListenOptions;
  readonly #known = new Map<string, SecureContext>();

  constructor(options: TlsListenOptions) {
    this.#options = options;
  }

  find(serverName: string): SecureContext | undefined {
    const known = this.#known.get(serverName);
    if (known !== undefined) return known;
    const identity = this.#options.identify(serverName);
    if (identity === undefined) return undefined;
    const { cert, key } = identity;
    // To Deno it is the context, not the server, that says which versions are spoken.
    const context = createSecureContext({ cert, key, minVersion: minVersion(this.#options) });
    if (this.#known.size >= CONTEXTS_MAX) this.#known.clear();
    this.#known.set(serverName, context);
    return context;
  }
}

/** Clients that have connected and are not secure yet, by their address and port. */
class Handshakes {
  readonly #options: TlsListenOptions;
  readonly #pending = new Map<string, { socket: Socket; timer: ReturnType<typeof setTimeout> }>();

  constructor(options: TlsListenOptions) {
    this.#options = options;
  }

  begin(socket: Socket, peer: HttpPeer): void {
    const key = keyOf(peer);
    const timer = setTimeout(() => {
      this.#options.onHandshakeFailed(peer, "it was not done in time");
      socket.destroy();
    }, this.#options.handshakeTimeoutMs);
    this.#pending.set(key, { socket, timer });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.end(peer);
      this.#options.onGone(peer);
    });
  }

  end(peer: HttpPeer): boolean {
    const key = keyOf(peer);
    const pending = this.#pending.get(key);
    clearTimeout(pending?.timer);
    return this.#pending.delete(key);
  }

  cut(): void {
    for (const { socket } of this.#pending.values()) socket.destroy();
  }
}

function keyOf({ host, port }: HttpPeer): string {
  return `${host} ${port}`;
}

async function listen(options: TlsListenOptions): Promise<TlsListener> {
  const contexts = new Contexts(options);
  const fallback = options.identify("");
  if (fallback === undefined) throw new TlsError("There is no certificate for clients without SNI");
  const handshakes = new Handshakes(options);
  const server = createServer({
    cert: fallback.cert,
    key: fallback.key,
    minVersion: minVersion(options),
    requestCert: true,
    // Who may do what is decided by the route; a certificate is never a reason to fail here.
    rejectUnauthorized: false,
    allowHalfOpen: true,
    SNICallback: (name, answer) => {
      const context = contexts.find(name.toLowerCase());
      if (context !== undefined) answer(null, context);
      else answer(new Error(`No site is named "${name}"`));
    },
  }, (socket) => {
    const peer = peerOf(socket);
    const isExpected = handshakes.end(peer);
    const connection = new NodeTlsConnection(socket, peer);
    if (isExpected) options.onConnection(connection);
    else connection.destroy();
  });
  server.on("connection", (socket: Socket) => {
    const peer = peerOf(socket);
    if (options.admit(peer)) handshakes.begin(socket, peer);
    else socket.destroy();
  });
  server.on("tlsClientError", (error, socket) => {
    // Deno's socket has forgotten its peer by now.
    const peer = socket?.remoteAddress ? peerOf(socket) : { host: "", port: 0 };
    options.onHandshakeFailed(peer, error.message);
    socket?.destroy();
  });
  const address = await listening(server, options.address);
  return {
    address,
    close: () => {
      server.close();
      handshakes.cut();
    },
  };
}

function minVersion({ versionMin }: TlsListenOptions) {
  return `TLSv${versionMin}` as const;
}

function listening(server: Server, address: TcpAddress): Promise<TcpAddress> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(address, error)));
    server.listen({ host: address.host, port: address.port, backlog: 1024 }, () => {
      // Mostly for want of descriptors; the connections that wait are tried again.
      server.on("error", () => {});
      const bound = server.address();
      const port = bound !== null && typeof bound === "object" ? bound.port : address.port;
      resolve({ ...address, port });
    });
  });
}

function peerOf(socket: Socket): HttpPeer {
  return { host: peerHost(socket.remoteAddress ?? ""), port: socket.remotePort ?? 0 };
}

async function connect(
  address: TcpAddress,
  { serverName, identity, signal }: TlsConnectOptions = {},
): Promise<TlsConnection> {
  if (signal?.aborted) throw connectAborted(address, signal);
  const { promise, resolve, reject } = Promise.withResolvers<TlsConnection>();
  const socket = connectSocket({
    host: address.host,
    port: address.port,
    // The caller trusts on first use, not by a list of authorities.
    rejectUnauthorized: false,
    ...(serverName !== undefined && { servername: serverName }),
    ...(identity && { cert: identity.cert, key: identity.key }),
  });
  const onAbort = () => {
    socket.destroy();
    reject(connectAborted(address, signal!));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  const onError = (error: Error) => reject(connectError(address, error));
  socket.once("error", onError);
  socket.once("secureConnect", () => {
    signal?.removeEventListener("abort", onAbort);
    resolve(new NodeTlsConnection(socket, { host: address.host, port: address.port }));
    socket.off("error", onError);
  });
  return await promise;
}
