/**
 * What a request has been through, and whether it may be tried again.
 *
 * A request that the application cannot have seen may always be sent again. One that it may have
 * seen only when its method is in `retry.methods`, and to a server that has not had it (unless
 * `retry.same_server` says otherwise): it may be what makes applications crash. In both cases its
 * body must be there to be sent again, and nothing of a response may have gone to the client, which
 * is so as long as there is an error to look at here.
 *
 * One more exception: an application that says it multiplexes, and closes the connection with its
 * first response (node-fastcgi), loses the requests beside it. A GET of those goes once more, alone.
 * An HTTP server may close a kept connection just when a request comes: that goes once more, too.
 *
 * Of the requests that were on a lost connection each may be the one that broke it, so each gets a
 * connection of its own for its next attempt.
 */
import type { UpstreamError, UpstreamErrorCode } from "./errors.ts";
import type { UpstreamOptions } from "./options.ts";
import type { NextServerRule } from "./next_server.ts";
import type { Server } from "./server.ts";
import type { PlaceRequest } from "./single_connections.ts";

export interface Attempts extends PlaceRequest {
  /** Attempts made so far. */
  count: number;
  /** Servers of earlier attempts. */
  tried: ReadonlySet<Server>;
  /** When the time for all attempts together is over, on the clock's scale. */
  readonly totalDeadlineMs: number;
  /** Of what keeps the request with one server; undefined where nothing does. */
  readonly keyHash: number | undefined;
  server: Server | undefined;
  /** A kept connection was stale: the next attempt wants a new one. */
  wantsFreshConnection: boolean;
  /** It may have broken the connection of its last attempt: others are to stay clear of it. */
  wantsAlone: boolean;
}

const NONE_TRIED: ReadonlySet<Server> = new Set();

export function noAttempts(
  totalDeadlineMs: number,
  keyHash?: number,
  repeatable = false,
): Attempts {
  return {
    count: 0,
    tried: NONE_TRIED,
    totalDeadlineMs,
    keyHash,
    repeatable,
    server: undefined,
    wantsFreshConnection: false,
    wantsAlone: false,
  };
}

/** After these the same server may do better. */
const RETRIED: ReadonlySet<UpstreamErrorCode> = new Set([
  "connect_failed",
  "connect_timeout",
  "local_limit",
  "connection_lost",
  "overloaded",
  "cannot_multiplex",
]);

/** After these only another server can help. */
const RETRIED_ELSEWHERE: ReadonlySet<UpstreamErrorCode> = new Set(["bad_record"]);

/** With these the application says that it has not looked at the request. */
const NOT_PROCESSED: ReadonlySet<UpstreamErrorCode> = new Set(["overloaded", "cannot_multiplex"]);

/** Methods that change nothing, however often (RFC 9110 section 9.2.1). */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD"]);

export interface RetryQuestion {
  readonly error: UpstreamError;
  readonly attempts: Attempts;
  readonly method: string;
  readonly bodyIsThere: boolean;
  /** There is a server that was not tried. */
  readonly hasOthers: boolean;
  readonly options: UpstreamOptions;
  /** What the request says itself; left out: nothing. */
  readonly nextServer?: NextServerRule | undefined;
}

export function mayRetry(question: RetryQuestion): boolean {
  const { error, attempts, method, bodyIsThere, hasOthers, options, nextServer } = question;
  if (attempts.count > options.retry.attemptsMax || !bodyIsThere) return false;
  if (nextServer !== undefined && !NOT_PROCESSED.has(error.code)) {
    if (!nextServer.hasError(error.code) || !hasOthers) return false;
    return !error.sent || nextServer.anyMethod || options.retry.methods.includes(method);
  }
  if (!RETRIED.has(error.code) && !(hasOthers && RETRIED_ELSEWHERE.has(error.code))) return false;
  if (!error.sent || NOT_PROCESSED.has(error.code)) return true;
  const { methods, sameServer } = options.retry;
  if (!methods.includes(method)) return false;
  if (hasOthers || sameServer) return true;
  // HTTP says that a client repeats what may be repeated (RFC 9112 section 9.3.1).
  const isSafe = options.protocol === "http" || SAFE.has(method);
  return error.byHabit && attempts.count === 1 && isSafe;
}

/** Whether to wait before the next attempt: when it goes where the last one failed just now. */
export function shouldWait(error: UpstreamError, attempts: Attempts, hasOthers: boolean): boolean {
  if (error.code === "cannot_multiplex" || error.byHabit) return false;
  const isStale = error.code === "connection_lost" && attempts.wantsFreshConnection;
  return !isStale && !hasOthers;
}

/** Whether there is no room at all when there is none for it: it is choosy in nothing. */
export function takesAnyRoom({ tried, keyHash, wantsAlone }: Attempts): boolean {
  return tried.size === 0 && keyHash === undefined && !wantsAlone;
}
