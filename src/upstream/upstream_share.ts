/**
 * What an upstream has in common with the same upstream in other threads of the process, seen from one
 * of them. Left out of an upstream, it is alone.
 */
import type { Negotiation } from "./negotiation.ts";
import type { ServerOptions } from "./options.ts";
import type { ServerTurns } from "./server_turns.ts";

/** What has become of a server, for the threads that have not seen it. */
export const SERVER_NEWS = ["failed", "recovered", "down", "up"] as const;
export type ServerNews = (typeof SERVER_NEWS)[number];

/**
 * What a server does with other threads: looks for what they gave, gives what is theirs, asks for what
 * they have, takes over what they have found out.
 */
export type SharingCall = "wake" | "settle" | "ask" | "follow";

export interface UpstreamShare {
  /** Whether this thread is the one that asks servers how they are, for all. */
  readonly leads: boolean;
  /** Threads that share it, and which of them this one is. */
  readonly threads: number;
  readonly thread: number;
  permitsOf(server: string): ServerPermits;
  /** One more request waits here; false where too many wait in all. */
  enterQueue(max: number): boolean;
  leaveQueue(): void;
  /** One more tunnel begins here; false where there are too many in all. */
  enterTunnel(max: number): boolean;
  leaveTunnel(): void;
  /** Requests that wait, in all threads. */
  readonly queueLength: number;
  /**
   * The servers that the upstream has now, where they are supplied; resolves when no thread has requests
   * left at those that were there before.
   */
  supply(servers: readonly ServerOptions[]): Promise<void>;
  tell(server: string, news: ServerNews): void;
  /** Whom this thread's upstream is told through. */
  attach(listener: ShareListener): void;
  /** No longer through this one; nothing where it is another one by now. */
  detach(listener: ShareListener): void;
}

export interface ShareListener {
  /** Another thread has given us something, or wants something. */
  onRung(): void;
  /** What waits here has waited for a while. */
  onTurn(): void;
  onNews(server: string, news: ServerNews): void;
  /** A few times a second: others may have found out something. */
  onBeat(): void;
}

/** How an application takes requests, as one thread has found out. */
export type Manner = Pick<Negotiation, "outcome"> & {
  readonly multiplexes: boolean;
  readonly connections: number;
  readonly requests: number;
};

/** The connections to one server that threads may have together. */
export interface ServerPermits {
  /** The server's turns, in all threads. */
  readonly turns: ServerTurns;
  /** One more connection may be opened. */
  take(limit: number): boolean;
  /** A connection has gone, of so many that there may be. */
  give(limit?: number): void;
  /**
   * So many connections are idle; whether one should be closed, for another thread waits, and of so
   * many that there may be all are there.
   */
  rest(idle: number, limit?: number): boolean;
  /** Whether one should be closed though requests wait here: another thread has had fewer. */
  mustYield(): boolean;
  /** Looks for what others have given us. */
  wake(): void;
  /** Gives on what was given to us and is not needed. */
  giveSpare(): void;
  /** Asks the threads that have something to give. */
  ask(): void;
  /** Connections of all threads. */
  readonly total: number;
  /** Requests that other threads have begun, in all their lives. */
  readonly begunElsewhere: number;
  /** This thread begins one. */
  begin(): void;
  /** Requests that other threads have under way. */
  readonly streamsElsewhere: number;
  /** This thread has so many more under way, or fewer. */
  count(change: number, max: number, isWanted: boolean): void;
  /** One more request may begin, of so many at once; `isPatient`: else one waits here. */
  enterRequest(max: number, isPatient: boolean): boolean;
  /** What is free, or was given to us and is not needed, goes to threads that wait for it. */
  offerRequests(max: number, isWanted: boolean): void;
  /** As far as a thread has found out. */
  manner: Manner | undefined;
  /** So many connections are taken and no more, as a thread has found out; Infinity: nobody has. */
  workers: number;
  /** Whether a thread has found out that the application has the trait of this number. */
  hasTrait(trait: number): boolean;
  /** False where that was known. */
  addTrait(trait: number): boolean;
  dropTrait(trait: number): void;
}
