/**
 * How the end of interest in a request is told: an `AbortSignal` says it to everybody, at the price
 * of two native objects and an event (1.5 µs on Bun). A {@link LightAbortSignal} says
 * the same to listeners of ours, for the thousands of requests that wait at a time.
 */
import type { HttpRequest } from "./http_request.ts";

export type AbortListener = (() => void) | { handleEvent(): void };

/** What tells that a client has left; an `AbortSignal` is one. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: AbortListener): void;
  removeEventListener(type: "abort", listener: AbortListener): void;
}

export class LightAbortSignal implements AbortSignalLike {
  #aborted = false;
  readonly #listeners: AbortListener[] = [];

  get aborted(): boolean {
    return this.#aborted;
  }

  addEventListener(_type: "abort", listener: AbortListener): void {
    if (!this.#aborted && !this.#listeners.includes(listener)) this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: AbortListener): void {
    const index = this.#listeners.indexOf(listener);
    if (index >= 0) this.#listeners.splice(index, 1);
  }

  /** Tells it once, to who listens now. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    for (let next = this.#listeners.shift(); next !== undefined; next = this.#listeners.shift()) {
      if (typeof next === "function") next();
      else next.handleEvent();
    }
  }
}

/** A request that can tell of its client's leaving without a signal. */
interface HasAbortSignal {
  readonly abortSignal: LightAbortSignal;
}

/** The cheapest that tells when the client of a request leaves before it is answered. */
export function abortSignalOf(request: HttpRequest): AbortSignalLike {
  return (request as Partial<HasAbortSignal>).abortSignal ?? request.signal;
}
