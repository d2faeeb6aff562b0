/**
 * A thread's signs of life: a word that grows while its event loop turns, and how late that was, at
 * most, in the last seconds. The main thread reads both; nobody is asked.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { SharedWords } from "../shared/steps.ts";

export const BEAT_INTERVAL_MS = 250;
/** The latest beat of so many is told. */
const BEATS_KEPT = 60;

export interface BeatPlaces {
  readonly beat: number;
  /** In microseconds. */
  readonly delay: number;
}

export class Heartbeat {
  readonly #words: SharedWords;
  readonly #places: BeatPlaces;
  readonly #clock: Pick<Clock, "nowMs" | "setTimer" | "clearTimer">;
  readonly #onBeat: () => void;
  readonly #delays = new Int32Array(BEATS_KEPT);
  #index = 0;
  #dueMs = 0;
  #timer: TimerId | undefined;

  constructor(
    words: SharedWords,
    places: BeatPlaces,
    clock: Pick<Clock, "nowMs" | "setTimer" | "clearTimer">,
    onBeat: () => void = () => {},
  ) {
    this.#words = words;
    this.#places = places;
    this.#clock = clock;
    this.#onBeat = onBeat;
  }

  start(): void {
    this.#dueMs = this.#clock.nowMs() + BEAT_INTERVAL_MS;
    this.#timer = this.#clock.setTimer(() => this.#beat(), BEAT_INTERVAL_MS);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
  }

  #beat(): void {
    const lateMs = Math.max(0, this.#clock.nowMs() - this.#dueMs);
    this.#delays[this.#index] = Math.round(lateMs * 1000);
    this.#index = (this.#index + 1) % BEATS_KEPT;
    Atomics.store(this.#words, this.#places.delay, Math.max(...this.#delays));
    Atomics.add(this.#words, this.#places.beat, 1);
    this.#onBeat();
    this.start();
  }
}
