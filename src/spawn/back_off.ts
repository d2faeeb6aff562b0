/**
 * How long to wait before a worker is started again. One that has run for a while is started at once;
 * one that ends again and again waits twice as long each time, up to a limit, so that a program that
 * cannot start does not keep the machine busy. It knows no clock.
 */

/** A worker that ran this long was well; what ended it is no reason to wait. */
export const WELL_AFTER_MS = 10_000;

export class BackOff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #failures = 0;

  constructor(firstMs: number, maxMs: number) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** The wait after a run of this length. */
  next(ranMs: number): number {
    if (ranMs >= WELL_AFTER_MS) {
      this.#failures = 0;
      return 0;
    }
    return Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#failures++, 30));
  }
}
