/**
 * One server of an upstream: its connections, and what is known of it.
 *
 * Whether requests may share a connection is asked once (`multiplex: auto`) and remembered; it is
 * asked again after the server was down, and CANT_MPX_CONN at any time means "no" from then on.
 * - Shared: the first connection with room is filled before another is made (few connections).
 * - Not shared: the connection used last is used first, so that surplus ones can go idle. A request
 *   that could not be repeated gets a new connection: a kept one may just have been closed by the
 *   application, and there is no telling before the request is lost.
 *
 * After a failed connect it rests while there are others; then one new connection is the trial, and
 * the others stay away until it stands. With `health` it is asked whether it is well; with
 * `slow_start` its weight grows from a small one once it is back.
 *
 * Connections of the one kind and of the other never serve side by side: when what is known changes,
 * those of the old kind drain.
 *
 * It does not know the queue, nor other servers.
 */
import { formatAddress } from "../runtime/address.ts";
import { ConnectError, type Runtime } from "../runtime/runtime.ts";
import { type ConnectionOwner, UpstreamConnection } from "./connection.ts";
import { connectionError } from "./connection_errors.ts";
import type { Deadlines } from "./deadlines.ts";
import type { UpstreamError } from "./errors.ts";
import type { HealthResult } from "./health_check.ts";
import { HealthWatch } from "./health_watch.ts";
import { multiplexes, negotiate, NEGOTIATION_TIMEOUT_MS } from "./negotiation.ts";
import type { ServerOptions, UpstreamOptions } from "./options.ts";
import { ServerWeight } from "./server_weight.ts";
import { hashText } from "./sticky_hash.ts";

/** How long a server that failed is passed over while there are others, in milliseconds. */
export const FAILED_SERVER_REST_MS = 10_000;

/** What is known of how requests may be sent. */
export type ServerMode = "unknown" | "asking" | "multiplexed" | "single";

/** What the upstream that holds the server is told. */
export interface ServerOwner {
  /** There may be room for a request that waits. */
  onRoom(): void;
  /** Nobody takes connections: requests that wait for nothing else should know. */
  onFailed(server: Server, error: UpstreamError): void;
  onPaused(): void;
  onAborted(): void;
  nextConnectionNumber(): number;
}

/** What the set that the server belongs to is told. */
export interface ServerKeeper {
  /** An active check is over; `changed` when the server went down or came back with it. */
  onHealth(server: Server, result: HealthResult, changed: boolean): void;
  /** Its weight grows from now on: {@link Server.grow} is to be called before it is read. */
  onWarming(server: Server): void;
  /** It was left, and nothing of it is left. */
  onGone(server: Server): void;
}

export interface ServerParts {
  readonly runtime: Runtime;
  readonly deadlines: Deadlines;
  readonly owner: ServerOwner;
  readonly keeper: ServerKeeper;
  readonly server: ServerOptions;
  readonly options: UpstreamOptions;
  /** From 0 to below 1: when it is asked how it is. */
  readonly random: () => number;
}

/** What a request wants of its connection. */
export interface PlaceRequest {
  /** Whether it could be sent again if a kept connection turns out to be closed. */
  readonly repeatable: boolean;
  readonly wantsFreshConnection: boolean;
}

export class Server implements ConnectionOwner {
  readonly address: string;
  /** Its part of what {@link draw} needs. */
  readonly hash: number;
  readonly #weight: ServerWeight;
  #isBackup: boolean;
  readonly #health: HealthWatch | undefined;
  #isLeaving = false;
  readonly #parts: ServerParts;
  /** In the order in which they were made. */
  readonly #connections = new Set<UpstreamConnection>();
  #mode: ServerMode;
  #failedUntilMs = 0;
  #requestsBefore = 0;
  #closed = false;
  readonly #asking = new AbortController();
  #onEmpty: (() => void)[] = [];

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const { server, options } = parts;
    this.address = formatAddress(server.address);
    this.hash = hashText(this.address);
    this.#weight = new ServerWeight(server.weight, options.slowStartMs);
    this.#isBackup = server.backup;
    this.#mode = this.#configuredMode();
    if (options.health.intervalMs > 0) this.#health = this.#watchHealth();
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

  /** Whether it is no server of the upstream any more, and only finishes what it has. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  get mode(): ServerMode {
    return this.#mode;
  }

  get connections(): ReadonlySet<UpstreamConnection> {
    return this.#connections;
  }

  /** Requests on all connections. */
  get streams(): number {
    let streams = 0;
    for (const connection of this.#connections) streams += connection.streams;
    return streams;
  }

  /** Requests that have begun, on connections of now and before. */
  get requestsBegun(): number {
    return [...this.#connections].reduce((n, one) => n + one.requestsBegun, this.#requestsBefore);
  }

  /** Whether it failed a moment ago, and should rest while there are others. */
  get isResting(): boolean {
    return this.#parts.deadlines.nowMs() < this.#failedUntilMs;
  }

  /** A connection on which a request may begin now; undefined when it has to wait. */
  place(request: PlaceRequest): UpstreamConnection | undefined {
    if (this.#closed) return undefined;
    switch (this.#mode) {
      case "multiplexed":
        return this.#placeShared();
      case "single":
        return this.#placeAlone(request);
      case "unknown":
        this.#ask();
        return undefined;
      case "asking":
        return undefined;
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
    this.#weight.startGrowing(this.#parts.deadlines.nowMs());
  }

  /** Sets the weight of this moment; false when it is the full one. */
  grow(): boolean {
    return this.#weight.grow(this.#parts.deadlines.nowMs());
  }

  /** Takes nothing new; what is in flight may end. The keeper is told when nothing is left. */
  leave(): void {
    this.#isLeaving = true;
    void this.#health?.stop();
    for (const connection of [...this.#connections]) connection.drain();
    this.#onEmpty.push(() => this.#isLeaving && this.#parts.keeper.onGone(this));
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
    this.#asking.abort();
    for (const connection of [...this.#connections]) connection.close();
    await this.#health?.stop();
    if (!this.#isEmpty) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  // What connections tell.

  onOpen(): void {
    this.#recover();
  }

  onRoom(connection: UpstreamConnection): void {
    const isSingle = this.#mode === "single";
    // There the last in the set is the one used last; shared ones are filled in the order of age.
    if (isSingle && this.#connections.delete(connection)) this.#connections.add(connection);
    this.#parts.owner.onRoom();
    if (isSingle) this.#giveWay(connection);
  }

  onPaused(): void {
    this.#parts.owner.onPaused();
  }

  onAborted(): void {
    this.#parts.owner.onAborted();
  }

  onClosed(connection: UpstreamConnection, error: UpstreamError): void {
    this.#connections.delete(connection);
    this.#requestsBefore += connection.requestsBegun;
    this.#announceEmpty();
    if (this.#closed) return;
    if (connection.couldNotConnect && !isFull(error)) this.#fail(error);
    this.#parts.owner.onRoom();
  }

  get #isEmpty(): boolean {
    return this.#connections.size === 0 && this.#mode !== "asking";
  }

  #announceEmpty(): void {
    if (!this.#isEmpty) return;
    const waiting = this.#onEmpty;
    this.#onEmpty = [];
    for (const onEmpty of waiting) onEmpty();
  }

  #configuredMode(): ServerMode {
    const { multiplex, connections } = this.#parts.options;
    if (!connections.reuse || multiplex === "off") return "single";
    return multiplex === "on" ? "multiplexed" : "unknown";
  }

  #placeShared(): UpstreamConnection | undefined {
    for (const connection of this.#connections) if (connection.canBegin) return connection;
    return this.#connect(true);
  }

  #placeAlone(request: PlaceRequest): UpstreamConnection | undefined {
    const mayBeStale = request.repeatable && !request.wantsFreshConnection;
    let idle: UpstreamConnection | undefined;
    for (const connection of this.#connections) {
      if (!connection.canBegin) continue;
      if (mayBeStale || connection.requestsBegun === 0) idle = connection;
      else idle ??= connection;
    }
    if (idle === undefined) return this.#connect(false);
    if (mayBeStale || idle.requestsBegun === 0) return idle;
    // Leave the application a worker to take the new connection.
    this.#retire(idle);
    return this.#connect(false);
  }

  /**
   * With fewer workers than connections, php-fpm takes a connection only when another is closed: one
   * that is idle now would let a request on one that was never taken wait for its idle timeout.
   */
  #giveWay(idle: UpstreamConnection): void {
    if (idle.streams > 0 || idle.state !== "open") return;
    for (const other of this.#connections) {
      if (other === idle || other.streams === 0 || other.hasAnswered) continue;
      this.#retire(idle);
      return;
    }
  }

  #retire(connection: UpstreamConnection): void {
    this.#connections.delete(connection);
    connection.close();
  }

  #connect(multiplexed: boolean): UpstreamConnection | undefined {
    const { runtime, deadlines, owner, server, options } = this.#parts;
    if (this.#connections.size >= options.connections.max) return undefined;
    this.#beginTrial();
    const connection = new UpstreamConnection({
      runtime,
      deadlines,
      owner: this,
      server,
      options,
      multiplexed,
      number: owner.nextConnectionNumber(),
    });
    this.#connections.add(connection);
    return connection;
  }

  async #ask(): Promise<void> {
    this.#mode = "asking";
    this.#beginTrial();
    const { runtime, server, options, owner } = this.#parts;
    try {
      const answer = await negotiate(
        runtime,
        server.address,
        options.timeouts.connectMs,
        NEGOTIATION_TIMEOUT_MS,
        this.#asking.signal,
      );
      this.#recover();
      // CANT_MPX_CONN may have come meanwhile, on a connection from before.
      if (this.#mode === "asking") this.#know(multiplexes(answer) ? "multiplexed" : "single");
    } catch (cause) {
      const timedOut = cause instanceof ConnectError && cause.failure === "aborted";
      this.#fail(connectionError({ address: this.address, connected: false, timedOut, cause }));
      return;
    }
    this.#announceEmpty();
    owner.onRoom();
  }

  #know(mode: "multiplexed" | "single"): void {
    this.#mode = mode;
    for (const connection of [...this.#connections]) {
      if (connection.multiplexed !== (mode === "multiplexed")) connection.drain();
    }
  }

  /** After a failure one connect shows whether the server is back; others need not wait for it. */
  #beginTrial(): void {
    if (this.#failedUntilMs === 0) return;
    const { deadlines, options } = this.#parts;
    this.#failedUntilMs = deadlines.after(options.timeouts.connectMs);
  }

  #recover(): void {
    if (this.#failedUntilMs === 0) return;
    this.#failedUntilMs = 0;
    this.#weight.startGrowing(this.#parts.deadlines.nowMs());
  }

  #shrink(): void {
    if (this.#weight.slowStartMs === 0) return;
    this.#weight.shrink();
    this.#parts.keeper.onWarming(this);
  }

  #watchHealth(): HealthWatch {
    const { runtime, server: { address }, options, random } = this.#parts;
    const onResult = this.#onHealth.bind(this);
    const watch = new HealthWatch({ runtime, address, options, random, onResult });
    watch.start();
    return watch;
  }

  #onHealth(result: HealthResult, changed: boolean): void {
    if (changed && this.isUp) this.#weight.startGrowing(this.#parts.deadlines.nowMs());
    else if (changed) {
      this.#shrink();
      // What comes back may be another application.
      if (this.#mode !== "asking") this.#mode = this.#configuredMode();
    }
    // It takes connections: no need to wait until a rest is over.
    if (result.kind === "passed") this.#recover();
    this.#parts.keeper.onHealth(this, result, changed);
  }

  #fail(error: UpstreamError): void {
    this.#failedUntilMs = this.#parts.deadlines.after(FAILED_SERVER_REST_MS);
    this.#shrink();
    // What comes back may be another application.
    this.#mode = this.#configuredMode();
    this.#announceEmpty();
    if (!this.#closed) this.#parts.owner.onFailed(this, error);
  }
}

/** Alive, but without room for another connection: no reason to pass the server over. */
function isFull({ cause }: UpstreamError): boolean {
  return cause instanceof ConnectError && cause.failure === "full";
}
