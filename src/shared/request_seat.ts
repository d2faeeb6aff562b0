/**
 * One thread's side of the requests that all threads have at a server: counted, so that who balances
 * sees what others have there, and bounded where the application takes only so many at once
 * (FCGI_MAX_REQS).
 *
 * Each thread counts its own in a word of its own; the total is their sum. Who enters counts first and
 * looks then, so the bound holds. Who finds no place says that it wants one and looks again; a place
 * that becomes free goes straight to the thread that wants one and has fewest (it is `given`, and counts
 * until that thread uses it or gives it on), unless this thread has work for it and no more than that
 * other. So nobody waits beside a free place, and nobody starves: who has none is given the next one.
 *
 * A want is fulfilled once, by one thread: one that stands still holds up one place at most.
 */
import { NOBODY } from "./permits.ts";
import { add, compareExchange, load, type Steps, store } from "./steps.ts";

/** Each is a word for each thread. */
export interface RequestPlaces {
  readonly threads: number;
  /** Requests that it has at the server, and above {@link GIVEN} what it was given and has not used. */
  readonly held: number;
  /** 1: it found no place, and wants one. */
  readonly wants: number;
  /** One word: grows while a place goes from a thread to another, or a sum could miss it in both. */
  readonly moves: number;
}

/** One place that was given, in the same word, so that it is used by one access. */
const GIVEN = 2 ** 20;
const OPEN_BITS = GIVEN - 1;

const NO_THREADS: readonly number[] = [];

export class RequestSeat {
  readonly #places: RequestPlaces;
  readonly #thread: number;
  #open = 0;

  constructor(places: RequestPlaces, thread: number) {
    this.#places = places;
    this.#thread = thread;
  }

  /** A request may begin: it counts already. With `isPatient` it wants a place where there is none. */
  *enter(max: number, isPatient: boolean): Steps<boolean> {
    if (yield* this.#tryEnter(max)) return true;
    if (!isPatient) return false;
    yield store(this.#places.wants + this.#thread, 1);
    return yield* this.#tryEnter(max);
  }

  /** It has so many now; `isWanted`: and more that wait. The threads to ring. */
  *change(count: number, isWanted: boolean): Steps<readonly number[]> {
    const { held, moves } = this.#places;
    const own = held + this.#thread;
    const rung: number[] = [];
    while (this.#open > count) {
      const heir = yield* this.#neediest(isWanted ? this.#open - 1 : Infinity);
      if (heir === NOBODY) break;
      // It counts for both for a moment: one that enters just now must not take it.
      yield add(held + heir, GIVEN);
      yield add(moves, 1);
      yield add(own, -1);
      this.#open--;
      rung.push(heir);
    }
    if (this.#open !== count) yield add(own, count - this.#open);
    this.#open = count;
    return rung.length === 0 ? NO_THREADS : rung;
  }

  /** The same where there is no bound, so nobody wants a place: one access, in the way of each request. */
  recount(words: Int32Array, count: number): void {
    Atomics.add(words, this.#places.held + this.#thread, count - this.#open);
    this.#open = count;
  }

  /** Gives on what nobody here has use for; the threads to ring. */
  *settle(isWanted: boolean): Steps<readonly number[]> {
    const { held, wants, moves } = this.#places;
    const own = held + this.#thread;
    if (!isWanted) yield store(wants + this.#thread, 0);
    let given = givenOf(yield load(own));
    if (given === 0) return NO_THREADS;
    const rung: number[] = [];
    for (; given > 0; given--) {
      const heir = yield* this.#neediest(Infinity);
      if (heir !== NOBODY) {
        yield add(held + heir, GIVEN);
        yield add(moves, 1);
        rung.push(heir);
      }
      yield add(own, -GIVEN);
    }
    return rung;
  }

  /**
   * Who wants a place while there is a free one; the thread to ring, which finds out by itself. Who
   * waits itself looks whether there is one, or two would ring each other without end. Who does not
   * rings in any case: the other one may count for a moment what it is about to be refused.
   */
  *offer(max: number, isWanted: boolean): Steps<number> {
    const { threads, wants } = this.#places;
    for (let step = 1; step < threads; step++) {
      const other = (this.#thread + step) % threads;
      if ((yield load(wants + other)) === 0) continue;
      if (!isWanted) return other;
      const own = yield load(this.#places.held + this.#thread);
      return totalOf(own) + (yield* this.#elsewhere()) < max ? other : NOBODY;
    }
    return NOBODY;
  }

  *#tryEnter(max: number): Steps<boolean> {
    const { held, moves } = this.#places;
    const own = held + this.#thread;
    for (;;) {
      const moved = yield load(moves);
      const before = yield add(own, 1);
      if (givenOf(before) > 0) {
        this.#open++;
        yield add(own, -GIVEN);
        return true;
      }
      const total = openOf(before) + 1 + (yield* this.#elsewhere());
      const isSure = (yield load(moves)) === moved;
      if (isSure && total <= max) {
        this.#open++;
        return true;
      }
      yield add(own, -1);
      if (isSure || total > max) return false;
    }
  }

  *#elsewhere(): Steps<number> {
    const { threads, held } = this.#places;
    let total = 0;
    for (let thread = 0; thread < threads; thread++) {
      if (thread !== this.#thread) total += totalOf(yield load(held + thread));
    }
    return total;
  }

  /** Whose want this thread fulfils now: one that has nothing, or less than so many here. */
  *#neediest(own: number): Steps<number> {
    const { threads, held, wants } = this.#places;
    let best = NOBODY;
    let least = Infinity;
    for (let step = 1; step < threads; step++) {
      const other = (this.#thread + step) % threads;
      if ((yield load(wants + other)) === 0) continue;
      const has = totalOf(yield load(held + other));
      if (has >= least) continue;
      best = other;
      least = has;
    }
    if (best === NOBODY || (least > 0 && least >= own)) return NOBODY;
    return (yield compareExchange(wants + best, 1, 0)) === 1 ? best : NOBODY;
  }
}

/** What other threads have at the server. */
export function requestsElsewhere(
  words: Int32Array,
  { held, threads }: RequestPlaces,
  self: number,
): number {
  let total = 0;
  for (let thread = 0; thread < threads; thread++) {
    if (thread !== self) total += openOf(Atomics.load(words, held + thread));
  }
  return total;
}

/** Whether something counts for the thread. */
export function* hasRequests({ held }: RequestPlaces, thread: number): Steps<boolean> {
  return (yield load(held + thread)) !== 0;
}

/** The thread is dead: it has nothing there and wants nothing. */
export function* clearRequests({ held, wants }: RequestPlaces, thread: number): Steps<void> {
  yield store(held + thread, 0);
  yield store(wants + thread, 0);
}

function openOf(word: number): number {
  return word & OPEN_BITS;
}

function givenOf(word: number): number {
  return Math.floor(word / GIVEN);
}

function totalOf(word: number): number {
  return openOf(word) + givenOf(word);
}
