/**
 * An application, on one server or several: takes a request, finds it a server and a connection or a
 * place in the queue, and sees to it that it is tried again where that is safe (`attempts.ts`).
 *
 * It does not know how requests share a connection, nor HTTP.
 */
import { Role } from "../protocol/constants.ts";
import { currentRuntime } from "../runtime/current.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type Attempts, mayRetry, noAttempts, shouldWait } from "./attempts.ts";
import { Balancer } from "./balancer.ts";
import { Deadlines } from "./deadlines.ts";
import { UpstreamError } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import { SILENT_OBSERVER, type UpstreamObserver } from "./observer.ts";
import { fillUpstreamOptions, type UpstreamOptions, type UpstreamSettings } from "./options.ts";
import type { UpstreamRequest, UpstreamResponse } from "./request.ts";
import {
  EMPTY_PAYLOAD,
  gatherBody,
  Payload,
  type RequestBody,
  type SendableBody,
  StreamedBody,
} from "./request_body.ts";
import { Server, type ServerOwner } from "./server.ts";
import { WaitingQueue } from "./waiting_queue.ts";

export interface UpstreamParts {
  /** The one we run on, when left out. */
  readonly runtime?: Runtime;
  /** Who counts and logs; nobody, when left out. */
  readonly observer?: UpstreamObserver;
}

/**
 * @example
 * ```ts
 * import { Upstream } from "afcgi";
 *
 * const upstream = new Upstream("unix:/run/app.sock");
 * await upstream.drain(0);
 * ```
 */
export class Upstream implements ServerOwner {
  readonly options: UpstreamOptions;
  readonly #runtime: Runtime;
  readonly #observer: UpstreamObserver;
  readonly #deadlines: Deadlines;
  readonly #servers: readonly Server[];
  readonly #balancer: Balancer;
  readonly #queue: WaitingQueue<Exchange>;
  /** Attempts that are not over. */
  readonly #exchanges = new Set<Exchange>();
  #connectionNumber = 0;
  #draining = false;
  #onIdle: (() => void) | undefined;

  /**
   * @throws {AddressError} when an address cannot be read
   * @throws {RangeError} when there is no server
   */
  constructor(settings: string | UpstreamSettings, parts: UpstreamParts = {}) {
    const options = fillUpstreamOptions(settings);
    const runtime = parts.runtime ?? currentRuntime();
    this.options = options;
    this.#runtime = runtime;
    this.#observer = parts.observer ?? SILENT_OBSERVER;
    this.#deadlines = new Deadlines(runtime.clock);
    this.#servers = options.servers.map((server) =>
      new Server({
        runtime,
        deadlines: this.#deadlines,
        owner: this,
        server,
        options,
      })
    );
    this.#balancer = new Balancer(this.#servers, options.balance);
    this.#queue = new WaitingQueue(options.queue.lengthMax);
  }

  get servers(): readonly Server[] {
    return this.#servers;
  }

  get queueLength(): number {
    return this.#queue.length;
  }

  /** Requests that have no complete answer yet, those in the queue among them. */
  get requestsOpen(): number {
    return this.#exchanges.size;
  }

  /**
   * Sends a request; resolves when the head of its answer is complete.
   *
   * @throws {UpstreamError}
   */
  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    const payload = await this.#prepare(request);
    try {
      return await this.#sendUntilAnswered(request, payload);
    } catch (error) {
      payload.close();
      if (error instanceof UpstreamError) this.#observer.onError(this.options.name, error.code);
      throw error;
    }
  }

  /** Takes nothing new; resolves when nothing is open, or after `graceMs` with the rest cut. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    if (this.#exchanges.size > 0) {
      const { clock } = this.#runtime;
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(resolve, graceMs);
        this.#onIdle = () => {
          clock.clearTimer(timer);
          resolve();
        };
      });
    }
    for (const exchange of [...this.#exchanges]) {
      exchange.fail(this.#error("draining", `was not done within ${graceMs} ms of grace`));
    }
    for (const server of this.#servers) server.close();
    this.#deadlines.close();
  }

  // What servers ask and tell.

  nextConnectionNumber(): number {
    return ++this.#connectionNumber;
  }

  onRoom(): void {
    for (let first = this.#queue.first; first !== undefined; first = this.#queue.first) {
      if (!this.#place(first)) return;
      this.#queue.remove(first);
    }
  }

  onFailed(server: Server, error: UpstreamError): void {
    const isHopeless = this.#servers.every((other) => other === server || other.isResting);
    if (!isHopeless) {
      this.onRoom();
      return;
    }
    for (const exchange of this.#queue.takeAll()) {
      exchange.attempts.server = server;
      exchange.attempts.tried.add(server);
      const { code, message, phase, cause } = error;
      exchange.fail(new UpstreamError(code, message, { phase, cause }));
    }
  }

  onPaused(): void {
    this.#observer.onPaused(this.options.name);
  }

  onAborted(): void {
    this.#observer.onAborted(this.options.name);
  }

  async #sendUntilAnswered(
    request: UpstreamRequest,
    payload: Payload,
  ): Promise<UpstreamResponse> {
    const attempts = noAttempts();
    for (;;) {
      if (this.#draining) throw this.#error("draining", "is being drained");
      const exchange = this.#attempt(request, payload, attempts);
      try {
        await exchange.answered;
        const response = exchange.takeResponse();
        exchange.afterDone(() => payload.close());
        return response;
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        if (!this.#retries(error, exchange, payload)) throw error;
        if (shouldWait(error, attempts, this.#servers.length)) await this.#retryDelay(request);
      }
    }
  }

  async #prepare(request: UpstreamRequest): Promise<Payload> {
    const { body, data, role } = request;
    if (body === undefined && data === undefined) return EMPTY_PAYLOAD;
    return new Payload(
      body && await this.#prepareBody(body, role),
      data && await this.#prepareBody(data, role),
    );
  }

  /**
   * A body of known length is streamed to an application that multiplexes: a slow upload holds no
   * worker there. Else it is gathered first, which also gives a chunked one its exact length.
   */
  async #prepareBody(body: RequestBody, role: Role): Promise<SendableBody> {
    const canStream = role === Role.RESPONDER && body.length !== undefined &&
      this.#servers.every((server) => server.mode === "multiplexed");
    if (canStream) return new StreamedBody(body.stream, body.length!);
    try {
      return await gatherBody(body, this.#runtime.files);
    } catch (cause) {
      throw new UpstreamError("request_body_failed", "Cannot read the request's body", {
        phase: "queue",
        fault: "client",
        cause,
      });
    }
  }

  #attempt(request: UpstreamRequest, payload: Payload, attempts: Attempts): Exchange {
    attempts.count++;
    attempts.server = undefined;
    const exchange = new Exchange({
      request,
      start: {
        role: request.role,
        params: request.params(payload.body?.length),
        stdin: payload.body?.reader(),
        data: payload.data?.reader(),
      },
      options: this.options,
      deadlines: this.#deadlines,
      files: this.#runtime.files,
      attempts,
      repeatable: this.options.retry.methods.includes(request.method),
      observer: this.#observer,
      onDone: this.#forget,
    });
    this.#exchanges.add(exchange);
    if (request.signal?.aborted) exchange.fail(clientGone());
    else if (this.#queue.length > 0 || !this.#place(exchange)) this.#enqueue(exchange);
    return exchange;
  }

  #place(exchange: Exchange): boolean {
    for (const server of this.#balancer.order(exchange.attempts.tried)) {
      const connection = server.place(exchange);
      if (connection === undefined) continue;
      exchange.attempts.server = server;
      exchange.placeOn(connection);
      return true;
    }
    return false;
  }

  #enqueue(exchange: Exchange): void {
    if (this.#queue.push(exchange)) return;
    this.#observer.onQueueRejected(this.options.name);
    exchange.fail(this.#error("queue_full", `has ${this.#queue.length} requests waiting already`));
  }

  /** Notes what the failed attempt has shown, and says whether there may be another. */
  #retries(error: UpstreamError, exchange: Exchange, payload: Payload): boolean {
    const { attempts } = exchange;
    const { method } = exchange.request;
    if (attempts.server !== undefined) attempts.tried.add(attempts.server);
    if (error.code === "cannot_multiplex") attempts.server?.stopMultiplexing();
    const bodyIsThere = payload.isThere;
    const { options } = this;
    if (!mayRetry({ error, attempts, method, bodyIsThere, options })) return false;
    attempts.wantsFreshConnection = error.code === "connection_lost" && exchange.wasKept;
    this.#observer.onRetry(options.name, error.code);
    return true;
  }

  #retryDelay(request: UpstreamRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const { clock } = this.#runtime;
      const onAbort = (): void => {
        clock.clearTimer(timer);
        reject(clientGone());
      };
      const timer = clock.setTimer(() => {
        request.signal?.removeEventListener("abort", onAbort);
        resolve();
      }, this.options.retry.delayMs);
      request.signal?.addEventListener("abort", onAbort);
    });
  }

  readonly #forget = (exchange: Exchange): void => {
    this.#exchanges.delete(exchange);
    this.#queue.remove(exchange);
    if (this.#exchanges.size === 0) this.#onIdle?.();
  };

  #error(code: "draining" | "queue_full", what: string): UpstreamError {
    return new UpstreamError(code, `Upstream "${this.options.name}" ${what}`, { phase: "queue" });
  }
}

function clientGone(): UpstreamError {
  return new UpstreamError("client_gone", "The client left before its answer was complete", {
    phase: "queue",
    fault: "client",
  });
}
