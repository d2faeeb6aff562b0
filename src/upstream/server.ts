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
import { multiplexes, negotiate, NEGOTIATION_TIMEOUT_MS } from "./negotiation.ts";
import type { ServerOptions, UpstreamOptions } from "./options.ts";

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

export interface ServerParts {
  readonly runtime: Runtime;
  readonly deadlines: Deadlines;
  readonly owner: ServerOwner;
  readonly server: ServerOptions;
  readonly options: UpstreamOptions;
}

/** What a request wants of its connection. */
export interface PlaceRequest {
  /** Whether it could be sent again if a kept connection turns out to be closed. */
  readonly repeatable: boolean;
  readonly wantsFreshConnection: boolean;
}

export class Server implements ConnectionOwner {
  readonly address: string;
  readonly #parts: ServerParts;
  /** In the order in which they were made. */
  readonly #connections = new Set<UpstreamConnection>();
  #mode: ServerMode;
  #failedUntilMs = 0;
  #closed = false;
  readonly #asking = new AbortController();
  #onEmpty: (() => void)[] = [];

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.address = formatAddress(parts.server.address);
    this.#mode = this.#configuredMode();
  }

  get weight(): number {
    return this.#parts.server.weight;
  }

  get isBackup(): boolean {
    return this.#parts.server.backup;
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

  /** Closes all connections at once; requests on them are lost. Resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#asking.abort();
    for (const connection of [...this.#connections]) connection.close();
    if (!this.#isEmpty) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  // What connections tell.

  onOpen(): void {
    this.#failedUntilMs = 0;
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
    for (const onEmpty of this.#onEmpty) onEmpty();
    this.#onEmpty = [];
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
    const { runtime, server, options, owner } = this.#parts;
    try {
      const answer = await negotiate(
        runtime,
        server.address,
        options.timeouts.connectMs,
        NEGOTIATION_TIMEOUT_MS,
        this.#asking.signal,
      );
      this.#failedUntilMs = 0;
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

  #fail(error: UpstreamError): void {
    this.#failedUntilMs = this.#parts.deadlines.after(FAILED_SERVER_REST_MS);
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
