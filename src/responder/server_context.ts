/**
 * What all connections and requests of one server share: its handler, its limits, its counts.
 */
import { RequestQuota } from "../protocol/request_quota.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ErrorContext, FastCgiHandler, ResponderLimits, ServerStatus } from "./options.ts";

/** Of all requests at once, what no connection gets that holds as many as this itself. */
export const RESERVED_PART = 1 / 8;

/** See the top of this file. */
export class ServerContext implements ServerStatus {
  readonly handler: FastCgiHandler;
  readonly limits: ResponderLimits;
  readonly multiplex: boolean;
  readonly clock: Clock;
  readonly quota: RequestQuota;
  connectionsSeen = 0;
  connectionsUsed = 0;
  connectionsOpen = 0;
  requestsSeen = 0;
  requestsActiveMax = 0;
  readonly #onError: (error: unknown, context: ErrorContext) => void;
  readonly #work = new Set<Promise<unknown>>();

  constructor(options: {
    handler: FastCgiHandler;
    limits: ResponderLimits;
    multiplex: boolean;
    clock: Clock;
    onError: ((error: unknown, context: ErrorContext) => void) | undefined;
  }) {
    this.handler = options.handler;
    this.limits = options.limits;
    this.multiplex = options.multiplex;
    this.clock = options.clock;
    const { maxRequests } = options.limits;
    const reserved = Math.min(maxRequests - 1, Math.ceil(maxRequests * RESERVED_PART));
    this.quota = new RequestQuota(maxRequests, reserved);
    this.#onError = options.onError ?? tellOnConsole;
  }

  get requestsActive(): number {
    return this.quota.taken;
  }

  /** A request is about to reach the handler. */
  countRequest(): void {
    this.requestsSeen++;
    if (this.quota.taken > this.requestsActiveMax) this.requestsActiveMax = this.quota.taken;
  }

  /** Tells the server's owner; an error of the owner's callback goes no further. */
  report(error: unknown, context: ErrorContext): void {
    try {
      this.#onError(error, context);
    } catch {
      // There is nobody left to tell.
    }
  }

  /** Work that a request has left behind. */
  addWork(work: Promise<unknown>, peer: string): void {
    const settled = work
      .catch((error) => this.report(error, { phase: "wait_until", peer }))
      .finally(() => this.#work.delete(settled));
    this.#work.add(settled);
  }

  /** Resolves when all work that requests have left behind is done. */
  async workDone(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}

/** What the application itself did; a web server could fill a console with the rest. */
function tellOnConsole(error: unknown, { phase }: ErrorContext): void {
  if (phase === "handler") console.error("Cannot answer request: the handler failed:", error);
  if (phase === "wait_until") console.error("Work of waitUntil failed:", error);
}
