/**
 * Any Web-standard fetch handler behind our own HTTP servers: HTTP/1.1 and HTTP/2, with and without
 * TLS, over TCP and unix sockets, with the same limits as the gateway's listeners.
 */
import { Http2Connection } from "../http2/connection.ts";
import type { Http2Limits } from "../http2/limits.ts";
import { NO_OBSERVER } from "../http2/observer.ts";
import {
  type Admission,
  CONNECTION_TIMEOUTS,
  type HttpListener,
  serveHttp1,
  type ServerTls,
} from "../http1/server.ts";
import type { OpenHttp2 } from "../http1/connection_server.ts";
import { type Address, AddressError, parseListenAddress } from "../runtime/address.ts";
import type { Clock } from "../runtime/clock.ts";
import { currentRuntime } from "../runtime/current.ts";
import { withSocketAccess } from "../runtime/socket_access.ts";
import type { TlsNetwork } from "../runtime/tls.ts";
import { createFetchHandler } from "./fetch_handler.ts";
import { readHttp2Limits, readLimits } from "./limits.ts";
import type {
  HttpErrorContext,
  HttpHandler,
  HttpServer,
  ServeHttpLimits,
  ServeHttpOptions,
  ServeHttpTls,
} from "./options.ts";

/** How long requests in flight may take after {@link HttpServer.shutdown}. */
export const SHUTDOWN_GRACE_MS = 30_000;

/**
 * Serves HTTP/1.1 and HTTP/2 with a fetch handler, on either runtime.
 *
 * @throws {AddressError} when `listen` cannot be read
 * @throws {ListenError} when the address is in use or not ours
 * @throws {TlsError} when certificate and key cannot be used together
 * @throws {TypeError} when the handler is no function, or `listen` is missing
 * @throws {RangeError} when a limit or the socket's mode makes no sense
 * @example
 * ```ts
 * import { serveHttp } from "afcgi";
 *
 * const server = await serveHttp(
 *   (request, info) => new Response(`${request.method} over ${info.protocol}\n`),
 *   { listen: "127.0.0.1:0" },
 * );
 * await server.shutdown();
 * ```
 */
export async function serveHttp(
  handler: HttpHandler,
  options: ServeHttpOptions,
): Promise<HttpServer> {
  refuseMistaken(handler, options);
  const runtime = options.runtime ?? currentRuntime();
  const limits = readLimits(options);
  const server = new Server(runtime.clock, options.onError);
  const { tls } = options;
  const http2 = readHttp2Limits(options.http2 ?? true);
  await server.listen((deps) =>
    serveHttp1(runtime, {
      address: readAddress(options),
      requestHeadersLengthMax: limits.headersLengthMax,
      requestsMax: limits.maxRequestsPerConnection,
      timeouts: {
        ...CONNECTION_TIMEOUTS,
        handshakeMs: limits.handshakeTimeoutMs,
        headersMs: limits.headersTimeoutMs,
        idleMs: limits.idleTimeoutMs,
        sendMs: limits.sendTimeoutMs,
      },
      admission: new ConnectionBound(limits),
      ...(tls && { tls: serverTls(tls, runtime.tls, deps.report) }),
      ...(http2 && { openHttp2: openHttp2(http2, deps.report) }),
      onFailure: (error) => deps.report(error, "response", ""),
      onBodyFailure: (error, host) => deps.report(error, "handler", host),
      handler: createFetchHandler({ handler, ...deps }),
    })
  );
  return server;
}

type Report = (error: unknown, phase: HttpErrorContext["phase"], peer: string) => void;

/** Who passes an app instead of its `fetch` would otherwise learn it from the first request. */
function refuseMistaken(handler: unknown, options: Partial<ServeHttpOptions> | undefined): void {
  if (typeof handler !== "function") {
    const hasFetch = typeof (handler as { fetch?: unknown } | null)?.fetch === "function";
    throw new TypeError(
      "Cannot serve HTTP: the handler is not a function" +
        (hasFetch ? ' (pass its "fetch": serveHttp(app.fetch, …))' : ""),
    );
  }
  if (options?.listen === undefined) {
    throw new TypeError('Cannot serve HTTP: "listen" is missing (use "127.0.0.1:8080")');
  }
}

/** @throws {AddressError} */
function readAddress(options: ServeHttpOptions): Address {
  const { listen } = options;
  const parsed = typeof listen === "string" ? parseListenAddress(listen) : listen;
  const address = withSocketAccess(parsed, options, "HTTP");
  if (address.transport !== "inherited") return address;
  throw new AddressError(
    `Cannot serve HTTP on "fd:${address.descriptor}": use an address, or "unix:/path"`,
  );
}

/** @throws {TlsError} */
function serverTls(
  { cert, key, min, ciphers, forName }: ServeHttpTls,
  tls: TlsNetwork,
  report: Report,
): ServerTls {
  const own = { cert, key };
  tls.checkIdentity(own);
  return {
    identify: async (serverName) =>
      (serverName === "" ? undefined : await forName?.(serverName)) ?? own,
    versionMin: min,
    ciphers,
    onHandshakeFailed: ({ host }, message) => report(new Error(message), "connection", host),
  };
}

function openHttp2(limits: Http2Limits, report: Report): OpenHttp2 {
  const observer = {
    ...NO_OBSERVER,
    onGoaway: (_: unknown, { host }: { host: string }, error: unknown) => {
      if (error !== undefined) report(error, "connection", host);
    },
  };
  return (server, socket) => new Http2Connection(server, socket, { limits, observer });
}

/** So many connections at once. */
class ConnectionBound implements Admission {
  readonly #max: number;
  #open = 0;

  constructor({ maxConnections }: ServeHttpLimits) {
    this.#max = maxConnections;
  }

  admit(): boolean {
    if (this.#open >= this.#max) return false;
    this.#open++;
    return true;
  }

  leave(): void {
    this.#open--;
  }
}

interface ServerDeps {
  readonly report: Report;
  addWork(work: Promise<unknown>, peer: string): void;
}

class Server implements HttpServer {
  readonly finished: Promise<void>;
  readonly #resolveFinished: () => void;
  readonly #clock: Clock;
  readonly #onError: NonNullable<ServeHttpOptions["onError"]>;
  readonly #work = new Set<Promise<unknown>>();
  #listener!: HttpListener;
  #isClosing = false;

  constructor(clock: Clock, onError: ServeHttpOptions["onError"]) {
    this.#clock = clock;
    this.#onError = onError ?? tellOnConsole;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.finished = promise;
    this.#resolveFinished = resolve;
  }

  get addr(): Address {
    return this.#listener.address;
  }

  async listen(open: (deps: ServerDeps) => Promise<HttpListener>): Promise<void> {
    this.#listener = await open({
      report: (error, phase, peer) => this.#report(error, { phase, peer }),
      addWork: (work, peer) => this.#addWork(work, peer),
    });
  }

  async shutdown({ grace = SHUTDOWN_GRACE_MS }: { readonly grace?: number } = {}): Promise<void> {
    if (this.#isClosing) return await this.finished;
    this.#isClosing = true;
    const { promise: graceOver, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(resolve, grace);
    await Promise.race([graceOver, this.#listener.stop().then(() => this.#workDone())]);
    this.#clock.clearTimer(timer);
    this.#listener.destroy();
    this.#resolveFinished();
  }

  async #workDone(): Promise<void> {
    while (this.#work.size > 0) await Promise.allSettled(this.#work);
  }

  #addWork(work: Promise<unknown>, peer: string): void {
    const settled: Promise<unknown> = Promise.resolve(work)
      .catch((error: unknown) => this.#report(error, { phase: "wait_until", peer }))
      .finally(() => this.#work.delete(settled));
    this.#work.add(settled);
  }

  /** Tells the server's owner; an error of the owner's callback goes no further. */
  #report(error: unknown, context: HttpErrorContext): void {
    try {
      this.#onError(error, context);
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** What the handler itself did; clients could fill a console with the rest. */
function tellOnConsole(error: unknown, { phase }: HttpErrorContext): void {
  if (phase === "handler" || phase === "response" || phase === "wait_until") {
    console.error("afcgi:", error);
  }
}
