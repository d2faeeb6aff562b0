/**
 * The disk that all temporary files of responses and request bodies share. Each file takes what it is
 * about to write and gives it back when it is closed, so the sum has a bound. Whoever gets nothing,
 * or finds the disk full or its directory closed, stands still and is called again: when something
 * was given back, and every {@link RETRY_MS}. So a full disk slows the slow clients down and cuts
 * nobody, and all goes on by itself when there is space again.
 *
 * It does not know files.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";

/** How often it is tried again where nothing can be written. */
export const RETRY_MS = 1_000;

const GIB = 1024 * 1024 * 1024;

/** Bytes of all temporary files together, where nothing else is said. */
export const SPILL_TOTAL_MAX = 8 * GIB;

/** What the same space of other threads has, in one sum. */
export interface SpaceShare {
  /** Bytes of all threads. */
  readonly used: number;
  /** This thread has so many bytes now, and had so many; false where all would have too many. */
  change(before: number, after: number, max: number): boolean;
}

export class SpillSpace {
  #max: number;
  readonly #clock: Clock;
  readonly #onStuck: (cause: unknown) => void;
  readonly #waiting = new Set<() => void>();
  readonly #share: SpaceShare | undefined;
  #used = 0;
  #blockedUntilMs = -Infinity;
  #timer: TimerId | undefined;
  #isWaking = false;

  /** @param onStuck called when nothing can be written; without a cause: all of `max` is used */
  constructor(
    clock: Clock,
    max = SPILL_TOTAL_MAX,
    onStuck: (cause: unknown) => void = () => {},
    share?: SpaceShare,
  ) {
    this.#share = share;
    this.#clock = clock;
    this.#max = max;
    this.#onStuck = onStuck;
  }

  /** Most bytes of all files together. */
  get max(): number {
    return this.#max;
  }

  /** Files that there are stay, also where they are more than the new limit. */
  configure(max = SPILL_TOTAL_MAX): void {
    this.#max = max;
    this.#wake();
  }

  /** Bytes that files have or are about to have. */
  get used(): number {
    return this.#share?.used ?? this.#used;
  }

  /** Whether the bytes may be written now. They are to be given back, whatever becomes of them. */
  take(length: number): boolean {
    if (this.#clock.nowMs() < this.#blockedUntilMs) return false;
    const after = this.#used + length;
    const isFull = after > this.#max || this.#share?.change(this.#used, after, this.#max) === false;
    if (isFull) {
      this.#onStuck(undefined);
      return false;
    }
    this.#used += length;
    return true;
  }

  give(length: number): void {
    if (length === 0) return;
    this.#share?.change(this.#used, this.#used - length, this.#max);
    this.#used -= length;
    this.#wake();
  }

  /** A file could not be written: nobody need try for a moment. */
  block(cause: unknown): void {
    this.#blockedUntilMs = this.#clock.nowMs() + RETRY_MS;
    this.#onStuck(cause);
  }

  /** Calls once, when it may be worth to try again. Returns what calls it off. */
  wait(callback: () => void): () => void {
    this.#waiting.add(callback);
    this.#timer ??= this.#clock.setTimer(this.#onTimer, RETRY_MS);
    return () => {
      this.#waiting.delete(callback);
      this.#stopTimer();
    };
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#wake();
  };

  #wake(): void {
    // Whoever is called may give back at once, or wait again; one round is enough.
    if (this.#isWaking || this.#waiting.size === 0) return;
    this.#isWaking = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) callback();
    this.#isWaking = false;
    this.#stopTimer();
  }

  #stopTimer(): void {
    if (this.#waiting.size > 0 || this.#timer === undefined) return;
    this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}
