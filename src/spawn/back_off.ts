/**
 * How long to wait before a worker is started again. One that has run for a while is started at once;
 * one that ends repeatedly waits twice as long each time, up to a limit, so that a program that
 * cannot start does not keep the machine busy. One that has done its work and ends well is no failure
 * (PHP_FCGI_MAX_REQUESTS and the like): the next starts at once. It knows no clock.
 */

/** A worker that ran this long was well; what ended it is no reason to wait. */
export const WELL_AFTER_MS = 10_000;

/** Good ends in a row without a request in between; one more is taken for a failure. */
export const IDLE_ENDS_MAX = 3;

export interface RunEnd {
  readonly ranMs: number;
  /** With status 0, after it had listened. */
  readonly isGood: boolean;
  /** Whether it had requests. */
  readonly hasServed: boolean;
}

export class BackOff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #failures = 0;
  #idleEnds = 0;

  constructor(firstMs: number, maxMs: number) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  next({ ranMs, isGood, hasServed }: RunEnd): number {
    if (hasServed) this.#idleEnds = 0;
    if (isGood && (hasServed || ++this.#idleEnds <= IDLE_ENDS_MAX)) return 0;
    if (ranMs >= WELL_AFTER_MS) {
      this.#failures = 0;
      return 0;
    }
    return Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#failures++, 30));
  }
}
