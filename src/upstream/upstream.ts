/**
 * An application, on one server or several: takes a request, finds it a server and a connection or a
 * place in the queue, and sees to it that it is tried again where that is safe (`attempts.ts`).
 *
 * It does not know how requests share a connection, nor HTTP.
 */
import { CgiHeaderCache } from "../protocol/cgi_response.ts";
import { currentRuntime } from "../runtime/current.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type Attempts, mayRetry, noAttempts, shouldWait, takesAnyRoom } from "./attempts.ts";
import { BodyPreparation } from "./body_preparation.ts";
import { Deadlines } from "./deadlines.ts";
import { type ExchangePhase, UpstreamError } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangeContext } from "./exchange_context.ts";
import { OpenRequests } from "./open_requests.ts";
import { SILENT_OBSERVER, type UpstreamObserver } from "./observer.ts";
import {
  fillUpstreamOptions,
  type ServerOptions,
  type UpstreamOptions,
  type UpstreamSettings,
} from "./options.ts";
import type { UpstreamRequest, UpstreamResponse } from "./request.ts";
import { EMPTY_PAYLOAD, type Payload } from "./request_body.ts";
import type { Server } from "./server.ts";
import type { ServerOwner } from "./server_deps.ts";
import { ServerSet } from "./server_set.ts";
import { SpillSpace } from "./spill_space.ts";
import { BufferMemory } from "./buffer_memory.ts";
import { requestKeyHash } from "./sticky_hash.ts";
import { StoppableWaits } from "./stoppable_waits.ts";
import { Tunnels } from "./tunnels.ts";
import type { ShareListener, UpstreamShare } from "./upstream_share.ts";
import { noteTried, throwsAway } from "./thrown_away.ts";
import { WaitingQueue } from "./waiting_queue.ts";

export interface UpstreamDeps {
  /** The one we run on, when left out. */
  readonly runtime?: Runtime;
  /** Who counts and logs; nobody, when left out. */
  readonly observer?: UpstreamObserver;
  /** The disk that its temporary files share with those of others; its own, when left out. */
  readonly space?: SpillSpace;
  /** What all buffers share; left out: this upstream has memory of its own. */
  readonly memory?: BufferMemory;
  /** The same upstream in other threads; none, when left out. */
  readonly share?: UpstreamShare | undefined;
  /** For moments that should not be the same everywhere; `Math.random`, when left out. */
  readonly random?: () => number;
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
export class Upstream implements ServerOwner<Server> {
  #options: UpstreamOptions;
  readonly #listener: ShareListener;
  readonly #runtime: Runtime;
  readonly #observer: UpstreamObserver;
  readonly #deadlines: Deadlines;
  readonly #servers: ServerSet;
  /** Undefined unless requests are kept together by its value. */
  readonly #keyName: string | undefined;
  readonly #queue: WaitingQueue<Exchange>;
  readonly #context: ExchangeContext<Exchange>;
  #connectionNumber = 0;
  /** Requests from `send` to the end of their response. */
  readonly #open: OpenRequests;
  #draining = false;
  #cut = false;
  readonly #bodies: BodyPreparation;
  readonly #share: UpstreamShare | undefined;
  /** What else is to be stopped when the rest is cut: gathering, waiting for a retry. */
  readonly #waits = new StoppableWaits();
  readonly #tunnels: Tunnels;

  /**
   * @throws {AddressError} when an address cannot be read
   * @throws {RangeError} when there is no server
   */
  constructor(settings: string | UpstreamSettings, deps: UpstreamDeps = {}) {
    const options = fillUpstreamOptions(settings);
    const runtime = deps.runtime ?? currentRuntime();
    this.#options = options;
    this.#runtime = runtime;
    this.#observer = deps.observer ?? SILENT_OBSERVER;
    this.#deadlines = new Deadlines(runtime.clock);
    // Not while the last of them is still being answered.
    const collect = () => runtime.clock.atTurnEnd(() => runtime.collectGarbage());
    this.#open = new OpenRequests(runtime.clock, collect);
    const share = this.#share = deps.share;
    this.#tunnels = new Tunnels(options, share);
    this.#queue = new WaitingQueue(options.queue.lengthMax, share);
    this.#keyName = options.balance === "hash" ? options.hash : undefined;
    const memory = deps.memory ?? new BufferMemory();
    this.#servers = new ServerSet({
      runtime,
      memory,
      deadlines: this.#deadlines,
      observer: this.#observer,
      owner: this,
      share,
      options,
      random: deps.random ?? Math.random,
      onChange: () => this.#onServersChanged(),
    });
    const space = deps.space ?? new SpillSpace(runtime.clock);
    this.#bodies = new BodyPreparation({
      files: runtime.files,
      space,
      memory,
      deadlines: this.#deadlines,
      timeoutMs: options.timeouts.firstByteMs,
      waits: this.#waits,
      multiplexes: () => {
        const { servers } = this.#servers.balancer;
        return servers.length > 0 && servers.every(({ mode }) => mode === "multiplexed");
      },
      streams: options.protocol === "http",
    });
    this.#context = {
      options,
      deadlines: this.#deadlines,
      files: runtime.files,
      space,
      memory,
      headerCache: new CgiHeaderCache(),
      observer: this.#observer,
      onDone: (exchange) => this.#leaveQueue(exchange),
    };
    this.#listener = {
      onRung: () => this.#servers.rung(() => this.onRoom()),
      onTurn: () => {
        this.onRoom();
        if (this.#queue.length > 0) this.#servers.share("ask");
      },
      onBeat: () => this.#servers.share("follow"),
      onNews: (server, news) => this.#servers.hear(server, news),
    };
    share?.attach(this.#listener);
  }

  get options(): UpstreamOptions {
    return this.#options;
  }

  /** Those behind names come and go; one that is leaving has requests left. */
  get servers(): readonly Server[] {
    return this.#servers.all;
  }

  /** With `supplied`: requests go to these now. Resolves when those that left have none left. */
  async useServers(servers: readonly ServerOptions[]): Promise<void> {
    await Promise.all([this.#servers.use(servers), this.#share?.supply(servers)]);
  }

  /**
   * Another configuration has these servers, and is the same but for them: those that stay keep what
   * they have, the others finish it.
   */
  configureServers(servers: readonly ServerOptions[]): void {
    this.#options = { ...this.#options, servers };
    this.#servers.configure(servers);
  }

  /** Requests that have left HTTP, or want to. */
  get tunnelsOpen(): number {
    return this.#tunnels.open;
  }

  get queueLength(): number {
    return this.#queue.length;
  }

  /** Requests that have no complete response yet, those in the queue among them. */
  get requestsOpen(): number {
    return this.#open.count;
  }

  /**
   * Sends a request; resolves when the header section of its response is complete.
   *
   * @throws {UpstreamError}
   */
  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    let payload = EMPTY_PAYLOAD;
    this.#open.begin();
    try {
      if (this.#draining) throw this.#error("draining", "is being drained");
      const isEmpty = request.body === undefined && request.data === undefined;
      if (!isEmpty) payload = await this.#bodies.prepare(request);
      else if (request.http?.tunnel !== undefined) payload = this.#tunnels.begin();
      const attempts = noAttempts(
        this.#deadlines.after(this.options.timeouts.totalMs),
        requestKeyHash(request, payload.body?.length, this.#keyName),
        this.options.retry.methods.includes(request.method),
      );
      for (;;) {
        if (this.#cut) throw this.#error("draining", "is being drained");
        const exchange = this.#attempt(request, payload, attempts);
        try {
          await exchange.answered;
          const response = exchange.takeResponse();
          if (throwsAway(exchange, response, this.#servers.balancer, this.#context)) continue;
          exchange.afterDone(this.#close);
          return response;
        } catch (error) {
          await this.#beforeRetry(error, exchange, payload);
        }
      }
    } catch (error) {
      this.#close(payload);
      if (error instanceof UpstreamError) this.#observer.onError(this.options.name, error.code);
      throw error;
    }
  }

  /**
   * Takes nothing new; what has begun may go on for `graceMs`, then the rest is cut. Resolves when
   * nothing is left: no request, connection or timer. Called again it can only shorten the grace.
   */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    if (graceMs > 0) await this.#open.idle(graceMs);
    this.#cut = true;
    const error = (phase: ExchangePhase) =>
      this.#error("draining", "was stopped before its response was whole", phase);
    // Every attempt that is not over has a time limit.
    for (const holder of this.#deadlines.holders()) {
      if (holder instanceof Exchange) holder.fail(error(holder.phase));
    }
    this.#waits.stopAll(() => error("queue"));
    await this.#open.idle(0);
    await this.#servers.close();
    this.#share?.detach(this.#listener);
    this.#deadlines.close();
  }

  // What servers ask and tell.

  get hasWaiting(): boolean {
    return this.#queue.length > 0;
  }

  nextConnectionNumber(): number {
    return ++this.#connectionNumber;
  }

  onRoom(server?: Server): void {
    if (server !== undefined) this.#servers.balancer.changed(server);
    for (const exchange of this.#queue) {
      if (this.#place(exchange)) this.#leaveQueue(exchange);
      // One that does not want every server must not hold up those behind it.
      else if (takesAnyRoom(exchange.attempts)) return;
    }
  }

  onFailed(server: Server, error: UpstreamError): void {
    const { code, message, phase, fault, cause } = error;
    // We have no descriptor for a connection: what waits for this server alone need not wait on.
    const isLocal = code === "local_limit";
    if (!isLocal) this.#servers.onConnectFailed(server);
    // Whoever supplies servers has taken it away already, and has others or will.
    if (this.options.supplied && server.isLeaving) return;
    for (const exchange of this.#queue) {
      const { attempts } = exchange;
      // It would only make the same server fail again, at once and without end.
      const isHopeless = this.#servers.balancer.candidates(attempts.tried).every((one) =>
        one.isEjected || (isLocal && one === server)
      );
      if (!isHopeless) continue;
      attempts.server = server;
      const failure = new UpstreamError(code, message, { phase, fault, cause });
      failure.server = server.address;
      exchange.fail(failure);
    }
    // The next attempt would fail at once, and the one behind that.
    if (!isLocal) this.onRoom();
  }

  /** Throws the error again when the request may not be tried once more. */
  async #beforeRetry(error: unknown, exchange: Exchange, payload: Payload): Promise<void> {
    if (!(error instanceof UpstreamError)) throw error;
    if (!this.#retries(error, exchange, payload)) throw error;
    const { request, attempts } = exchange;
    if (shouldWait(error, attempts, this.#hasOthers(attempts))) {
      await this.#waits.pause(this.#runtime.clock, this.options.retry.delayMs, request.signal);
    }
  }

  #attempt(request: UpstreamRequest, payload: Payload, attempts: Attempts): Exchange {
    attempts.count++;
    attempts.server = undefined;
    const exchange = new Exchange(this.#context, request, payload, attempts);
    if (this.#queue.length > 0 || !this.#place(exchange)) this.#enqueue(exchange);
    return exchange;
  }

  #place(exchange: Exchange): boolean {
    if (this.#servers.mustWait()) return false;
    const connection = this.#servers.balancer.place(exchange.attempts);
    if (connection === undefined) return false;
    exchange.placeOn(connection);
    return true;
  }

  #enqueue(exchange: Exchange): void {
    const none = this.#servers.whyNone();
    if (none !== undefined) {
      exchange.fail(none);
      return;
    }
    const isFirst = this.#queue.length === 0;
    if (this.#queue.push(exchange)) {
      exchange.watchClient();
      // Those before it may be waiting for one server only.
      if (!isFirst || this.#share !== undefined) this.onRoom();
      if (this.#queue.length > 0) this.#servers.share("ask");
      return;
    }
    this.#observer.onQueueRejected(this.options.name);
    const waiting = this.#share?.queueLength ?? this.#queue.length;
    exchange.fail(this.#error("queue_full", `has ${waiting} requests waiting already`));
  }

  /** Notes what the failed attempt has shown, and says whether there may be another. */
  #retries(error: UpstreamError, exchange: Exchange, payload: Payload): boolean {
    const { attempts, request: { method, nextServer } } = exchange;
    noteTried(attempts);
    if (error.code === "cannot_multiplex") attempts.server?.stopMultiplexing();
    const hasOthers = this.#hasOthers(attempts);
    const { options } = this;
    const asked = { error, attempts, method, hasOthers, options, nextServer };
    if (!mayRetry({ ...asked, bodyIsThere: payload.isThere })) return false;
    attempts.wantsFreshConnection = error.code === "connection_lost" && exchange.wasKept;
    attempts.wantsAlone ||= error.code === "connection_lost" && error.sent;
    this.#observer.onRetry(options.name, error.code);
    return true;
  }

  #hasOthers({ tried }: Attempts): boolean {
    return this.#servers.balancer.servers.some((server) => !tried.has(server));
  }

  /** Requests that wait may find a server now, or learn that there is none. */
  #onServersChanged(): void {
    for (const exchange of this.#queue) {
      const none = this.#servers.whyNone();
      if (none === undefined) break;
      exchange.fail(none);
    }
    this.onRoom();
  }

  /** May be called for one that is not in the queue. */
  #leaveQueue(exchange: Exchange): void {
    if (!this.#queue.remove(exchange)) return;
    const waitedMs = this.#deadlines.nowMs() - exchange.startedMs;
    this.#observer.onQueueLeft(this.options.name, waitedMs);
  }

  /** A request is over, and what it held. */
  readonly #close = (payload: Payload): void => {
    payload.close();
    this.#open.end();
  };

  #error(
    code: "draining" | "queue_full",
    what: string,
    phase: ExchangePhase = "queue",
  ): UpstreamError {
    return new UpstreamError(code, `Upstream "${this.options.name}" ${what}`, { phase });
  }
}
