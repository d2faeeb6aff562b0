/**
 * One server of an upstream, and what is known of it.
 *
 * Whether requests may share a connection is asked once (`multiplex: auto`), as soon as there is the
 * server, and remembered; it is asked again after the server was down or was too busy to read the
 * question, and CANT_MPX_CONN at any time means "no" from then on. Requests that come while the
 * question is open wait a moment, then each goes on a connection of its own.
 *
 * After a failed connect it is ejected while there are others; then one new connection is the
 * trial, and the others stay away until it stands. With `health` it is asked whether it is well;
 * with `slow_start` its weight grows from a small one once it is back.
 *
 * Connections of the one kind and of the other never serve side by side: when what is known changes,
 * those of the old kind drain.
 *
 * It does not know the queue, nor other servers, nor which of its connections is taken.
 */
import { formatAddress } from "../runtime/address.ts";
import { ConnectError } from "../runtime/network.ts";
import { ApplicationTraits, type Trait } from "./application_traits.ts";
import { UpstreamConnection } from "./connection.ts";
import { connectionError, isFull, isLocal } from "./connection_errors.ts";
import { ConnectionLimit } from "./connection_limit.ts";
import type { ConnectionOwner } from "./connection_deps.ts";
import type { UpstreamError } from "./errors.ts";
import type { HealthResult } from "./health_check.ts";
import { HealthWatch } from "./health_watch.ts";
import { limitsOf, multiplexes, type Negotiation } from "./negotiation.ts";
import type { ServerOptions } from "./options.ts";
import { ServerConnections } from "./server_connections.ts";
import { ServerWeight } from "./server_weight.ts";
import type { ServerDeps } from "./server_deps.ts";
import { ServerQuestion } from "./server_question.ts";
import type { PlaceRequest } from "./single_connections.ts";
import { hashText } from "./sticky_hash.ts";

/** How long a server that failed is passed over while there are others, in milliseconds. */
export const FAILED_SERVER_REST_MS = 10_000;

/** What is known of how requests may be sent. */
export type ServerMode = "unknown" | "asking" | "multiplexed" | "single";

export class Server implements ConnectionOwner<UpstreamConnection> {
  readonly address: string;
  /** Its part of what {@link draw} needs. */
  readonly hash: number;
  readonly #weight: ServerWeight;
  #isBackup: boolean;
  readonly #health: HealthWatch | undefined;
  #isLeaving = false;
  readonly #deps: ServerDeps<Server>;
  readonly #connections: ServerConnections;
  readonly #limit: ConnectionLimit;
  readonly #traits: ApplicationTraits;
  readonly #question: ServerQuestion;
  /** Whether a request made us ask, and whether one has come since. */
  #isAskedForRequest = false;
  #isWaitedFor = false;
  #mode: ServerMode;
  #failedUntilMs = 0;
  #closed = false;
  #onEmpty: (() => void)[] = [];

  constructor(deps: ServerDeps<Server>) {
    this.#deps = deps;
    const { server, options } = deps;
    this.address = formatAddress(server.address);
    this.hash = hashText(this.address);
    this.#weight = new ServerWeight(server.weight, options.slowStartMs);
    this.#isBackup = server.backup;
    this.#traits = new ApplicationTraits((trait) => this.#onTrait(trait));
    this.#limit = new ConnectionLimit(options.connections.max, options.protocol === "http");
    this.#connections = this.#createConnections();
    this.#question = this.#createQuestion();
    this.#mode = this.#configuredMode();
    if (options.health.intervalMs > 0) this.#health = this.#watchHealth();
    if (this.#mode === "unknown") this.#ask();
  }

  /** Its share beside the others'; where it grows, that of the last {@link Server.grow}. */
  get weight(): number {
    return this.#weight.value;
  }

  get isBackup(): boolean {
    return this.#isBackup;
  }

  /** False once active checks have found it down. */
  get isUp(): boolean {
    return this.#health?.isUp ?? true;
  }

  /** Whether it only finishes what it has. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  get mode(): ServerMode {
    return this.#mode;
  }

  get connectionsMax(): number {
    return this.#mode === "multiplexed" ? this.#limit.shared : this.#limit.single;
  }

  get connections(): ReadonlySet<UpstreamConnection> {
    return this.#connections.all;
  }

  /** Requests on all connections. */
  get streams(): number {
    return this.#connections.streams;
  }

  get requestsBegun(): number {
    return this.#connections.requestsBegun;
  }

  /** Whether it failed a moment ago. It is used all the same where there is no other. */
  get isEjected(): boolean {
    return this.#deps.deadlines.nowMs() < this.#failedUntilMs;
  }

  /** A connection on which a request may begin now; undefined when it has to wait. */
  place(request: PlaceRequest): UpstreamConnection | undefined {
    if (this.#closed) return undefined;
    switch (this.#mode) {
      case "multiplexed":
        return this.#connections.placeShared(request);
      case "single":
        return this.#connections.placeAlone(request);
      case "unknown":
        this.#ask();
        this.#isAskedForRequest = true;
        return undefined;
      case "asking":
        this.#isWaitedFor = true;
        return this.#question.isLong ? this.#connections.placeAlone(request) : undefined;
    }
  }

  /** The application has said CANT_MPX_CONN. */
  stopMultiplexing(): void {
    if (this.#mode !== "single") this.#know("single");
  }

  /** A name's records can change what a server counts. */
  configure({ weight, backup }: ServerOptions): void {
    this.#isBackup = backup;
    this.#weight.configure(weight);
  }

  /** Takes up its share little by little, where a slow start is configured. */
  startSlowly(): void {
    this.#shrink();
    this.#weight.startGrowing(this.#deps.deadlines.nowMs());
  }

  /** Sets the weight of this moment; false when it is the full one. */
  grow(): boolean {
    return this.#weight.grow(this.#deps.deadlines.nowMs());
  }

  /** Takes nothing new; what is in flight may end. The keeper is told when nothing is left. */
  leave(): void {
    this.#isLeaving = true;
    void this.#health?.stop();
    this.#question.forget();
    this.#connections.drain();
    this.#onEmpty.push(() => this.#isLeaving && this.#deps.keeper.onGone(this));
    this.#announceEmpty();
  }

  /** Is a server of the upstream again. */
  rejoin(): void {
    this.#isLeaving = false;
    this.#health?.start();
  }

  /** Closes all connections at once; requests on them are lost. Resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#question.stop();
    this.#connections.close();
    await this.#health?.stop();
    if (!this.#isEmpty) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  // What connections ask and tell.

  get hasWaiting(): boolean {
    return this.#deps.owner.hasWaiting;
  }

  onOpen(): void {
    this.#traits.connected();
    this.#deps.owner.onConnected(this);
    this.#recover();
  }

  onRoom(connection: UpstreamConnection): void {
    if (!connection.multiplexed) this.#connections.rest(connection);
    this.#deps.owner.onRoom();
  }

  onPaused(): void {
    this.#deps.owner.onPaused();
  }

  onAborted(): void {
    this.#deps.owner.onAborted();
  }

  onSwitched(connection: UpstreamConnection): void {
    this.#connections.switched(connection);
    this.#deps.owner.onRoom();
  }

  onUnknownRecord({ address }: UpstreamConnection, type: number): void {
    this.#deps.owner.onUnknownRecord(address, type);
  }

  onFailure(error: unknown): void {
    this.#deps.owner.onFailure(error);
  }

  onClosed(connection: UpstreamConnection, error: UpstreamError): void {
    const idleMs = this.#connections.idleMs(connection);
    if (connection.life.hasStood) this.#traits.closed(connection, idleMs);
    this.#connections.remove(connection);
    this.#announceEmpty();
    if (this.#closed) return;
    if (connection.life.wasRefused && !isFull(error) && !isLocal(error.cause)) this.#fail(error);
    this.#deps.owner.onRoom();
  }

  get #isEmpty(): boolean {
    return this.#connections.all.size === 0 && this.#mode !== "asking";
  }

  #announceEmpty(): void {
    if (!this.#isEmpty) return;
    const waiting = this.#onEmpty;
    this.#onEmpty = [];
    for (const onEmpty of waiting) onEmpty();
  }

  #createConnections(): ServerConnections {
    const { runtime: { clock }, owner, options } = this.#deps;
    return new ServerConnections({
      clock,
      limit: this.#limit,
      connect: (multiplexed) => this.#connect(multiplexed),
      canWait: options.queue.lengthMax > 0,
      onRoom: () => owner.onRoom(),
      onLateWorkers: () => this.#traits.learn("workers_late"),
      onWorkersFound: (count) => owner.onTrait(this, "workers_found", count),
    });
  }

  #configuredMode(): ServerMode {
    const { multiplex, connections, protocol } = this.#deps.options;
    if (protocol === "http" || connections.reuse === false || multiplex === "off") return "single";
    if (multiplex === "on") return "multiplexed";
    return this.#traits.diesWhenAsked ? "single" : "unknown";
  }

  /** Whether new connections are kept. */
  get #keeps(): boolean {
    const { reuse } = this.#deps.options.connections;
    if (reuse !== "auto") return reuse;
    return this.#mode !== "asking" && this.#traits.keeps;
  }

  #connect(multiplexed: boolean): UpstreamConnection {
    const { runtime, deadlines, owner, server, options } = this.#deps;
    this.#beginTrial();
    return new UpstreamConnection({
      runtime,
      deadlines,
      owner: this,
      server,
      options,
      multiplexed,
      keeps: this.#keeps,
      number: owner.nextConnectionNumber(),
    });
  }

  #createQuestion(): ServerQuestion {
    const { runtime, owner, server, options } = this.#deps;
    return new ServerQuestion({
      runtime,
      address: server.address,
      connectTimeoutMs: options.timeouts.connectMs,
      onLong: () => owner.onRoom(),
      onReply: (negotiation) => this.#onReply(negotiation),
      onFailed: (cause) => this.#onNotAsked(cause),
      onAgain: () => this.#ask(),
    });
  }

  #ask(): void {
    this.#mode = "asking";
    this.#isAskedForRequest = false;
    this.#isWaitedFor = false;
    this.#beginTrial();
    void this.#question.ask();
  }

  #onReply(negotiation: Negotiation): void {
    this.#recover();
    this.#traits.asked(negotiation.outcome);
    const { connections, requests } = limitsOf(negotiation);
    const isShared = multiplexes(negotiation);
    this.#limit.say(isShared ? connections : Math.min(connections, requests));
    this.#connections.limitStreams(requests);
    // CANT_MPX_CONN may have come meanwhile, on a connection from before.
    if (this.#mode === "asking") this.#know(isShared ? "multiplexed" : "single");
    this.#announceEmpty();
    if (!this.#closed) this.#deps.owner.onRoom();
  }

  /** Where it was asked before any request came, one that has come since asks again. */
  #onNotAsked(cause: unknown): void {
    const timedOut = cause instanceof ConnectError && cause.failure === "aborted";
    const error = connectionError({ address: this.address, connected: false, timedOut, cause });
    this.#mode = this.#configuredMode();
    if (this.#isAskedForRequest || (timedOut && this.#isWaitedFor)) {
      if (!isLocal(cause)) this.#fail(error);
      // We had nothing to ask with: that is no fault of the server's.
      else if (!this.#closed) this.#deps.owner.onFailed(this, error);
    } else if (!this.#closed) this.#deps.owner.onRoom();
    this.#announceEmpty();
  }

  #onTrait(trait: Trait): void {
    this.#deps.owner.onTrait(this, trait, undefined);
    const isConfigured = this.#deps.options.multiplex === "on";
    if (trait === "connections_not_kept" && this.#mode === "multiplexed" && !isConfigured) {
      this.#know("single");
    }
  }

  #know(mode: "multiplexed" | "single"): void {
    this.#mode = mode;
    this.#connections.drain(({ multiplexed }) => multiplexed !== (mode === "multiplexed"));
  }

  /** After a failure one connect shows whether the server is back; others need not wait for it. */
  #beginTrial(): void {
    if (this.#failedUntilMs === 0) return;
    const { deadlines, options } = this.#deps;
    this.#failedUntilMs = deadlines.after(options.timeouts.connectMs);
  }

  #recover(): void {
    if (this.#failedUntilMs === 0) return;
    this.#failedUntilMs = 0;
    this.#weight.startGrowing(this.#deps.deadlines.nowMs());
  }

  #shrink(): void {
    if (this.#weight.slowStartMs === 0) return;
    this.#weight.shrink();
    this.#deps.keeper.onWarming(this);
  }

  #watchHealth(): HealthWatch {
    const { runtime, server: { address }, options, random } = this.#deps;
    const onResult = this.#onHealth.bind(this);
    const watch = new HealthWatch({ runtime, address, options, random, onResult });
    watch.start();
    return watch;
  }

  #onHealth(result: HealthResult, changed: boolean): void {
    if (changed && this.isUp) this.#weight.startGrowing(this.#deps.deadlines.nowMs());
    else if (changed) {
      this.#shrink();
      // What comes back may be another application.
      if (this.#mode !== "asking") this.#mode = this.#configuredMode();
    }
    if (result.kind === "passed") this.#recover();
    this.#deps.keeper.onHealth(this, result, changed);
  }

  #fail(error: UpstreamError): void {
    this.#failedUntilMs = this.#deps.deadlines.after(FAILED_SERVER_REST_MS);
    this.#shrink();
    this.#traits.connectFailed();
    this.#limit.forget();
    this.#connections.limitStreams(Infinity);
    // What comes back may be another application.
    if (!this.#question.isOpen) this.#mode = this.#configuredMode();
    this.#announceEmpty();
    if (!this.#closed) this.#deps.owner.onFailed(this, error);
  }
}
