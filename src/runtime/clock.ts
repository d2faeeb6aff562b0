/**
 * Time and timers. `system_clock.ts` is the machine's; that of `tests/support/memory/` is moved by tests.
 */

export type TimerId = { readonly brand: "timer" } | number;

/** Time; a test hands in one that it moves by hand. */
export interface Clock {
  /** Milliseconds that never go back; their zero means nothing. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Calls once after `delayMs`. */
  setTimer(callback: () => void, delayMs: number): TimerId;
  clearTimer(id: TimerId): void;
  /** Calls once after every event of this turn of the event loop has been handled. */
  atTurnEnd(callback: () => void): void;
}
