/**
 * How many requests of an upstream have no complete response yet, who waits until there are none,
 * and when a burst of them is over.
 *
 * Thousands of requests that are held at once outlive the young generation of a garbage collector
 * and end as garbage of the old one, which is looked at when memory has doubled: each burst then
 * comes on top of what is left of the one before (measured on Bun, 8,000 requests held for 2 s:
 * peaks of 190 to 230 MiB, and of 150 with a collection after each). Collecting everything takes
 * 15 to 50 ms at the end of a burst, when little is alive, so it is asked for there and not often.
 *
 * It does not know what a request is.
 */
import type { Clock } from "../runtime/clock.ts";

/** With so many at once it is a burst; it is over when less than {@link BURST_REST} of it is left. */
export const BURST_MIN = 1024;
export const BURST_REST = 1 / 64;

/** A burst that ends sooner after the one before is not told. */
export const BURST_INTERVAL_MS = 2000;

export class OpenRequests {
  readonly #clock: Clock;
  readonly #onBurstOver: () => void;
  readonly #onIdle = new Set<() => void>();
  #count = 0;
  /** Most at once since the last burst. */
  #highest = 0;
  #nextBurstMs = -Infinity;

  constructor(clock: Clock, onBurstOver: () => void) {
    this.#clock = clock;
    this.#onBurstOver = onBurstOver;
  }

  get count(): number {
    return this.#count;
  }

  begin(): void {
    this.#count++;
    if (this.#count > this.#highest) this.#highest = this.#count;
  }

  end(): void {
    this.#count--;
    if (this.#highest >= BURST_MIN && this.#count < this.#highest * BURST_REST) this.#endBurst();
    if (this.#count > 0) return;
    for (const onIdle of this.#onIdle) onIdle();
  }

  /** Resolves when nothing is open, or (unless it is 0) after `limitMs`. */
  async idle(limitMs: number): Promise<void> {
    if (this.#count === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = limitMs > 0 ? this.#clock.setTimer(resolve, limitMs) : undefined;
    this.#onIdle.add(resolve);
    await promise;
    this.#onIdle.delete(resolve);
    if (timer !== undefined) this.#clock.clearTimer(timer);
  }

  #endBurst(): void {
    this.#highest = this.#count;
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#nextBurstMs) return;
    this.#nextBurstMs = nowMs + BURST_INTERVAL_MS;
    this.#onBurstOver();
  }
}
