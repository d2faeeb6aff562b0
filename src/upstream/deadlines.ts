/**
 * Time limits of many things with one timer. A holder keeps its own `deadlineMs` and moves it
 * whenever it likes, which costs an assignment; one timer, running only while there are holders,
 * looks at all of them every {@link TICK_MS}. So a limit is kept to within a tick, and a request
 * costs no timer of its own.
 */
import type { Clock, TimerId } from "../runtime/runtime.ts";

/** How late a limit may be noticed, in milliseconds. */
export const TICK_MS = 50;

/** Something with a time limit. */
export interface DeadlineHolder {
  /** On the clock's scale; Infinity while there is no limit. */
  deadlineMs: number;
  /** The limit has passed. The holder moves its deadline or removes itself, or is called again. */
  onDeadline(): void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #holders = new Set<DeadlineHolder>();
  #timer: TimerId | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#holders.size;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** The clock's value `delayMs` from now; never, for 0. */
  after(delayMs: number): number {
    return delayMs > 0 ? this.#clock.nowMs() + delayMs : Infinity;
  }

  add(holder: DeadlineHolder): void {
    this.#holders.add(holder);
    this.#timer ??= this.#clock.setTimer(this.#tick, TICK_MS);
  }

  /** May be called for one that was never added, or twice. */
  remove(holder: DeadlineHolder): void {
    this.#holders.delete(holder);
  }

  /** Stops the timer; nothing may be added after. */
  close(): void {
    this.#holders.clear();
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  readonly #tick = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    for (const holder of this.#holders) {
      if (holder.deadlineMs <= nowMs) holder.onDeadline();
    }
    if (this.#holders.size > 0) this.#timer ??= this.#clock.setTimer(this.#tick, TICK_MS);
  };
}
