/**
 * The connections of one server, and which of them a request is placed on:
 * - Shared: the first connection with room is filled before another is made (few connections), as
 *   long as what is sent on it is read. Where a body is on the way that the application may not have
 *   read, the next connection is taken or made; at their limit, the one with the fewest requests of
 *   those that are read at all. What may break a connection has one for itself.
 * - Not shared: the connection used last is used first, so that surplus ones can go idle. A request
 *   that could not be repeated gets a new connection: a kept one may just have been closed by the
 *   application, and there is no telling before the request is lost.
 *
 * It does not know whether requests may share a connection, nor whether the server is well.
 */
import type { UpstreamConnection } from "./connection.ts";

/** What a request wants of its connection. */
export interface PlaceRequest {
  /** Whether it could be sent again if a kept connection turns out to be closed. */
  readonly repeatable: boolean;
  readonly wantsFreshConnection: boolean;
  /** Whether nobody else may share its connection. */
  readonly wantsAlone: boolean;
}

/** Makes a connection, on which requests may share it or not. */
export type Connect = (multiplexed: boolean) => UpstreamConnection;

export class ServerConnections {
  readonly #max: number;
  readonly #connect: Connect;
  /** In the order in which they were made; not shared, the one used last comes last. */
  readonly #connections = new Set<UpstreamConnection>();
  #requestsBefore = 0;

  constructor(max: number, connect: Connect) {
    this.#max = max;
    this.#connect = connect;
  }

  get all(): ReadonlySet<UpstreamConnection> {
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

  /** A connection for a request that shares it; undefined when it has to wait. */
  placeShared(request: PlaceRequest): UpstreamConnection | undefined {
    if (request.wantsAlone) return this.#placeSuspect();
    let passable: UpstreamConnection | undefined;
    for (const connection of this.#connections) {
      if (!connection.canBegin) continue;
      if (connection.isFlowing) return connection;
      if (connection.isStalled) continue;
      if (passable === undefined || connection.streams < passable.streams) passable = connection;
    }
    return this.#open(true) ?? passable;
  }

  /** A connection for a request that has it for itself; undefined when it has to wait. */
  placeAlone(request: PlaceRequest): UpstreamConnection | undefined {
    const mayBeStale = request.repeatable && !request.wantsFreshConnection;
    let idle: UpstreamConnection | undefined;
    for (const connection of this.#connections) {
      if (!connection.canBegin) continue;
      if (mayBeStale || connection.requestsBegun === 0) idle = connection;
      else idle ??= connection;
    }
    if (idle === undefined) return this.#open(false);
    if (mayBeStale || idle.requestsBegun === 0) return idle;
    // Leave the application a worker to take the new connection.
    this.#retire(idle);
    return this.#open(false);
  }

  /** A request has ended on it: where it is not shared, it is the one used last. */
  used(connection: UpstreamConnection): void {
    if (this.#connections.delete(connection)) this.#connections.add(connection);
  }

  /**
   * With fewer workers than connections, php-fpm takes a connection only when another is closed: one
   * that is idle now would let a request on one that was never taken wait for its idle timeout.
   */
  giveWay(idle: UpstreamConnection): void {
    if (idle.streams > 0 || idle.state !== "open") return;
    for (const other of this.#connections) {
      if (other === idle || other.streams === 0 || other.hasAnswered) continue;
      this.#retire(idle);
      return;
    }
  }

  /** It is closed. */
  remove(connection: UpstreamConnection): void {
    this.#connections.delete(connection);
    this.#requestsBefore += connection.requestsBegun;
  }

  /** Those that `isMeant`, or all, take nothing new and close when they are done. */
  drain(isMeant: (connection: UpstreamConnection) => boolean = () => true): void {
    for (const connection of [...this.#connections]) if (isMeant(connection)) connection.drain();
  }

  /** Closes all at once. */
  close(): void {
    for (const connection of [...this.#connections]) connection.close();
  }

  /** An empty connection; where there is none and no room for one, the least busy one makes room. */
  #placeSuspect(): UpstreamConnection | undefined {
    let leastBusy: UpstreamConnection | undefined;
    let makesRoom = false;
    for (const connection of this.#connections) {
      if (connection.canBegin && connection.streams === 0) return connection;
      makesRoom ||= connection.state === "draining";
      if (leastBusy === undefined || connection.streams < leastBusy.streams) leastBusy = connection;
    }
    const opened = this.#open(true);
    if (opened === undefined && !makesRoom) leastBusy?.drain();
    return opened;
  }

  #open(multiplexed: boolean): UpstreamConnection | undefined {
    if (this.#connections.size >= this.#max) return undefined;
    const connection = this.#connect(multiplexed);
    this.#connections.add(connection);
    return connection;
  }

  #retire(connection: UpstreamConnection): void {
    this.#connections.delete(connection);
    connection.close();
  }
}
