/**
 * Has garbage collected when bodies have left much of it. A piece that waits for a slow client is old
 * by the time that it goes, and stays until memory has doubled: 350 MiB that went to a thousand of them
 * took 500. So when many bytes have passed, resident memory is looked at, now and after a while, and
 * where it has grown since it was lowest, garbage is collected: not while responses are being sent, and
 * not often, because everything stands still meanwhile.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { Process } from "../runtime/process.ts";

/** How often memory is looked at. */
export const LOOK_INTERVAL_MS = 1_000;

/** What it may have grown by. */
export const GROWN_MAX = 64 * 1024 * 1024;

export interface GarbageDeps {
  readonly clock: Clock;
  readonly process: Pick<Process, "usage">;
  collectGarbage(): void;
}

export class GarbageWatch {
  readonly #deps: GarbageDeps;
  /** Of all time, and what it is held against. */
  #least: number;
  #lowest: number;
  #nextMs = -Infinity;
  #timer: TimerId | undefined;
  #hasCollected = false;
  #isOver = false;

  constructor(deps: GarbageDeps) {
    this.#deps = deps;
    this.#least = this.#lowest = deps.process.usage().residentLength;
  }

  /** Many bytes have passed since this was called last; `isOver`: and who held them has left. */
  passed(isOver = false): void {
    const { clock } = this.#deps;
    if (isOver) this.#lowest = this.#least;
    if (this.#isOver || this.#timer !== undefined) return;
    // What is left behind by then has to be seen, too.
    this.#timer = clock.setTimer(() => this.#lookAgain(), LOOK_INTERVAL_MS);
    if (clock.nowMs() >= this.#nextMs) this.#look();
  }

  stop(): void {
    this.#isOver = true;
    if (this.#timer !== undefined) this.#deps.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #lookAgain(): void {
    this.#timer = undefined;
    this.#look();
  }

  #look(): void {
    const { clock, process } = this.#deps;
    this.#nextMs = clock.nowMs() + LOOK_INTERVAL_MS;
    const { residentLength } = process.usage();
    // What is no garbage is what there is to be; some of it has come since.
    if (this.#hasCollected) this.#lowest = Math.max(this.#lowest, residentLength - GROWN_MAX);
    this.#hasCollected = false;
    this.#least = Math.min(this.#least, residentLength);
    if (residentLength <= this.#lowest + GROWN_MAX) {
      this.#lowest = Math.min(this.#lowest, residentLength);
      return;
    }
    clock.atTurnEnd(() => this.#deps.collectGarbage());
    this.#hasCollected = true;
    this.passed();
  }
}
