/**
 * Time limits of many things with one timer. A holder keeps its own `deadlineMs` and moves it
 * whenever it likes, which costs an assignment; one timer, running only while there are holders,
 * looks at all of them every {@link TICK_MS}. So a request costs no timer of its own, nor a look at
 * the clock each time its limit moves: {@link Deadlines.after} counts from the next tick, and a limit
 * is kept not before its time and at most two ticks after it.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";

/** How often limits are looked at, in milliseconds. */
export const TICK_MS = 50;

/** The slot of a holder that is not held. */
export const NO_SLOT = -1;

/** Something with a time limit. */
export interface DeadlineHolder {
  /** On the clock's scale; Infinity while there is no limit. */
  deadlineMs: number;
  /** Where {@link Deadlines} keeps it; {@link NO_SLOT} at first, and nobody else's to change. */
  deadlineSlot: number;
  /** The limit has passed. The holder moves its deadline or removes itself, or is called again. */
  onDeadline(): void;
}

export class Deadlines {
  readonly #clock: Clock;
  /** In no order; one that goes is replaced by the last (a Set costs 0.4 µs more a request). */
  readonly #holders: DeadlineHolder[] = [];
  #timer: TimerId | undefined;
  #lastTickMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#holders.length;
  }

  /** All that have a limit now, as a copy: what is done to them may add and remove others. */
  holders(): DeadlineHolder[] {
    return [...this.#holders];
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** A deadline `delayMs` from now; never, for 0. */
  after(delayMs: number): number {
    if (delayMs <= 0) return Infinity;
    const countedFromMs = this.#timer === undefined
      ? this.#clock.nowMs()
      : this.#lastTickMs + TICK_MS;
    return countedFromMs + delayMs;
  }

  add(holder: DeadlineHolder): void {
    if (holder.deadlineSlot !== NO_SLOT) return;
    holder.deadlineSlot = this.#holders.length;
    this.#holders.push(holder);
    this.#schedule();
  }

  /** May be called for one that was never added, or twice. */
  remove(holder: DeadlineHolder): void {
    const slot = holder.deadlineSlot;
    if (slot === NO_SLOT) return;
    holder.deadlineSlot = NO_SLOT;
    const last = this.#holders.pop()!;
    if (last === holder) return;
    last.deadlineSlot = slot;
    this.#holders[slot] = last;
  }

  /** Stops the timer; nothing may be added after. */
  close(): void {
    for (const holder of this.#holders) holder.deadlineSlot = NO_SLOT;
    this.#holders.length = 0;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    this.#lastTickMs = this.#clock.nowMs();
    this.#timer = this.#clock.setTimer(this.#tick, TICK_MS);
  }

  readonly #tick = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    // A copy: what a holder does may add and remove others.
    const due = this.#holders.filter((holder) => holder.deadlineMs <= nowMs);
    for (const holder of due) {
      if (holder.deadlineSlot !== NO_SLOT && holder.deadlineMs <= nowMs) holder.onDeadline();
    }
    if (this.#holders.length > 0) this.#schedule();
  };
}
