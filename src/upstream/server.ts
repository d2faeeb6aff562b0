/**
 * One server of an upstream, and what is known of it.
 *
 * Whether requests may share a connection is asked once (`multiplex: auto`) and remembered; it is
 * asked again after the server was down, and CANT_MPX_CONN at any time means "no" from then on.
 *
 * After a failed connect it rests while there are others; then one new connection is the trial, and
 * the others stay away until it stands. With `health` it is asked whether it is well; with
 * `slow_start` its weight grows from a small one once it is back.
 *
 * Connections of the one kind and of the other never serve side by side: when what is known changes,
 * those of the old kind drain.
 *
 * It does not know the queue, nor other servers, nor which of its connections is taken.
 */
import { formatAddress } from "../runtime/address.ts";
import { ConnectError, type Runtime } from "../runtime/runtime.ts";
import { UpstreamConnection } from "./connection.ts";
import { connectionError, isLocal } from "./connection_errors.ts";
import type { ConnectionOwner } from "./connection_parts.ts";
import type { Deadlines } from "./deadlines.ts";
import type { UpstreamError } from "./errors.ts";
import type { HealthResult } from "./health_check.ts";
import { HealthWatch } from "./health_watch.ts";
import { multiplexes, negotiate, NEGOTIATION_TIMEOUT_MS } from "./negotiation.ts";
import type { ServerOptions, UpstreamOptions } from "./options.ts";
import { type PlaceRequest, ServerConnections } from "./server_connections.ts";
import { ServerWeight } from "./server_weight.ts";
import { hashText } from "./sticky_hash.ts";

/** How long a server that failed is passed over while there are others, in milliseconds. */
export const FAILED_SERVER_REST_MS = 10_000;

/** What is known of how requests may be sent. */
export type ServerMode = "unknown" | "asking" | "multiplexed" | "single";

/** What the upstream that holds the server is told, and asked. */
export interface ServerOwner {
  /** Whether requests wait for room. */
  readonly hasWaiting: boolean;
  /** There may be room for a request that waits. */
  onRoom(): void;
  /** Nobody takes connections: requests that wait for nothing else should know. */
  onFailed(server: Server, error: UpstreamError): void;
  onPaused(): void;
  onAborted(): void;
  onUnknownRecord(server: string, type: number): void;
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

export class Server implements ConnectionOwner<UpstreamConnection> {
  readonly address: string;
  /** Its part of what {@link draw} needs. */
  readonly hash: number;
  readonly #weight: ServerWeight;
  #isBackup: boolean;
  readonly #health: HealthWatch | undefined;
  #isLeaving = false;
  readonly #parts: ServerParts;
  readonly #connections: ServerConnections;
  #mode: ServerMode;
  #failedUntilMs = 0;
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
    const connect = this.#connect.bind(this);
    this.#connections = new ServerConnections(options.connections.max, connect);
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
    return this.#connections.all;
  }

  /** Requests on all connections. */
  get streams(): number {
    return this.#connections.streams;
  }

  /** Requests that have begun, on connections of now and before. */
  get requestsBegun(): number {
    return this.#connections.requestsBegun;
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
        return this.#connections.placeShared(request);
      case "single":
        return this.#connections.placeAlone(request);
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
    this.#connections.drain();
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
    this.#connections.close();
    await this.#health?.stop();
    if (!this.#isEmpty) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  // What connections ask and tell.

  get hasWaiting(): boolean {
    return this.#parts.owner.hasWaiting;
  }

  onOpen(): void {
    this.#recover();
  }

  onRoom(connection: UpstreamConnection): void {
    const isSingle = this.#mode === "single";
    if (isSingle) this.#connections.used(connection);
    this.#parts.owner.onRoom();
    if (isSingle) this.#connections.giveWay(connection);
  }

  onPaused(): void {
    this.#parts.owner.onPaused();
  }

  onAborted(): void {
    this.#parts.owner.onAborted();
  }

  onUnknownRecord({ address }: UpstreamConnection, type: number): void {
    this.#parts.owner.onUnknownRecord(address, type);
  }

  onClosed(connection: UpstreamConnection, error: UpstreamError): void {
    this.#connections.remove(connection);
    this.#announceEmpty();
    if (this.#closed) return;
    if (connection.couldNotConnect && !isFull(error) && !isLocal(error.cause)) this.#fail(error);
    this.#parts.owner.onRoom();
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

  #configuredMode(): ServerMode {
    const { multiplex, connections } = this.#parts.options;
    if (!connections.reuse || multiplex === "off") return "single";
    return multiplex === "on" ? "multiplexed" : "unknown";
  }

  #connect(multiplexed: boolean): UpstreamConnection {
    const { runtime, deadlines, owner, server, options } = this.#parts;
    this.#beginTrial();
    return new UpstreamConnection({
      runtime,
      deadlines,
      owner: this,
      server,
      options,
      multiplexed,
      number: owner.nextConnectionNumber(),
    });
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
      const error = connectionError({ address: this.address, connected: false, timedOut, cause });
      if (isLocal(cause)) this.#askLater(error);
      else this.#fail(error);
      return;
    }
    this.#announceEmpty();
    owner.onRoom();
  }

  /** We had nothing to ask with: that is no fault of the server's. */
  #askLater(error: UpstreamError): void {
    this.#mode = "unknown";
    this.#announceEmpty();
    if (!this.#closed) this.#parts.owner.onFailed(this, error);
  }

  #know(mode: "multiplexed" | "single"): void {
    this.#mode = mode;
    this.#connections.drain(({ multiplexed }) => multiplexed !== (mode === "multiplexed"));
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
