/**
 * One server of an upstream, and what is known of it.
 *
 * Whether requests may share a connection is asked once (`multiplex: auto`), as soon as there is the
 * server, and remembered; it is asked again after the server was down or was too busy to read the
 * question, and CANT_MPX_CONN at any time means "no" from then on. Requests that come while the
 * question is open wait a moment, then each goes on a connection of its own.
 *
 * Whether it is down, ejected or growing is `server_standing.ts`. With threads, connections to it are
 * permits that all of them share, and what one has learnt of the application is good for the others.
 * Connections of both kinds never serve side by side: when what is known changes, the old ones drain.
 *
 * It does not know the queue, nor other servers, nor which of its connections is taken.
 */
import { formatAddress } from "../runtime/address.ts";
import { ConnectError } from "../runtime/network.ts";
import { ApplicationTraits, knownTraits, type Trait } from "./application_traits.ts";
import { UpstreamConnection } from "./connection.ts";
import { connectionError, isFull, isLocal } from "./connection_errors.ts";
import { ConnectionLimit } from "./connection_limit.ts";
import type { ConnectionOwner } from "./connection_deps.ts";
import type { UpstreamError } from "./errors.ts";
import type { HealthResult } from "./health_check.ts";
import { limitsOf, multiplexes, type Negotiation } from "./negotiation.ts";
import type { ServerOptions } from "./options.ts";
import { ServerConnections } from "./server_connections.ts";
import type { ServerDeps } from "./server_deps.ts";
import { configuredMode, keepsConnections, knownMode, type ServerMode } from "./server_mode.ts";
import { ServerQuestion } from "./server_question.ts";
import { ServerStanding } from "./server_standing.ts";
import type { PlaceRequest } from "./single_connections.ts";
import { hashText } from "./sticky_hash.ts";
import type { Manner, ServerNews, ServerPermits, SharingCall } from "./upstream_share.ts";

export type { ServerMode } from "./server_mode.ts";
export { FAILED_SERVER_REST_MS } from "./server_standing.ts";

export class Server implements ConnectionOwner<UpstreamConnection> {
  readonly address: string;
  /** Its part of what {@link draw} needs. */
  readonly hash: number;
  readonly standing: ServerStanding<Server>;
  readonly #permits: ServerPermits | undefined;
  isBackup: boolean;
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
  #closed = false;
  #onEmpty: (() => void)[] = [];

  constructor(deps: ServerDeps<Server>) {
    this.#deps = deps;
    const { server, options, keeper, share } = deps;
    const address = this.address = formatAddress(server.address);
    this.hash = hashText(address);
    this.#permits = share?.permitsOf(address);
    this.isBackup = server.backup;
    this.#traits = new ApplicationTraits(this.#onTrait, knownTraits(this.#permits));
    const isHttp = options.protocol === "http";
    this.#limit = new ConnectionLimit(options.connections.max, isHttp, this.#permits);
    this.#connections = this.#createConnections();
    this.#question = this.#createQuestion();
    this.#mode = this.#configuredMode();
    this.standing = new ServerStanding({
      ...deps,
      address,
      share,
      turns: this.#permits?.turns,
      onWarming: () => keeper.onWarming(this),
      onHealth: (result, changed) => this.#onHealth(result, changed),
    });
    if (this.#mode === "unknown" && share?.leads !== false) this.#ask();
  }

  /** Its share beside the others'; where it grows, that of the last {@link ServerStanding.grow}. */
  get weight(): number {
    return this.standing.weight;
  }

  /** False once active checks have found it down. */
  get isUp(): boolean {
    return this.standing.isUp;
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

  get streams(): number {
    return this.#connections.streams;
  }

  /** Requests that are under way there, those of other threads among them. */
  get requestsUnderWay(): number {
    return this.streams + (this.#permits?.streamsElsewhere ?? 0);
  }

  get requestsBegun(): number {
    return this.#connections.requestsBegun;
  }

  /** Whether it failed a moment ago. It is used all the same where there is no other. */
  get isEjected(): boolean {
    return this.standing.isEjected;
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
        if (this.#learn()) return this.place(request);
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
    if (this.#mode === "single") return;
    this.#remember({ multiplexes: false });
    this.#know("single");
  }

  /** What another thread has found out of it; whether it went down or came back. */
  hear(news: ServerNews): boolean {
    if (news === "failed" && this.#mode !== "asking") this.#mode = this.#configuredMode();
    return this.standing.hear(news);
  }

  /** What other threads gave; with `settle`, they are given what is theirs. */
  share(what: SharingCall): void {
    if (what === "settle") this.#connections.share(this.hasWaiting);
    else if (what === "follow") this.#follow();
    else this.#permits?.[what]();
  }

  /** A name's records can change what a server counts. */
  configure({ weight, backup }: ServerOptions): void {
    this.isBackup = backup;
    this.standing.configure(weight);
  }

  /** Takes nothing new; what is in flight may end. The keeper is told when nothing is left. */
  leave(): void {
    this.#isLeaving = true;
    void this.standing.stop();
    this.#question.forget();
    this.#connections.drain();
    this.#onEmpty.push(() => this.#isLeaving && this.#deps.keeper.onGone(this));
    this.#announceEmpty();
  }

  rejoin(): void {
    this.#isLeaving = false;
    this.#question.remember();
    this.standing.start();
  }

  /** Closes all connections at once; requests on them are lost. Resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#question.stop();
    this.#connections.close();
    await this.standing.stop();
    if (!this.#isEmpty) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  // What connections ask and tell.

  get hasWaiting(): boolean {
    return this.#deps.owner.hasWaiting;
  }

  onOpen(): void {
    this.#traits.connected();
    this.#deps.observer.onConnected(this.#deps.options.name, this.address);
    this.standing.recover();
  }

  onBegan(connection: UpstreamConnection): void {
    this.#permits?.begin();
    this.#connections.count(connection);
  }

  onRoom(connection: UpstreamConnection): void {
    this.#connections.count(connection);
    if (!connection.multiplexed) this.#connections.rest(connection, this.hasWaiting);
    this.#deps.owner.onRoom(this);
    this.#connections.offerRequests();
    if (this.#permits !== undefined && connection.streams === 0) this.share("settle");
  }

  onSwitched(connection: UpstreamConnection): void {
    this.#connections.switched(connection);
    this.#deps.owner.onRoom();
  }

  onClosed(connection: UpstreamConnection, error: UpstreamError): void {
    const idleMs = this.#connections.idleMs(connection);
    if (connection.life.hasStood) this.#traits.closed(connection, idleMs);
    this.#connections.remove(connection);
    this.#announceEmpty();
    if (this.#closed) return;
    if (connection.life.wasRefused && !isFull(error) && !isLocal(error.cause)) this.#fail(error);
    this.#deps.owner.onRoom(this);
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
      permits: this.#permits,
      connect: (multiplexed) => this.#connect(multiplexed),
      canWait: options.queue.lengthMax > 0,
      onRoom: () => owner.onRoom(),
      isWanted: () => owner.hasWaiting,
      onLateWorkers: () => this.#traits.learn("workers_late"),
      onWorkersFound: (count) => this.#tellTrait("workers_found", count),
    });
  }

  #configuredMode(): ServerMode {
    return configuredMode(this.#deps.options, this.#traits);
  }

  #connect(multiplexed: boolean): UpstreamConnection {
    const { owner, options } = this.#deps;
    this.standing.beginTrial();
    return new UpstreamConnection({
      ...this.#deps,
      owner: this,
      multiplexed,
      keeps: keepsConnections(options, this.#mode, this.#traits),
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
    if (this.#permits?.take(this.#limit.single) === false) return this.#question.askLater();
    this.#mode = "asking";
    this.#isAskedForRequest = false;
    this.#isWaitedFor = false;
    this.standing.beginTrial();
    void this.#question.ask();
  }

  #onReply(negotiation: Negotiation): void {
    this.#permits?.give();
    this.standing.recover();
    const { outcome } = negotiation;
    const isShared = multiplexes(negotiation);
    const manner = { outcome, multiplexes: isShared, ...limitsOf(negotiation) };
    if (outcome !== "unread" && this.#permits !== undefined) this.#permits.manner = manner;
    this.#note(manner);
    // CANT_MPX_CONN may have come meanwhile, on a connection from before.
    if (this.#mode === "asking") this.#know(isShared ? "multiplexed" : "single");
    this.#announceEmpty();
    if (!this.#closed) this.#deps.owner.onRoom();
  }

  #note({ outcome, multiplexes: isShared, connections, requests }: Manner): void {
    this.#traits.asked(outcome);
    this.#limit.say(isShared ? connections : Math.min(connections, requests));
    this.#connections.limitStreams(Math.max(1, requests));
  }

  /** Takes over what another thread has found out; whether there is something. */
  #learn(): boolean {
    const manner = this.#permits?.manner;
    if (manner === undefined) return false;
    this.#note(manner);
    this.#know(knownMode(manner, this.#traits));
    return true;
  }

  /** Another thread may know better than this one, which may have no requests. */
  #follow(): void {
    if (this.#mode === "asking" || this.#configuredMode() !== "unknown") return;
    const manner = this.#permits?.manner;
    if (manner !== undefined && knownMode(manner, this.#traits) !== this.#mode) this.#learn();
  }

  /** Where it was asked before any request came, one that has come since asks again. */
  #onNotAsked(cause: unknown): void {
    this.#permits?.give();
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

  readonly #onTrait = (trait: Trait, isNews: boolean): void => {
    if (isNews) this.#tellTrait(trait, undefined);
    const isConfigured = this.#deps.options.multiplex === "on";
    if (trait === "connections_not_kept" && this.#mode === "multiplexed" && !isConfigured) {
      this.#know("single");
    }
  };

  #tellTrait(trait: Trait, count: number | undefined): void {
    const { observer, options } = this.#deps;
    observer.onTrait(options.name, this.address, trait, count);
  }

  #know(mode: "multiplexed" | "single"): void {
    this.#mode = mode;
    this.#connections.drain(({ multiplexed }) => multiplexed !== (mode === "multiplexed"));
  }

  #onHealth(result: HealthResult, changed: boolean): void {
    if (changed && !this.isUp) {
      // What comes back may be another application.
      this.#remember(undefined);
      if (this.#mode !== "asking") this.#mode = this.#configuredMode();
    }
    this.#deps.keeper.onHealth(this, result, changed);
  }

  /** For the other threads: what is different now, or that nothing is known. */
  #remember(change: Partial<Manner> | undefined): void {
    const known = this.#permits?.manner;
    if (known !== undefined) this.#permits!.manner = change && { ...known, ...change };
  }

  #fail(error: UpstreamError): void {
    this.#remember(undefined);
    // What it has shown comes first: others look at it when they hear that it failed.
    this.#traits.connectFailed();
    this.standing.fail();
    this.#limit.forget();
    this.#connections.limitStreams(Infinity);
    // What comes back may be another application.
    if (!this.#question.isOpen) this.#mode = this.#configuredMode();
    this.#announceEmpty();
    if (!this.#closed) this.#deps.owner.onFailed(this, error);
  }
}
