/**
 * A clock that stands still until a test moves it. Timers fire in the order of their time, those of
 * one time in the order in which they were set, and a timer set by another one fires in the same
 * `advance` when its time has come. What waits for the end of the turn waits for the real one: it is
 * not a matter of time.
 *
 * It counts what is asked of it, so that a test can wait until nobody asks any more.
 */
import { setImmediate } from "node:timers";
import type { Clock, TimerId } from "../../../src/runtime/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** Where a manual clock begins: 2001-09-09T01:46:40Z. */
const WALL_START_MS = 1_000_000_000_000;

/** Time that a test moves by hand. */
export class ManualClock implements Clock {
  /** How often something was asked of any of these clocks. */
  static asked = 0;
  /** Callbacks that any of them still owes to the end of a turn. */
  static turnEndsOwed = 0;
  #nowMs = 0;
  #lastId = 0;
  readonly #timers = new Map<number, Timer>();

  /** Timers that have not fired. */
  get timerCount(): number {
    return this.#timers.size;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return WALL_START_MS + this.#nowMs;
  }

  setTimer(callback: () => void, delayMs: number): TimerId {
    ManualClock.asked++;
    const id = ++this.#lastId;
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(0, delayMs), callback });
    return id;
  }

  clearTimer(id: TimerId): void {
    ManualClock.asked++;
    if (typeof id === "number") this.#timers.delete(id);
  }

  atTurnEnd(callback: () => void): void {
    ManualClock.asked++;
    ManualClock.turnEndsOwed++;
    setImmediate(() => {
      ManualClock.turnEndsOwed--;
      callback();
    });
  }

  /** Moves the time and fires what comes due, synchronously. */
  advance(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      const [id, timer] = next;
      this.#timers.delete(id);
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.callback();
    }
    this.#nowMs = endMs;
  }

  #next(endMs: number): [number, Timer] | undefined {
    let first: [number, Timer] | undefined;
    for (const entry of this.#timers) {
      const { dueMs } = entry[1];
      if (dueMs <= endMs && (first === undefined || dueMs < first[1].dueMs)) first = entry;
    }
    return first;
  }
}
