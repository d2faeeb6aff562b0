/**
 * One thread's side of a server's permits (`permits.ts`): how many it uses, and what it has been
 * given and not used yet. What becomes of connections is the caller's: it opens one after `take`,
 * closes one before `give`, and calls `wake` when its thread is rung.
 */
import {
  areAllTaken,
  countOwn,
  firstWaiting,
  givePermit,
  isAnyUrgent,
  mustYield,
  NOBODY,
  type PermitPlaces,
  takePermit,
  threadsToAsk,
} from "./permits.ts";
import { threadOf } from "./owners.ts";
import { type Steps, store } from "./steps.ts";

export class PermitSeat {
  readonly #places: PermitPlaces;
  readonly #owner: number;
  readonly #thread: number;
  #inUse = 0;
  /** Permits that are ours and have no connection: another thread gave them to us. */
  #spare = 0;

  constructor(places: PermitPlaces, owner: number) {
    this.#places = places;
    this.#owner = owner;
    this.#thread = threadOf(owner);
  }

  /** Connections that this thread has, or is about to open. */
  get inUse(): number {
    return this.#inUse;
  }

  get spare(): number {
    return this.#spare;
  }

  /** One more connection may be opened. */
  *take(limit: number): Steps<boolean> {
    if (this.#spare > 0) this.#spare--;
    else if (!(yield* takePermit(this.#places, this.#owner, limit))) return false;
    this.#inUse++;
    return true;
  }

  /** A connection has gone, of so many that there may be; the thread to ring. */
  *give(limit?: number): Steps<number> {
    this.#inUse--;
    return yield* givePermit(this.#places, this.#owner, limit);
  }

  /**
   * So many connections are idle here; whether one should be closed and given. While fewer than `limit`
   * are taken, who waits waits for something else, unless that takes long.
   */
  *rest(idle: number, limit = 0): Steps<boolean> {
    yield store(this.#places.idle + this.#thread, idle);
    if (idle === 0 || (yield* firstWaiting(this.#places, this.#thread)) === NOBODY) return false;
    return (yield* areAllTaken(this.#places, limit)) ||
      (yield* isAnyUrgent(this.#places, this.#thread));
  }

  /** Whether a connection that requests wait for here should go to another thread all the same. */
  *mustYield(): Steps<boolean> {
    return yield* mustYield(this.#places, this.#owner);
  }

  /** A request waits here, which is said already (`queue_seat.ts`); the threads to ring. */
  *ask(): Steps<readonly number[]> {
    return yield* threadsToAsk(this.#places, this.#owner);
  }

  /** Looks for what others have given. */
  *wake(): Steps<void> {
    const own = yield* countOwn(this.#places, this.#owner);
    this.#spare = Math.max(0, own - this.#inUse);
  }

  /** Gives on what nobody here needs; the thread to ring. */
  *giveSpare(): Steps<number> {
    if (this.#spare === 0) return NOBODY;
    this.#spare--;
    return yield* givePermit(this.#places, this.#owner);
  }
}
