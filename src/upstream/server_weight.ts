/**
 * A server's share beside the others'. After a failure, and where the server is new, it is a small
 * part of the configured weight, and once the server is there it grows to the whole over
 * `slow_start`: caches are cold, and what comes back at full load goes down again.
 */

/** The part of the weight with which a slow start begins. */
export const SLOW_START_SHARE = 0.05;

export class ServerWeight {
  /** What counts now. */
  value: number;
  readonly slowStartMs: number;
  #full: number;
  /** When it began to grow; Infinity while the server is not there. */
  #growsSinceMs = -Infinity;

  constructor(full: number, slowStartMs: number) {
    this.value = full;
    this.slowStartMs = slowStartMs;
    this.#full = full;
  }

  /** Another weight from now on; how far it has grown stays. */
  configure(full: number): void {
    this.value *= full / this.#full;
    this.#full = full;
  }

  /** The server is not there: it will start from below. */
  shrink(): void {
    this.#growsSinceMs = Infinity;
    this.value = this.#full * SLOW_START_SHARE;
  }

  /** The server is back. */
  startGrowing(nowMs: number): void {
    if (this.#growsSinceMs === Infinity) this.#growsSinceMs = nowMs;
  }

  /** Sets the value of this moment; false when it is the full one. */
  grow(nowMs: number): boolean {
    const grown = (nowMs - this.#growsSinceMs) / this.slowStartMs;
    const share = Math.min(1, Math.max(SLOW_START_SHARE, grown));
    this.value = this.#full * share;
    return share < 1;
  }
}
