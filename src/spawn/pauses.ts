/** Waits that end before their time when all is to end. It does not know what is waited for. */
import type { Clock } from "../runtime/clock.ts";

export class Pauses {
  readonly #clock: Clock;
  /** Each ends one wait. */
  readonly #ends = new Set<() => void>();
  #isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the time is over, or when all is to end. */
  pause(timeMs: number): Promise<void> {
    return this.#begin(timeMs).over;
  }

  /** Resolves with the promise, when the time is over, or when all is to end. */
  async within(done: Promise<unknown>, limitMs: number): Promise<void> {
    const { over, end } = this.#begin(limitMs);
    await Promise.race([done, over]);
    end();
  }

  /** Ends all of them, and those that begin later at once. */
  endAll(): void {
    this.#isOver = true;
    for (const end of this.#ends) end();
  }

  #begin(timeMs: number): { readonly over: Promise<void>; readonly end: () => void } {
    if (this.#isOver) return { over: Promise.resolve(), end: () => {} };
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => {
      this.#clock.clearTimer(timer);
      this.#ends.delete(end);
      resolve();
    };
    const timer = this.#clock.setTimer(end, timeMs);
    this.#ends.add(end);
    return { over: promise, end };
  }
}
