/**
 * One thread's side of the requests that wait for an upstream: counted, so that `queue.max` holds for
 * the process, and seen by the threads that have something to give.
 */
import type { PermitPlaces } from "./permits.ts";
import { type Steps, store } from "./steps.ts";
import { enterTally, leaveTally } from "./tally.ts";

export type QueuePlaces = Pick<PermitPlaces, "threads" | "waiting" | "urgent">;

export class QueueSeat {
  readonly #places: QueuePlaces;
  readonly #thread: number;
  #length = 0;

  constructor(places: QueuePlaces, thread: number) {
    this.#places = places;
    this.#thread = thread;
  }

  get length(): number {
    return this.#length;
  }

  /** One more request waits; false where the process has too many already. */
  *enter(max: number): Steps<boolean> {
    const { threads, waiting } = this.#places;
    if (!(yield* enterTally({ at: waiting, threads }, this.#thread, 1, max))) return false;
    this.#length++;
    return true;
  }

  *leave(): Steps<void> {
    const { threads, waiting, urgent } = this.#places;
    this.#length--;
    if (this.#length === 0) yield store(urgent + this.#thread, 0);
    yield* leaveTally({ at: waiting, threads }, this.#thread, 1);
  }

  /** It has waited for long, and this thread has no connection. */
  *becomeUrgent(): Steps<void> {
    if (this.#length > 0) yield store(this.#places.urgent + this.#thread, 1);
  }
}
