/**
 * Connections that carry one request at a time, and which of them a request gets. The worker at the
 * other end belongs to its connection as long as that is open, and it may go on after its response
 * (`fastcgi_finish_request`). So nothing is sent to a worker that is not back: the system tells
 * whether what was sent before has been read (see `runtime/peer_progress.ts`). A connection is
 *
 *     waiting ──► busy ──► behind ──► back ──► (busy)
 *
 * - waiting: new, with its request; no worker has accepted it yet.
 * - behind: the response was whole, and its worker has not come back to read.
 * - back: its worker reads; the next request goes here, to the one used last. So surplus ones go idle.
 * - Where nobody knows, the one idle longest is taken for back, and a request that could not be
 *   repeated gets a new connection: the application may just have closed the kept one.
 *
 * A connection gives way (is closed) for one that has been waiting longer than a response takes here:
 * an application has that many workers and no more, and closing one frees the worker.
 *
 * It does not know the queue, nor whether the server is well. See docs/multiplexing.md.
 */
import type { PeerProgress } from "../runtime/peer_progress.ts";
import type { ConnectionLimit } from "./connection_limit.ts";

/** A worker that has not been back for so long after its response goes on with something else. */
export const LATE_WORKER_MS = 25;
/** How many may be behind for a moment before a request waits for one instead of opening another. */
export const BEHIND_SPARE = 2;
/** That moment. */
export const BEHIND_MOMENT_MS = 2;
/** When to look again for a worker that is not back. */
export const LOOK_AGAIN_MS = 1;
/** The least and the most that a connection waits before another gives way for it. */
export const UNACCEPTED_MIN_MS = 20;
export const UNACCEPTED_MAX_MS = 250;
/** Where nobody knows whether it was accepted: so many times what a response takes. */
const UNACCEPTED_GUESS = 3;
/** Each response counts for so much in what one takes here. */
const RESPONSE_SHARE = 1 / 8;

/** What a request wants of its connection. */
export interface PlaceRequest {
  /** Whether it could be sent again if a kept connection turns out to be closed. */
  readonly repeatable: boolean;
  readonly wantsFreshConnection: boolean;
  /** Whether nobody else may share its connection. */
  readonly wantsAlone: boolean;
}

export interface SingleConnection {
  readonly canBegin: boolean;
  readonly streams: number;
  readonly life: {
    peerProgress(mustBeOpen: boolean): PeerProgress;
    /** Undefined where nobody can tell. */
    isAccepted(): boolean | undefined;
  };
  close(): void;
}

export interface SingleConnectionsDeps<Connection> {
  readonly limit: ConnectionLimit;
  readonly count: () => number;
  /** Whether a request may wait at all. */
  readonly canWait: boolean;
  /** Whether it can be told of such a connection that it was accepted. */
  readonly canTellAccepted: (connection: Connection) => boolean;
  /** Whether there may be one more, of so many at most; then it is opened. Left out: `count` tells. */
  readonly take?: (limit: number) => boolean;
  readonly open: () => Connection;
  /** Closes one and opens another in its place; left out: by `retire` and `open`. */
  readonly replace?: (connection: Connection) => Connection;
  /** It is closed, and counts no more. */
  readonly retire: (connection: Connection) => void;
  readonly nowMs: () => number;
  /** {@link SingleConnections.look} is to be called then. */
  readonly lookAfter: (delayMs: number) => void;
  /** Workers go on after their responses. Told once. */
  readonly onLateWorkers: () => void;
  /** The application has so many workers and no more. */
  readonly onWorkersFound: (count: number) => void;
}

/** An idle connection, and since when. */
interface IdleConnection<Connection> {
  readonly connection: Connection;
  readonly sinceMs: number;
}

/** A connection that nobody has accepted, as far as is known. */
interface Waiting {
  sinceMs: number;
  /** Grows each time that another gave way for it in vain. */
  patience: number;
}

export class SingleConnections<Connection extends SingleConnection> {
  readonly #deps: SingleConnectionsDeps<Connection>;
  /** The one used last comes last. */
  readonly #idle: IdleConnection<Connection>[] = [];
  /** When each got the request that it has. */
  readonly #begunMs = new Map<Connection, number>();
  /** Those that have never said anything. */
  readonly #waiting = new Map<Connection, Waiting>();
  #responseMs = 0;
  #hasLateWorkers = false;

  constructor(deps: SingleConnectionsDeps<Connection>) {
    this.#deps = deps;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  /** How long until one has been idle for so long; 0: it has, or there is none. */
  untilIdleFor(idleMs: number): number {
    const oldest = this.#idle[0];
    return oldest === undefined ? 0 : Math.max(0, oldest.sinceMs + idleMs - this.#deps.nowMs());
  }

  /** Closes the one that has been idle longest, where there is one. */
  retireIdle(): void {
    const oldest = this.#idle[0];
    if (oldest !== undefined) this.#deps.retire(oldest.connection);
  }

  /** Whether workers were seen to go on after their responses. */
  get hasLateWorkers(): boolean {
    return this.#hasLateWorkers;
  }

  /** A connection for a request; undefined when it has to wait. */
  place(request: PlaceRequest): Connection | undefined {
    const mustBeOpen = !request.repeatable || request.wantsFreshConnection;
    let unknown: IdleConnection<Connection> | undefined;
    let behind: IdleConnection<Connection> | undefined;
    let behindCount = 0;
    for (let index = this.#idle.length - 1; index >= 0; index--) {
      const idle = this.#idle[index]!;
      const { connection } = idle;
      const progress = connection.canBegin ? connection.life.peerProgress(true) : "closed";
      if (progress === "caught_up") return this.#take(idle);
      if (progress === "unknown") unknown = idle;
      else if (progress === "closed") this.#deps.retire(connection);
      else {
        behind = idle;
        behindCount++;
      }
    }
    if (unknown !== undefined) {
      if (!mustBeOpen) return this.#take(unknown);
      // Leave the application a worker to take the new connection.
      return this.#replace(unknown.connection);
    }
    return behind === undefined ? this.#openIfRoom() : this.#placeBeside(behind, behindCount);
  }

  /** A request has ended on it, or there is room again for another reason. */
  rest(connection: Connection): void {
    const begunMs = this.#begunMs.get(connection);
    if (connection.streams > 0 || begunMs === undefined) return;
    this.#begunMs.delete(connection);
    const { limit, nowMs } = this.#deps;
    const sinceMs = nowMs();
    limit.canTell ??= this.#deps.canTellAccepted(connection);
    this.#responseMs += (sinceMs - begunMs - this.#responseMs) * RESPONSE_SHARE;
    if (this.#waiting.delete(connection)) this.#countTaken(sinceMs);
    if (connection.canBegin) this.#idle.push({ connection, sinceMs });
  }

  /** Connections that wait for a worker get one: at most one idle one is closed for each. */
  giveWay(): void {
    if (this.#waiting.size === 0) return;
    const { nowMs, lookAfter, retire } = this.#deps;
    const now = nowMs();
    let nextMs = Infinity;
    for (const [connection, waiting] of this.#waiting) {
      // A worker that runs a long script has not answered either, and it has left the end unread.
      const isAccepted = connection.life.isAccepted();
      if (isAccepted) {
        this.#waiting.delete(connection);
        this.#countTaken(now);
        continue;
      }
      const restMs = waiting.sinceMs + this.#patienceMs(isAccepted) * waiting.patience - now;
      if (restMs > 0) {
        nextMs = Math.min(nextMs, restMs);
        continue;
      }
      const idle = this.#idle[0];
      if (idle === undefined) continue;
      if (isAccepted === false) this.#find(now);
      // The worker may go to somebody else: then it is another connection's turn, later.
      waiting.sinceMs = now;
      waiting.patience *= 2;
      retire(idle.connection);
    }
    if (this.#idle.length > 0 && this.#waiting.size > 0) {
      lookAfter(nextMs === Infinity ? UNACCEPTED_MIN_MS : Math.max(LOOK_AGAIN_MS, nextMs));
    }
  }

  /** Since when it has had nothing to do; undefined while it has. */
  idleSinceMs(connection: Connection): number | undefined {
    return this.#idle.find((one) => one.connection === connection)?.sinceMs;
  }

  forget(connection: Connection): void {
    this.#begunMs.delete(connection);
    this.#waiting.delete(connection);
    const index = this.#idle.findIndex((one) => one.connection === connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** Some workers are not back. */
  #placeBeside(oldest: IdleConnection<Connection>, count: number): Connection | undefined {
    const { nowMs, limit, canWait, lookAfter } = this.#deps;
    const { connection, sinceMs } = oldest;
    const behindMs = nowMs() - sinceMs;
    const isLate = behindMs >= LATE_WORKER_MS;
    if (isLate && !this.#hasLateWorkers) {
      this.#hasLateWorkers = true;
      this.#deps.onLateWorkers();
    }
    const waits = canWait && !this.#hasLateWorkers && count >= BEHIND_SPARE &&
      behindMs < BEHIND_MOMENT_MS;
    if (!waits) {
      if (this.#mayOpen(limit.single)) return this.#open();
      // Its worker takes a new connection when it is back, as any other does that is free before.
      if (isLate || !canWait) return this.#replace(connection);
    }
    lookAfter(LOOK_AGAIN_MS);
    return undefined;
  }

  #mayOpen(limit: number): boolean {
    const { take, count } = this.#deps;
    return take?.(limit) ?? count() < limit;
  }

  #openIfRoom(): Connection | undefined {
    const { limit, nowMs } = this.#deps;
    const mayOpen = this.#mayOpen(limit.single) ||
      (limit.tryMore(nowMs()) && this.#mayOpen(limit.single));
    return mayOpen ? this.#open() : undefined;
  }

  #take(idle: IdleConnection<Connection>): Connection {
    const { connection } = idle;
    if (this.#idle.at(-1) === idle) this.#idle.pop();
    else this.#idle.splice(this.#idle.indexOf(idle), 1);
    this.#begunMs.set(connection, this.#deps.nowMs());
    return connection;
  }

  #open(): Connection {
    return this.#opened(this.#deps.open());
  }

  #replace(connection: Connection): Connection {
    const { replace, retire, open } = this.#deps;
    if (replace !== undefined) return this.#opened(replace(connection));
    retire(connection);
    return this.#opened(open());
  }

  #opened(connection: Connection): Connection {
    const nowMs = this.#deps.nowMs();
    this.#begunMs.set(connection, nowMs);
    this.#waiting.set(connection, { sinceMs: nowMs, patience: 1 });
    if (this.#idle.length > 0) this.#deps.lookAfter(UNACCEPTED_MIN_MS);
    return connection;
  }

  /** How long it may wait to be accepted before another gives way. */
  #patienceMs(isAccepted: boolean | undefined): number {
    if (isAccepted === undefined) {
      return Math.max(UNACCEPTED_MIN_MS, UNACCEPTED_GUESS * this.#responseMs);
    }
    return Math.min(UNACCEPTED_MAX_MS, Math.max(UNACCEPTED_MIN_MS, this.#responseMs));
  }

  #countTaken(nowMs: number): void {
    this.#deps.limit.taken(this.#deps.count() - this.#waiting.size, nowMs);
  }

  #find(nowMs: number): void {
    // Of late workers some have no connection any more, so there is nothing to count.
    if (this.#hasLateWorkers) return;
    // Those that another gave way for are about to be accepted.
    let unaccepted = 0;
    for (const [connection, { patience }] of this.#waiting) {
      if (patience === 1 && connection.life.isAccepted() !== true) unaccepted++;
    }
    const workers = Math.max(1, this.#deps.count() - unaccepted);
    if (this.#deps.limit.find(workers, nowMs)) this.#deps.onWorkersFound(workers);
  }
}
