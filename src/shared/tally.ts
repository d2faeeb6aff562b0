/**
 * Something that has a bound for the process and is counted by each thread in a word of its own: the
 * total is their sum, and what a dead thread counted is gone with its word.
 *
 * Who enters counts first and looks then: of those that are in at the same time the last one to count
 * has seen all others, so the bound holds. Two that come at the same moment to the last place may
 * both be refused; each is told so, and nobody is let in wrongly.
 */
import { add, load, type Steps, store } from "./steps.ts";

/** `threads` words from `at` on. */
export interface TallyPlaces {
  readonly at: number;
  readonly threads: number;
}

/** Counts `amount` for the thread, unless the total would be over the bound. */
export function* enterTally(
  { at, threads }: TallyPlaces,
  thread: number,
  amount: number,
  max: number,
): Steps<boolean> {
  const own = (yield add(at + thread, amount)) + amount;
  let total = own;
  for (let other = 0; other < threads; other++) {
    if (other !== thread) total += yield load(at + other);
  }
  if (total <= max) return true;
  yield add(at + thread, -amount);
  return false;
}

export function* leaveTally({ at }: TallyPlaces, thread: number, amount: number): Steps<void> {
  yield add(at + thread, -amount);
}

/** The thread counts so much now, whatever the bound. */
export function* setTally(
  { at }: TallyPlaces,
  thread: number,
  amount: number,
): Steps<void> {
  yield store(at + thread, amount);
}

export function* totalOf({ at, threads }: TallyPlaces): Steps<number> {
  let total = 0;
  for (let thread = 0; thread < threads; thread++) total += yield load(at + thread);
  return total;
}

/** The thread is dead. */
export function* clearTally({ at }: TallyPlaces, thread: number): Steps<void> {
  yield store(at + thread, 0);
}
