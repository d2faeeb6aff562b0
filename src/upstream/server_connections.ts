/**
 * The connections of one server, and which of them a request is placed on:
 * - Shared: the first connection with room is filled before another is made (few connections), as
 *   long as what is sent on it is read. Where a body is on the way that the application may not have
 *   read, the next connection is taken or made; at their limit, the one with the fewest requests of
 *   those that are read at all. What may break a connection has one for itself.
 * - Not shared: see `single_connections.ts`.
 *
 * It does not know whether requests may share a connection, nor whether the server is well.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { UpstreamConnection } from "./connection.ts";
import type { ConnectionLimit } from "./connection_limit.ts";
import { type PlaceRequest, SingleConnections } from "./single_connections.ts";
import type { ServerPermits } from "./upstream_share.ts";

export interface ServerConnectionsDeps {
  readonly clock: Clock;
  readonly limit: ConnectionLimit;
  /** Left out: no other thread has connections to the server. */
  readonly permits?: ServerPermits | undefined;
  /** Makes a connection, on which requests may share it or not. */
  readonly connect: (multiplexed: boolean) => UpstreamConnection;
  /** Whether a request may wait at all. */
  readonly canWait: boolean;
  /** A request that waits may find room now. */
  readonly onRoom: () => void;
  /** Whether requests wait here. */
  readonly isWanted: () => boolean;
  readonly onLateWorkers: () => void;
  readonly onWorkersFound: (count: number) => void;
}

/**
 * A connection goes to another thread that waits when it has had nothing to do for so long: the next
 * request of the client that it served mostly comes before, and would have to take it back.
 */
export const YIELD_IDLE_MS = 5;

export class ServerConnections {
  readonly #deps: ServerConnectionsDeps;
  /** In the order in which they were made. */
  readonly #connections = new Set<UpstreamConnection>();
  readonly #single: SingleConnections<UpstreamConnection>;
  /** How many of them are tunnels, which are bounded elsewhere. */
  #tunnels = 0;
  #requestsBefore = 0;
  /** Most requests at once on all of them. */
  #streamsMax = Infinity;
  #timer: TimerId | undefined;
  #timerMs = Infinity;

  constructor(deps: ServerConnectionsDeps) {
    this.#deps = deps;
    const { clock, limit, canWait, onLateWorkers, onWorkersFound, permits } = deps;
    // What was given to this thread while it did not have the server.
    permits?.wake();
    this.#single = new SingleConnections({
      limit,
      canWait,
      canTellAccepted: (connection) => connection.life.canTellAccepted,
      count: () => deps.permits?.total ?? this.#connections.size - this.#tunnels,
      take: (most) => this.#take(most),
      open: () => this.#open(false),
      replace: (connection) => this.#replace(connection),
      retire: (connection) => this.#retire(connection),
      nowMs: () => clock.nowMs(),
      lookAfter: (delayMs) => this.#lookAfter(delayMs),
      onLateWorkers,
      onWorkersFound,
    });
  }

  get all(): ReadonlySet<UpstreamConnection> {
    return this.#connections;
  }

  get streams(): number {
    let streams = 0;
    for (const connection of this.#connections) streams += connection.streams;
    return streams;
  }

  /** Requests that have begun, on connections of now and before, and ever in other threads. */
  get requestsBegun(): number {
    const elsewhere = this.#deps.permits?.begunElsewhere ?? 0;
    return [...this.#connections].reduce((n, one) => n + one.requestsBegun, this.#requestsBefore) +
      elsewhere;
  }

  /** The application takes so many requests at once and no more. */
  limitStreams(streamsMax: number): void {
    this.#streamsMax = streamsMax;
  }

  /** A connection for a request that shares it; undefined when it has to wait. */
  placeShared(request: PlaceRequest): UpstreamConnection | undefined {
    if (this.#streamsMax === Infinity) return this.#chooseShared(request);
    const { permits, canWait, isWanted } = this.#deps;
    if (permits === undefined) {
      return this.streams < this.#streamsMax ? this.#chooseShared(request) : undefined;
    }
    if (!permits.enterRequest(this.#streamsMax, canWait)) return undefined;
    const connection = this.#chooseShared(request);
    if (connection !== undefined) return connection;
    permits.count(0, this.#streamsMax, isWanted());
    this.offerRequests();
    return undefined;
  }

  #chooseShared(request: PlaceRequest): UpstreamConnection | undefined {
    if (request.wantsAlone) return this.#placeSuspect();
    let passable: UpstreamConnection | undefined;
    for (const connection of this.#connections) {
      if (!connection.canBegin) continue;
      if (connection.flow.isFree) return connection;
      if (connection.flow.isStalled) continue;
      if (passable === undefined || connection.streams < passable.streams) passable = connection;
    }
    return this.#openShared() ?? passable;
  }

  /** A connection for a request that has it for itself; undefined when it has to wait. */
  placeAlone(request: PlaceRequest): UpstreamConnection | undefined {
    const connection = this.#single.place(request);
    this.#deps.permits?.rest(this.#single.idleCount);
    return connection;
  }

  /**
   * A request has ended on a connection that is not shared, or its response is read on for its client has
   * caught up; whether another one waits here.
   */
  rest(connection: UpstreamConnection, isWanted: boolean): void {
    this.#single.rest(connection);
    this.#single.giveWay();
    // One that is read on is no idle one: who waits gets it behind the end of its response.
    if (connection.streams > 0) return;
    if (isWanted && this.#deps.permits?.mustYield()) this.#retire(connection);
  }

  /**
   * What nobody here needs goes to the threads that wait for it, and of what is needed (`isWanted`) the
   * part that is theirs.
   */
  share(isWanted: boolean): void {
    const { permits } = this.#deps;
    if (permits === undefined) return;
    this.offerRequests();
    if (!isWanted) permits.giveSpare();
    while (permits.rest(isWanted ? 0 : this.#idleCount, this.#limit)) {
      const idleMs = this.#single.untilIdleFor(YIELD_IDLE_MS);
      if (idleMs > 0) return this.#lookAfter(idleMs);
      this.#retireIdle();
    }
    if (this.#single.idleCount > 0 || !permits.mustYield()) return;
    // Requests share those that there are, so none is idle: the least busy one makes room.
    this.#leastBusyShared()?.drain();
  }

  /** How long it has had nothing to do; undefined while it has, or was shared. */
  idleMs(connection: UpstreamConnection): number | undefined {
    const sinceMs = this.#single.idleSinceMs(connection);
    return sinceMs === undefined ? undefined : this.#deps.clock.nowMs() - sinceMs;
  }

  /** It is a tunnel now: the workers of requests are others. */
  switched(connection: UpstreamConnection): void {
    this.#tunnels++;
    this.#single.forget(connection);
    this.#give();
  }

  /** Requests have begun or ended on it: other threads look how busy the server is. */
  count(connection: UpstreamConnection, streams = connection.streams): void {
    const { permits } = this.#deps;
    const change = streams - connection.streamsCounted;
    if (change === 0 || permits === undefined) return;
    connection.streamsCounted = streams;
    permits.count(change, this.#streamsMax, this.#deps.isWanted());
  }

  /** Where the application takes only so many requests, others may have what is not needed here. */
  offerRequests(): void {
    if (this.#streamsMax === Infinity) return;
    this.#deps.permits?.offerRequests(this.#streamsMax, this.#deps.isWanted());
  }

  /** It is closed. */
  remove(connection: UpstreamConnection): void {
    this.count(connection, 0);
    this.offerRequests();
    this.#forget(connection);
    this.#requestsBefore += connection.requestsBegun;
    if (this.#connections.size === 0) this.#stopLooking();
  }

  /** Those that `isMeant`, or all, take nothing new and close when they are done. */
  drain(isMeant: (connection: UpstreamConnection) => boolean = () => true): void {
    for (const connection of [...this.#connections]) if (isMeant(connection)) connection.drain();
  }

  close(): void {
    this.#stopLooking();
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
    const opened = this.#openShared();
    if (opened === undefined && !makesRoom) leastBusy?.drain();
    return opened;
  }

  #openShared(): UpstreamConnection | undefined {
    return this.#take(this.#deps.limit.shared) ? this.#open(true) : undefined;
  }

  #take(limit: number): boolean {
    const { permits } = this.#deps;
    return permits === undefined
      ? this.#connections.size - this.#tunnels < limit
      : permits.take(limit);
  }

  /** A connection is gone. */
  #give(): void {
    const { permits } = this.#deps;
    if (permits === undefined) return;
    permits.give(this.#deps.limit.single);
    permits.rest(this.#single.idleCount);
  }

  /** How many there may be of the kind that there is. */
  get #limit(): number {
    const { limit } = this.#deps;
    for (const { multiplexed } of this.#connections) {
      return multiplexed ? limit.shared : limit.single;
    }
    return limit.single;
  }

  /** Connections without requests, shared ones too. */
  get #idleCount(): number {
    let count = this.#single.idleCount;
    for (const one of this.#connections) if (one.multiplexed && isIdle(one)) count++;
    return count;
  }

  #retireIdle(): void {
    if (this.#single.idleCount > 0) return this.#single.retireIdle();
    for (const one of this.#connections) if (one.multiplexed && isIdle(one)) return one.drain();
  }

  #leastBusyShared(): UpstreamConnection | undefined {
    let least: UpstreamConnection | undefined;
    for (const one of this.#connections) {
      // One that is on its way out is what the other thread gets.
      if (!one.multiplexed || one.state === "draining") return undefined;
      if (least === undefined || one.streams < least.streams) least = one;
    }
    return least;
  }

  #open(multiplexed: boolean): UpstreamConnection {
    const connection = this.#deps.connect(multiplexed);
    this.#connections.add(connection);
    return connection;
  }

  #retire(connection: UpstreamConnection): void {
    // Nobody is to connect in its place before it is closed.
    connection.close();
    this.#forget(connection);
  }

  #forget(connection: UpstreamConnection): void {
    const wasThere = this.#connections.delete(connection);
    this.#single.forget(connection);
    if (!wasThere) return;
    if (connection.isTunnel) this.#tunnels--;
    else this.#give();
  }

  #replace(connection: UpstreamConnection): UpstreamConnection {
    this.#connections.delete(connection);
    this.#single.forget(connection);
    connection.close();
    return this.#open(false);
  }

  /** The earliest of what is asked for counts. */
  #lookAfter(delayMs: number): void {
    const { clock } = this.#deps;
    const atMs = clock.nowMs() + delayMs;
    if (atMs >= this.#timerMs) return;
    this.#stopLooking();
    this.#timerMs = atMs;
    this.#timer = clock.setTimer(this.#look, delayMs);
  }

  #stopLooking(): void {
    if (this.#timer !== undefined) this.#deps.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#timerMs = Infinity;
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    this.#timerMs = Infinity;
    this.#single.giveWay();
    this.#deps.onRoom();
    this.share(this.#deps.isWanted());
  };
}

/** Whether nothing is on it, and it would take something. */
function isIdle({ streams, canBegin }: UpstreamConnection): boolean {
  return streams === 0 && canBegin;
}
