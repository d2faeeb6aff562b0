/** What a server is made of, and whom it tells; see `server.ts`. */
import type { Runtime } from "../runtime/runtime.ts";
import type { BufferMemory } from "./buffer_memory.ts";
import type { Deadlines } from "./deadlines.ts";
import type { UpstreamError } from "./errors.ts";
import type { HealthResult } from "./health_check.ts";
import type { UpstreamObserver } from "./observer.ts";
import type { ServerOptions, UpstreamOptions } from "./options.ts";
import type { UpstreamShare } from "./upstream_share.ts";

/** What the upstream that holds the server is told, and asked. */
export interface ServerOwner<Server> {
  /** Whether requests wait for room. */
  readonly hasWaiting: boolean;
  /** There may be room for a request that waits; `server` has fewer than before, or may have. */
  onRoom(server?: Server): void;
  /** Nobody takes connections: requests that wait for nothing else should know. */
  onFailed(server: Server, error: UpstreamError): void;
  nextConnectionNumber(): number;
}

/** What the set that the server belongs to is told. */
export interface ServerKeeper<Server> {
  /** An active check is over; `changed` when the server went down or came back with it. */
  onHealth(server: Server, result: HealthResult, changed: boolean): void;
  /** Its weight grows from now on: `ServerStanding.grow()` is to be called before it is read. */
  onWarming(server: Server): void;
  /** It was left, and nothing of it is left. */
  onGone(server: Server): void;
}

export interface ServerDeps<Server> {
  readonly runtime: Runtime;
  /** What buffers of all requests hold; left out: nobody counts it. */
  readonly memory?: BufferMemory | undefined;
  readonly deadlines: Deadlines;
  readonly owner: ServerOwner<Server>;
  readonly observer: UpstreamObserver;
  readonly keeper: ServerKeeper<Server>;
  readonly server: ServerOptions;
  readonly options: UpstreamOptions;
  /** Left out: no other thread has this upstream. */
  readonly share?: UpstreamShare | undefined;
  /** From 0 to below 1: when it is asked how it is. */
  readonly random: () => number;
}
