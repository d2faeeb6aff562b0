/**
 * What an upstream tells whoever counts and logs. All calls are made at once and must not throw.
 */
import type { Trait } from "./application_traits.ts";
import type { UpstreamErrorCode } from "./errors.ts";
import type { HealthResult } from "./health_check.ts";
import type { Lookup } from "./server_name.ts";

/** Which request something is said of. */
export interface ObservedRequest {
  readonly requestId: string;
  readonly upstream: string;
  readonly server: string | undefined;
  readonly connection: number | undefined;
  readonly stream: number;
}

/** What an application should not do, and what was made good for it. */
export interface UpstreamFlaw {
  readonly upstream: string;
  readonly server: string | undefined;
  /** `unknown_record`: skipped; `excess_body`, `repeated_field`: left out of the response. */
  readonly code: "unknown_record" | "excess_body" | "repeated_field";
  readonly message: string;
  /** Left out where no request is known. */
  readonly request?: ObservedRequest;
}

export interface UpstreamObserver {
  onFlaw(flaw: UpstreamFlaw): void;
  onRetry(upstream: string, reason: UpstreamErrorCode): void;
  /** A request ended without a response, after all attempts. */
  onError(upstream: string, code: UpstreamErrorCode): void;
  /** The application was told to give a request up. */
  onAborted(upstream: string): void;
  /** Reading of a connection stopped for a slow client's sake. */
  onPaused(upstream: string): void;
  /** A response was cut because its slow client held up others for too long. */
  onSlowClient(upstream: string): void;
  onQueueRejected(upstream: string): void;
  /** A request that had to wait has found room, or has given up waiting. */
  onQueueLeft(upstream: string, waitedMs: number): void;
  /** Bytes that went into (positive) or left (negative) temporary files. */
  onSpill(bytes: number): void;
  /** A server was asked how it is; `changed` when it went down or came back with the response. */
  onHealthCheck(upstream: string, server: string, result: HealthResult, changed: boolean): void;
  /** A name of a server was looked up. */
  onLookup(upstream: string, name: string, lookup: Lookup): void;
  /** Addresses of a name that are new, and that are no longer used; and all of the upstream's. */
  onServersChanged(
    upstream: string,
    name: string,
    joined: readonly string[],
    left: readonly string[],
    servers: readonly string[],
  ): void;
  /** A connection stands that is for requests. */
  onConnected(upstream: string, server: string): void;
  /** An application has shown something of itself; told once. */
  onTrait(upstream: string, server: string, trait: Trait, count: number | undefined): void;
  /** Whether bytes of STDERR are left out, unread; so many before them wait for their line's end. */
  leavesOutStderr?(upstream: string, bytes: Uint8Array, waitingLength: number): boolean;
  /** Something went wrong on our side, and has cost a connection. */
  onFailure?(upstream: string, error: unknown): void;
  /** A line of the application's STDERR. */
  onStderrLine(line: string, request: ObservedRequest): void;
}

/** For those who do not want to know. */
export const SILENT_OBSERVER: UpstreamObserver = {
  onFlaw() {},
  onRetry() {},
  onError() {},
  onAborted() {},
  onPaused() {},
  onSlowClient() {},
  onQueueRejected() {},
  onQueueLeft() {},
  onSpill() {},
  onHealthCheck() {},
  onLookup() {},
  onServersChanged() {},
  onConnected() {},
  onTrait() {},
  onStderrLine() {},
};
