/** What a connection is made of, and whom it tells; see `connection.ts`. */
import type { Runtime } from "../runtime/runtime.ts";
import type { BufferMemory } from "./buffer_memory.ts";
import type { Deadlines } from "./deadlines.ts";
import type { UpstreamError } from "./errors.ts";
import type { UpstreamObserver } from "./observer.ts";
import type { ServerOptions, UpstreamOptions } from "./options.ts";

/** What the pool that holds the connection is told, and asked. */
export interface ConnectionOwner<Connection> {
  /** Whether requests wait for room. */
  readonly hasWaiting: boolean;
  onOpen(connection: Connection): void;
  /** A request has begun on it. */
  onBegan(connection: Connection): void;
  /** A request has ended or the connection reads or writes again: there may be room. */
  onRoom(connection: Connection): void;
  /** It is a tunnel now (status 101), and takes no more requests. */
  onSwitched(connection: Connection): void;
  onClosed(connection: Connection, error: UpstreamError): void;
}

export interface ConnectionDeps<Connection> {
  readonly runtime: Runtime;
  /** What buffers of all requests hold; left out: nobody counts it. */
  readonly memory?: BufferMemory | undefined;
  readonly deadlines: Deadlines;
  readonly owner: ConnectionOwner<Connection>;
  readonly observer: UpstreamObserver;
  readonly server: ServerOptions;
  readonly options: UpstreamOptions;
  readonly multiplexed: boolean;
  /** Whether it is kept after a request (KEEP_CONN). */
  readonly keeps: boolean;
  /** For logs; unique in the upstream. */
  readonly number: number;
}
