/**
 * afcgi's own HTTP/1.1 server over the runtime's sockets. The runtimes have servers of their own, but
 * each keeps something from a gateway: the length of a streamed body, the target as it was sent, the
 * version, a body of GET, the moment when a client is told to send its body; and a response that
 * comes later costs them more than reading and writing HTTP does here.
 *
 * It speaks HTTP/1.1 and HTTP/1.0, over TCP, TLS and unix sockets.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import type { Address } from "../runtime/address.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import { BytesResponse, type HttpResponse } from "../runtime/http_response.ts";
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { ByteListener, PauseReason } from "../runtime/listener.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { ProxiedConnection } from "./proxied_socket.ts";
import type { ProxyProtocol } from "../runtime/callback_socket.ts";
import { PROXIED_MAX } from "../runtime/proxy_header.ts";
import type { AcceptedSocket, SocketEvents, SocketTlsOptions } from "../runtime/callback_socket.ts";
import type { ClientPhase } from "./client_phase.ts";
import { Connection } from "./connection.ts";
import type { ConnectionServer, ConnectionTimeouts, OpenHttp2 } from "./connection_server.ts";
import { PLAIN_HTTP_RESPONSE } from "./plain_response.ts";
import { FieldNames } from "./field_names.ts";
import { FirstBytes } from "./first_bytes.ts";
import { type MemoryCount, UNCOUNTED } from "./held_memory.ts";
import { NOBODY, REFUSED_MAX, RefusedConnection } from "./refused_connection.ts";
import type { RequestError } from "./request_headers.ts";
import type { ServedConnection } from "./served_connection.ts";
import { reportUnexpected } from "../runtime/unexpected.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/**
 * As nginx has them, but for `sendMs`: what a client takes shows only when the system has room again,
 * and a third of what it holds may be more than a slow one reads in a minute.
 */
export const CONNECTION_TIMEOUTS: ConnectionTimeouts = {
  handshakeMs: 10_000,
  headersMs: 60_000,
  idleMs: 75_000,
  sendMs: 300_000,
  closeMs: 5_000,
};

/** How often connections are looked at; so much later a time may end. */
const TIMEOUT_CHECK_INTERVAL_MS = 1_000;

/** Whose certificates a server has, and who wants to know of handshakes that fail. */
export type ServerTls = Pick<
  SocketTlsOptions,
  "identify" | "versionMin" | "ciphers" | "asksForCertificate" | "onHandshakeFailed"
>;

/** What is spoken over TLS, for clients that ask (ALPN). */
const PROTOCOLS = ["http/1.1"] as const;
const PROTOCOLS_WITH_HTTP2 = ["h2", "http/1.1"] as const;

/** Counts the connections of clients, and says which is one too many. */
export interface Admission {
  admit(host: string): boolean;
  /** One that was admitted has gone. */
  leave(host: string): void;
}

export interface ServerOptions extends Pick<ConnectionServer, "onBodyFailure"> {
  readonly address: Address;
  /** A socket that listens already, at the address. */
  readonly descriptor?: number | undefined;
  /** Whether threads of the process serve its clients together, where there are several. */
  readonly isSpread?: boolean;
  /** Left out: nobody says before a connection whose it is. */
  readonly proxyProtocol?: ProxyProtocol | undefined;
  /** Left out: HTTP without TLS. */
  readonly tls?: ServerTls;
  /** Most bytes of a request's header section; beyond it the response is 431. */
  readonly requestHeadersLengthMax: number;
  /** Lets several processes listen on the same port. */
  readonly reusePort?: boolean;
  /**
   * A body stream that errors cuts the client's connection. `request.signal` fires when the client
   * leaves before the response is there; from then on the body's `cancel` is called.
   */
  readonly handler: (request: HttpRequest, peer: HttpPeer) => HttpResponse | Promise<HttpResponse>;
  readonly timeouts?: ConnectionTimeouts;
  /** Left out: as many connections as come. */
  readonly admission?: Admission;
  /** Who counts what buffers hold; left out: nobody. */
  readonly memory?: MemoryCount;
  /** Requests of one connection; left out or 0: as many as it makes. */
  readonly requestsMax?: number;
  /**
   * Makes the response to what could not be read; `request` is there when it was its body. Without
   * it the response is empty.
   */
  readonly onRequestError?: ConnectionServer["onRequestError"];
  /** A handler threw, or gave what cannot be sent; left out: it goes to runtime/unexpected.ts. */
  readonly onFailure?: (error: unknown) => void;
  /** Left out: HTTP/1 alone. */
  readonly openHttp2?: OpenHttp2 | undefined;
}

/** What may change while a server runs: for requests, connections and handshakes from then on. */
export type ServerChanges = Omit<
  ServerOptions,
  | "address"
  | "descriptor"
  | "isSpread"
  | "reusePort"
  | "admission"
  | "memory"
  | "onRequestError"
  | "onFailure"
  | "onBodyFailure"
>;

export interface HttpListener {
  /** The address in force: with port 0, the port that the system chose. */
  readonly address: Address;
  /** Whether it speaks TLS does not change, with whose certificates does. */
  configure(changes: ServerChanges): void;
  countPhases(counts: Record<ClientPhase, number>): void;
  /** As those of {@link ByteListener}. */
  pause(reason: PauseReason): void;
  resume(reason: PauseReason): void;
  /** That of its socket, to hand it over; undefined where nobody knows it. */
  readonly descriptor: number | undefined;
  /** Another descriptor of the same socket, the caller's; undefined where there can be none. */
  duplicate(): number | undefined;
  /** The path of a unix socket stays when it stops: somebody else listens there, too. */
  keepFile(): void;
  /**
   * Stops accepting and resolves when every request in flight has its response. An idle connection
   * may begin one more within `lingerMs`: its client may be about to send it.
   */
  stop(lingerMs?: number): Promise<void>;
  /** Cuts every connection at once. */
  destroy(): void;
}

/** @throws {ListenError} */
export async function serveHttp1(
  runtime: Pick<Runtime, "listenSockets" | "clock">,
  options: ServerOptions,
): Promise<HttpListener> {
  const server = new Http1Server(runtime.clock, options);
  const { address, descriptor, reusePort } = options;
  const tls = socketTls(options, options.admission);
  server.listener = await runtime.listenSockets({
    address,
    descriptor,
    ...(tls && { tls }),
    ...(reusePort && { reusePort }),
    ...(options.isSpread && { isSpread: true }),
    onSocket: (socket) => server.accept(socket),
  });
  return server;
}

function socketTls(
  { tls, openHttp2, timeouts = CONNECTION_TIMEOUTS, proxyProtocol }: ServerChanges,
  admission: Admission | undefined,
): SocketTlsOptions | undefined {
  return tls && {
    ...tls,
    protocols: openHttp2 === undefined ? PROTOCOLS : PROTOCOLS_WITH_HTTP2,
    handshakeTimeoutMs: timeouts.handshakeMs,
    plainResponse: PLAIN_HTTP_RESPONSE,
    proxyProtocol,
    // A handshake is a connection, too.
    ...(admission && {
      admit: ({ host }: HttpPeer) => admission.admit(host),
      onGone: ({ host }: HttpPeer) => admission.leave(host),
    }),
  };
}

class Http1Server implements HttpListener, ConnectionServer {
  handler: ConnectionServer["handler"];
  readonly names = new FieldNames();
  headersLengthMax: number;
  readonly isTls: boolean;
  readonly memory: MemoryCount;
  timeouts: ConnectionTimeouts;
  readonly scratch = new ByteBuffer();
  readonly clock: Clock;
  listener!: ByteListener;
  isStopping = false;
  closesIdle = false;
  coarseNowMs: number;
  date: string;
  readonly onRequestError: ConnectionServer["onRequestError"];
  readonly onFailure: ConnectionServer["onFailure"];
  readonly onBodyFailure: ConnectionServer["onBodyFailure"];
  requestsMax: number;
  readonly #connections = new Set<ServedConnection>();
  #openHttp2: OpenHttp2 | undefined;
  #proxyProtocol: ProxyProtocol | undefined;
  /** Those whose proxy has not said yet whose they are. */
  readonly #proxied = new Set<ProxiedConnection>();
  readonly #refused = new Set<RefusedConnection>();
  readonly #admission: Admission | undefined;
  #timer: TimerId | undefined;
  /** Called when the last connection has gone. */
  #onEmpty: (() => void) | undefined;
  #isOver = false;

  constructor(clock: Clock, options: ServerOptions) {
    this.clock = clock;
    this.handler = options.handler;
    this.headersLengthMax = options.requestHeadersLengthMax;
    this.isTls = options.tls !== undefined;
    this.memory = options.memory ?? UNCOUNTED;
    this.timeouts = options.timeouts ?? CONNECTION_TIMEOUTS;
    this.onRequestError = options.onRequestError ?? emptyResponse;
    this.onFailure = options.onFailure ??
      ((error) => reportUnexpected(error, "a client's connection"));
    this.onBodyFailure = options.onBodyFailure;
    this.requestsMax = options.requestsMax ?? 0;
    this.#openHttp2 = options.openHttp2;
    this.#proxyProtocol = options.proxyProtocol;
    this.#admission = options.admission;
    this.coarseNowMs = clock.nowMs();
    this.date = dateOf(clock);
  }

  get address(): Address {
    return this.listener.address;
  }

  get descriptor(): number | undefined {
    return this.listener.descriptor;
  }

  duplicate(): number | undefined {
    return this.listener.duplicate?.();
  }

  keepFile(): void {
    this.listener.keepFile?.();
  }

  configure(changes: ServerChanges): void {
    this.handler = changes.handler;
    this.headersLengthMax = changes.requestHeadersLengthMax;
    this.timeouts = changes.timeouts ?? CONNECTION_TIMEOUTS;
    this.requestsMax = changes.requestsMax ?? 0;
    this.#openHttp2 = changes.openHttp2;
    this.#proxyProtocol = changes.proxyProtocol;
    const tls = socketTls(changes, this.#admission);
    if (tls !== undefined) this.listener.configureTls?.(tls);
  }

  countPhases(counts: Record<ClientPhase, number>): void {
    for (const { phase } of this.#connections) counts[phase]++;
  }

  pause(reason: PauseReason): void {
    this.listener.pause?.(reason);
  }

  resume(reason: PauseReason): void {
    this.listener.resume?.(reason);
  }

  /** Over TLS the handshake has read what a proxy says. */
  accept(socket: AcceptedSocket): SocketEvents {
    if (this.#isOver) {
      // The system had accepted it before, or its handshake took until now.
      socket.destroy();
      return NOBODY;
    }
    const proxy = this.#proxyProtocol;
    if (proxy === undefined || this.isTls) return this.open(socket);
    const isFull = this.#proxied.size >= PROXIED_MAX;
    if (isFull || !proxy.isTrusted(socket.host)) {
      proxy.onRefused(socket.host, isFull ? "Too many wait" : "It is no proxy that is named");
      socket.reset();
      return NOBODY;
    }
    const connection = new ProxiedConnection(socket, {
      clock: this.clock,
      timeoutMs: this.timeouts.headersMs,
      open: (client) => this.open(client),
      onRefused: proxy.onRefused,
      onGone: (gone) => void this.#proxied.delete(gone),
    });
    this.#proxied.add(connection);
    return connection;
  }

  open(socket: AcceptedSocket): SocketEvents {
    // Over TLS the handshake has asked.
    if (!this.isTls && this.#admission?.admit(socket.host) === false) return this.#refuse(socket);
    // Before it is made, for its first limit counts from the time of the last check.
    if (this.#timer === undefined) this.#readClock();
    this.#timer ??= this.clock.setTimer(() => this.#checkTimeouts(), TIMEOUT_CHECK_INTERVAL_MS);
    const openHttp2 = this.#openHttp2;
    if (openHttp2 !== undefined && socket.tls?.protocol === "h2") {
      return this.#added(openHttp2(this, socket));
    }
    const connection = this.#added(new Connection(this, socket));
    if (openHttp2 === undefined || this.isTls) return connection;
    return new FirstBytes(socket, connection, () => {
      this.#connections.delete(connection);
      return this.#added(openHttp2(this, socket));
    });
  }

  #added<Added extends ServedConnection>(connection: Added): Added {
    this.#connections.add(connection);
    return connection;
  }

  #refuse(socket: AcceptedSocket): SocketEvents {
    if (this.#refused.size >= REFUSED_MAX) {
      socket.reset();
      return NOBODY;
    }
    const refused: RefusedConnection = new RefusedConnection(
      socket,
      this.clock,
      () => void this.#refused.delete(refused),
    );
    this.#refused.add(refused);
    return refused;
  }

  async stop(lingerMs = 0): Promise<void> {
    this.isStopping = true;
    this.listener.close();
    if (lingerMs > 0) await this.#linger(lingerMs);
    this.closesIdle = true;
    for (const connection of this.#connections) connection.stop();
    // Where a header section was under way, a request may have begun meanwhile.
    for (let busy = this.#busy(); busy.length > 0; busy = this.#busy()) {
      await Promise.all(busy.map((connection) => connection.untilFlushed()));
    }
    this.destroy();
  }

  /** Resolves when the time is over, or nobody is left. */
  #linger(lingerMs: number): Promise<void> {
    for (const connection of this.#connections) connection.announceStop();
    return new Promise((resolve) => {
      const finish = () => {
        this.clock.clearTimer(timer);
        this.#onEmpty = undefined;
        resolve();
      };
      const timer = this.clock.setTimer(finish, lingerMs);
      this.#onEmpty = finish;
      if (this.#connections.size === 0) finish();
    });
  }

  #busy(): ServedConnection[] {
    return [...this.#connections].filter(({ isFlushed }) => !isFlushed);
  }

  destroy(): void {
    this.isStopping = true;
    this.closesIdle = true;
    this.#onEmpty?.();
    this.#isOver = true;
    this.listener.close();
    for (const other of [...this.#proxied, ...this.#refused]) other.destroy();
    for (const connection of this.#connections) connection.destroy();
  }

  onGone(connection: ServedConnection, host: string): void {
    if (this.#connections.delete(connection) && !this.isTls) this.#admission?.leave(host);
    if (this.#connections.size === 0) this.#onEmpty?.();
    if (this.#connections.size > 0 || this.#timer === undefined) return;
    this.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #readClock(): void {
    this.coarseNowMs = this.clock.nowMs();
    this.date = dateOf(this.clock);
  }

  /** One timer for all connections, and none while there is no connection. */
  #checkTimeouts(): void {
    this.#readClock();
    for (const connection of this.#connections) connection.checkTimeouts(this.coarseNowMs);
    // The last one may have ended just now.
    this.#timer = this.#connections.size === 0
      ? undefined
      : this.clock.setTimer(() => this.#checkTimeouts(), TIMEOUT_CHECK_INTERVAL_MS);
  }
}

function emptyResponse({ status }: RequestError): BytesResponse {
  return new BytesResponse(status, [], new Uint8Array(0));
}

function dateOf(clock: Clock): string {
  return new Date(clock.wallMs()).toUTCString();
}
