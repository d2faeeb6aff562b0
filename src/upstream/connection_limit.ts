/**
 * How many connections a server takes that serve one request each: what is configured, at most what the
 * application says of itself, and at most what was found out. Where a connection waits that nobody
 * accepts while others are answered, the application has no more workers than those others. It may
 * get more: while requests wait, one more is tried after a second, at once again when it is taken,
 * and after twice the time each time it is not.
 *
 * It knows numbers and times alone.
 */

import type { ServerPermits } from "./upstream_share.ts";

/** Most connections to a server with `connections.max: auto` that serve one request each. */
export const AUTO_SINGLE_MAX = 128;
/** The same, where nobody can tell whether a connection was accepted. */
export const AUTO_BLIND_MAX = 8;
/** The same, of an HTTP server, which needs no worker for each. */
export const AUTO_HTTP_MAX = 512;
/** The same, where requests share a connection. */
export const AUTO_SHARED_MAX = 8;
/** The first wait before one more is tried, and the longest. */
export const TRIAL_WAIT_MS = 1_000;
export const TRIAL_WAIT_MAX_MS = 60_000;

export class ConnectionLimit {
  readonly #configured: number | "auto";
  readonly #isHttp: boolean;
  /** Whether it can be told here when nobody accepts a connection; undefined until one was looked at. */
  canTell: boolean | undefined;
  #said = Infinity;
  #ownFound = Infinity;
  readonly #permits: Pick<ServerPermits, "workers"> | undefined;
  #trialWaitMs = TRIAL_WAIT_MS;
  #nextTrialMs = Infinity;
  /** Whether it is not known yet what became of the one more. */
  #isTrying = false;

  /** With `permits`, what threads have found out is known to all. */
  constructor(
    configured: number | "auto",
    isHttp = false,
    permits?: Pick<ServerPermits, "workers">,
  ) {
    this.#configured = configured;
    this.#isHttp = isHttp;
    this.#permits = permits;
  }

  /** For connections that serve one request each. */
  get single(): number {
    return Math.min(this.#single, this.#found);
  }

  /** For connections that requests share. */
  get shared(): number {
    const configured = this.#configured === "auto" ? AUTO_SHARED_MAX : this.#configured;
    return Math.min(configured, this.#said);
  }

  /** What the application says of itself; Infinity when it says nothing. */
  say(connectionsMax: number): void {
    this.#said = connectionsMax;
  }

  /** Only so many were taken. Whether that is news. */
  find(workers: number, nowMs: number): boolean {
    const isNews = this.#found === Infinity;
    if (!isNews) this.#trialWaitMs = Math.min(2 * this.#trialWaitMs, TRIAL_WAIT_MAX_MS);
    this.#found = Math.min(this.#found, Math.max(1, workers));
    this.#isTrying = false;
    this.#nextTrialMs = nowMs + this.#trialWaitMs;
    return isNews;
  }

  /** So many are taken now. */
  taken(count: number, nowMs: number): void {
    if (!this.#isTrying || count < this.#found) return;
    this.#isTrying = false;
    this.#trialWaitMs = TRIAL_WAIT_MS;
    this.#nextTrialMs = nowMs;
  }

  /** A request waits though the limit is reached: whether it may try one more. */
  tryMore(nowMs: number): boolean {
    if (nowMs < this.#nextTrialMs || this.#found >= this.#single) return false;
    this.#found++;
    this.#isTrying = true;
    this.#nextTrialMs = nowMs + this.#trialWaitMs;
    return true;
  }

  /** It may be another application now. */
  forget(): void {
    this.#said = Infinity;
    this.#found = Infinity;
    this.#trialWaitMs = TRIAL_WAIT_MS;
    this.#nextTrialMs = Infinity;
  }

  get #found(): number {
    return this.#permits?.workers ?? this.#ownFound;
  }

  set #found(count: number) {
    if (this.#permits === undefined) this.#ownFound = count;
    else this.#permits.workers = count;
  }

  get #single(): number {
    const worker = this.canTell ? AUTO_SINGLE_MAX : AUTO_BLIND_MAX;
    const auto = this.#isHttp ? AUTO_HTTP_MAX : worker;
    return Math.min(this.#configured === "auto" ? auto : this.#configured, this.#said);
  }
}
