/**
 * afcgi's own HTTP/1.1 server over the runtime's sockets. The runtimes have servers of their own, but
 * each keeps something from a gateway: the length of a streamed body, the target as it was sent, the
 * version, a body of GET, the moment when a client is told to send its body; and an answer that comes
 * later costs them more than reading and writing HTTP does here. docs/runtimes.md has the list.
 *
 * It speaks HTTP/1.1 and HTTP/1.0, over TCP, TLS and unix sockets.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import type { Address } from "../runtime/address.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import type {
  ByteListener,
  Clock,
  HttpListener,
  HttpServeOptions,
  Runtime,
  TimerId,
} from "../runtime/runtime.ts";
import { Connection, type ConnectionServer, type ConnectionTimeouts } from "./connection.ts";
import { FieldNames } from "./field_names.ts";
import type { RequestFault } from "./request_head.ts";

/** As nginx has them; a client that has said all and does not close is waited for shortly. */
export const CONNECTION_TIMEOUTS: ConnectionTimeouts = {
  headMs: 60_000,
  idleMs: 75_000,
  sendMs: 60_000,
  closeMs: 5_000,
};

/** How often connections are looked at; so much later a time may end. */
const SWEEP_MS = 1_000;

export interface ServerOptions extends HttpServeOptions {
  readonly timeouts?: ConnectionTimeouts;
  /** A request that could not be read and was refused. */
  readonly onFault?: (fault: RequestFault, peer: HttpPeer) => void;
}

/** @throws {ListenError} */
export async function serveHttp1(
  { listenRaw, clock }: Required<Pick<Runtime, "listenRaw" | "clock">>,
  options: ServerOptions,
): Promise<HttpListener> {
  const server = new Http1Server(clock, options);
  const { address, tls, reusePort } = options;
  server.listener = await listenRaw({
    address,
    ...(tls && { tls }),
    ...(reusePort && { reusePort }),
    onSocket: (socket) => server.open(socket),
  });
  return server;
}

class Http1Server implements HttpListener, ConnectionServer {
  readonly dropsLengths = false;
  readonly handler: ConnectionServer["handler"];
  readonly names = new FieldNames();
  readonly headLengthMax: number;
  readonly isTls: boolean;
  readonly timeouts: ConnectionTimeouts;
  readonly scratch = new ByteBuffer();
  readonly clock: Clock;
  listener!: ByteListener;
  isStopping = false;
  coarseMs: number;
  date: string;
  readonly #onFault: ServerOptions["onFault"];
  readonly #connections = new Set<Connection>();
  #requestCount = 0;
  #onIdle: (() => void) | undefined;
  #timer: TimerId | undefined;

  constructor(clock: Clock, options: ServerOptions) {
    this.clock = clock;
    this.handler = options.handler;
    this.headLengthMax = options.requestHeadLengthMax;
    this.isTls = options.tls !== undefined;
    this.timeouts = options.timeouts ?? CONNECTION_TIMEOUTS;
    this.#onFault = options.onFault;
    this.coarseMs = clock.nowMs();
    this.date = dateOf(clock);
  }

  get address(): Address {
    return this.listener.address;
  }

  open(socket: ConstructorParameters<typeof Connection>[1]): Connection {
    if (this.#timer === undefined) this.#sweep();
    const connection = new Connection(this, socket);
    this.#connections.add(connection);
    return connection;
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    this.listener.close();
    for (const connection of this.#connections) connection.stop();
    if (this.#requestCount > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
    this.destroy();
  }

  destroy(): void {
    this.isStopping = true;
    this.listener.close();
    for (const connection of this.#connections) connection.destroy();
  }

  onFault(fault: RequestFault, peer: HttpPeer): void {
    this.#onFault?.(fault, peer);
  }

  onRequests(change: 1 | -1): void {
    this.#requestCount += change;
    if (this.#requestCount === 0) this.#onIdle?.();
  }

  onGone(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0 || this.#timer === undefined) return;
    this.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** One timer for all connections, and none while there is no connection. */
  #sweep(): void {
    this.coarseMs = this.clock.nowMs();
    this.date = dateOf(this.clock);
    for (const connection of this.#connections) connection.sweep(this.coarseMs);
    this.#timer = this.clock.setTimer(() => this.#sweep(), SWEEP_MS);
  }
}

function dateOf(clock: Clock): string {
  return new Date(clock.wallMs()).toUTCString();
}
