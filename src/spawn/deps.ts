/** What a spawned application wants of whoever assembles: where servers go, who is told, the runtime. */
import type { UnixAddress } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { OutputSource, UserIds } from "../runtime/spawner.ts";
import type { Worker } from "./worker.ts";

/** Where servers go: the upstream, seen from here. */
export interface SpawnTarget {
  /** These and no others; resolves when those that left have no requests left. */
  useServers(addresses: readonly UnixAddress[]): Promise<void>;
  requestsBegun(address: UnixAddress): number;
}

/** Calls must not throw. */
export interface SpawnObserver {
  onState(upstream: string, worker: Worker): void;
  /** `isGood`: as a program does that has had its number of requests. */
  onEnded(
    upstream: string,
    worker: Worker,
    reason: string,
    restartMs: number,
    isGood: boolean,
  ): void;
  /** A new worker did not come up; the old one stays. */
  onNotReplaced(upstream: string, worker: Worker, reason: string): void;
  /** Sockets in the directory are gone; their workers are replaced. */
  onSocketsLost(upstream: string, path: string): void;
  /** No other directory can be made for them now. */
  onDirectoryFailed(upstream: string, reason: string): void;
  /** Whether output is left out, unread; so many bytes before it wait for their line's end. */
  leavesOut?(upstream: string, bytes: Uint8Array, waitingLength: number): boolean;
  onLine(upstream: string, pid: number | undefined, source: OutputSource, line: string): void;
  /** PHP and the like should not run as root. */
  onRunsAsRoot(upstream: string): void;
}

export interface SpawnDeps {
  readonly runtime: Runtime;
  readonly observer: SpawnObserver;
  readonly target: SpawnTarget;
  /** For the requests of a worker that is replaced. */
  readonly drainMs: number;
  /** Who connects to the workers, where that is somebody else than we are. */
  readonly client?: UserIds | undefined;
}
