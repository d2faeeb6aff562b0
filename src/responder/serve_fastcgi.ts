/**
 * Any Web-standard fetch handler as a FastCGI application: listens, serves each connection, and
 * shuts down without losing a request.
 */
import { type ListenAddress, parseListenAddress } from "../runtime/address.ts";
import { currentRuntime } from "../runtime/current.ts";
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { ByteConnection } from "../runtime/connection.ts";
import type { ByteListener } from "../runtime/listener.ts";
import { withSocketAccess } from "../runtime/socket_access.ts";
import {
  type FastCgiHandler,
  RESPONDER_LIMIT_DEFAULTS,
  type ResponderLimits,
  type ServeFastCgiOptions,
} from "./options.ts";
import { ResponderConnection } from "./responder_connection.ts";
import { ServerContext } from "./server_context.ts";
import { WebServers } from "./web_servers.ts";

/** How long requests in flight may take after {@link FastCgiServer.shutdown}. */
export const SHUTDOWN_GRACE_MS = 30_000;

/** How often connections are looked at for silence. */
export const TIMEOUT_CHECK_INTERVAL_MS = 1_000;

/** A FastCGI server that is listening. */
export interface FastCgiServer {
  /** The address in force: with port 0, the port that the system chose. */
  readonly addr: ListenAddress;
  /** Resolves when the server has shut down and its last connection is closed. */
  readonly finished: Promise<void>;
  /**
   * Stops listening, refuses new requests on open connections (OVERLOADED: web servers go
   * elsewhere), lets those in flight finish for `grace` milliseconds (30,000 when left out), then
   * closes what is left. Resolves with {@link finished}.
   */
  shutdown(options?: { readonly grace?: number }): Promise<void>;
}

/**
 * Serves FastCGI (1.0, all three roles) with a fetch handler, many requests at a time on each
 * connection.
 *
 * @throws {AddressError} when `listen` cannot be read
 * @throws {ListenError} when the address is in use or not ours, or no listening socket was inherited
 * @throws {TypeError} when the handler is no function, or `listen` is missing
 * @throws {RangeError} when a limit or the socket's mode makes no sense, or FCGI_WEB_SERVER_ADDRS holds no IP addresses
 * @example
 * ```ts
 * import { serveFastCgi } from "afcgi";
 *
 * const server = await serveFastCgi(
 *   (request, info) => new Response(`${request.method} from ${info.remoteAddr}\n`),
 *   { listen: "127.0.0.1:0" },
 * );
 * await server.shutdown();
 * ```
 */
export async function serveFastCgi(
  handler: FastCgiHandler,
  options: ServeFastCgiOptions,
): Promise<FastCgiServer> {
  refuseMistaken(handler, options);
  const runtime = options.runtime ?? currentRuntime();
  const { listen } = options;
  const address = withSocketAccess(
    typeof listen === "string" ? parseListenAddress(listen) : listen,
    options,
  );
  const webServers = options.webServerAddrs === undefined
    ? WebServers.fromEnvironment(runtime.process)
    : new WebServers(options.webServerAddrs);
  const context = new ServerContext({
    handler,
    limits: readLimits(options),
    multiplex: options.multiplex ?? true,
    clock: runtime.clock,
    onError: options.onError,
  });
  const server = new Server(context, webServers);
  await server.listen((onConnection) =>
    address.transport === "inherited"
      ? runtime.listenInherited(address.descriptor, onConnection)
      : runtime.listen(address, onConnection)
  );
  return server;
}

/**
 * Who passes an app instead of its `fetch` would otherwise learn it from the first request.
 *
 * @throws {TypeError}
 */
function refuseMistaken(handler: unknown, options: Partial<ServeFastCgiOptions> | undefined): void {
  if (typeof handler !== "function") {
    const hasFetch = typeof (handler as { fetch?: unknown } | null)?.fetch === "function";
    throw new TypeError(
      `Cannot serve FastCGI: the handler is ${describeValue(handler)}, not a function` +
        (hasFetch ? ' (pass its "fetch": serveFastCgi(app.fetch, …))' : ""),
    );
  }
  if (options?.listen === undefined) {
    throw new TypeError('Cannot serve FastCGI: "listen" is missing (use "127.0.0.1:9000")');
  }
}

function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** @throws {RangeError} */
function readLimits(options: Partial<ResponderLimits>): ResponderLimits {
  const limits: Record<string, number> = {};
  for (const [name, byDefault] of Object.entries(RESPONDER_LIMIT_DEFAULTS)) {
    const value = options[name as keyof ResponderLimits] ?? byDefault;
    const isTimeout = name.endsWith("TimeoutMs");
    if (!(Number.isFinite(value) && value >= (isTimeout ? 0 : 1))) {
      throw new RangeError(
        `Cannot serve FastCGI: ${name} "${value}" is not ${isTimeout ? "0 or more" : "1 or more"}`,
      );
    }
    limits[name] = value;
  }
  return limits as unknown as ResponderLimits;
}

class Server implements FastCgiServer {
  readonly finished: Promise<void>;
  readonly #context: ServerContext;
  readonly #clock: Clock;
  readonly #connections = new Set<ResponderConnection>();
  readonly #resolveFinished: () => void;
  readonly #webServers: WebServers | undefined;
  #listener: ByteListener<ListenAddress> | undefined;
  #timeoutTimer: TimerId | undefined;
  #closing = false;

  constructor(context: ServerContext, webServers: WebServers | undefined) {
    this.#context = context;
    this.#webServers = webServers;
    this.#clock = context.clock;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.finished = promise;
    this.#resolveFinished = resolve;
  }

  get addr(): ListenAddress {
    return this.#listener!.address;
  }

  async listen(
    open: (
      onConnection: (connection: ByteConnection) => void,
    ) => Promise<ByteListener<ListenAddress>>,
  ): Promise<void> {
    this.#listener = await open((connection) => this.#accept(connection));
  }

  async shutdown(options: { readonly grace?: number } = {}): Promise<void> {
    if (this.#closing) return await this.finished;
    this.#closing = true;
    this.#listener?.close();
    for (const connection of this.#connections) connection.drain();
    const graceTimer = this.#clock.setTimer(
      () => this.#giveUp(),
      options.grace ?? SHUTDOWN_GRACE_MS,
    );
    void this.#context.workDone().then(() => this.#finishIfDone());
    await this.finished;
    this.#clock.clearTimer(graceTimer);
  }

  #accept(connection: ByteConnection): void {
    const context = this.#context;
    context.connectionsSeen++;
    const refusal = this.#refusal(connection.remote);
    if (refusal !== undefined) {
      const error = new Error(`Cannot take connection: ${refusal}`);
      context.report(error, { phase: "connection", peer: connection.remote });
      connection.destroy();
      return;
    }
    const served = new ResponderConnection(connection, context);
    this.#connections.add(served);
    context.connectionsOpen = this.#connections.size;
    this.#checkTimeoutsLater();
    void served.run().then(() => {
      this.#connections.delete(served);
      context.connectionsOpen = this.#connections.size;
      if (this.#connections.size === 0) this.#lookNoMore();
      if (this.#closing) void context.workDone().then(() => this.#finishIfDone());
    });
  }

  #refusal(peer: string): string | undefined {
    const { maxConnections } = this.#context.limits;
    if (this.#closing) return "shutting down";
    if (this.#connections.size >= maxConnections) return `${maxConnections} are open`;
    if (this.#webServers?.include(peer) === false) {
      return `${peer} is not one of the web servers ${this.#webServers}`;
    }
    return undefined;
  }

  #finishIfDone(): void {
    if (this.#connections.size === 0) this.#resolveFinished();
  }

  #giveUp(): void {
    for (const connection of this.#connections) connection.destroy();
    this.#resolveFinished();
  }

  /** Looks for silent connections as long as there are any. */
  #checkTimeoutsLater(): void {
    const { inputTimeoutMs, idleTimeoutMs } = this.#context.limits;
    if (this.#timeoutTimer !== undefined || (inputTimeoutMs === 0 && idleTimeoutMs === 0)) return;
    this.#timeoutTimer = this.#clock.setTimer(() => {
      this.#timeoutTimer = undefined;
      const nowMs = this.#clock.nowMs();
      for (const connection of this.#connections) connection.checkTimeouts(nowMs);
      if (this.#connections.size > 0) this.#checkTimeoutsLater();
    }, TIMEOUT_CHECK_INTERVAL_MS);
  }

  /** A timer that nobody needs would hold up the end of the process. */
  #lookNoMore(): void {
    if (this.#timeoutTimer !== undefined) this.#clock.clearTimer(this.#timeoutTimer);
    this.#timeoutTimer = undefined;
  }
}
