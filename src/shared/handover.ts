/**
 * Connections that the main thread gives to a thread, each by its number, and whether the thread has
 * taken them. A thread takes them in their order; the main thread may take back all that are not taken
 * yet: the thread stands still, or is dead. Both move the same word, so each connection has one owner,
 * whoever is faster, and one that was taken back is none of the thread's whenever its message arrives.
 *
 * The numbers go on over a thread's lives, so what is left of a life that ended takes nothing.
 */
import { compareExchange, load, type Steps } from "./steps.ts";

/** A word for each thread: the number of the next connection that it may take. */
export interface HandoverPlaces {
  readonly taken: number;
}

/** The number behind it; they are 32 bits, and begin again. */
export function nextNumber(number: number): number {
  return (number + 1) | 0;
}

/** How many numbers there are from one to another. */
export function numbersBetween(first: number, end: number): number {
  return (end - first) | 0;
}

/** The thread takes the connection of this number; false: it is no longer its own. */
export function* takeGiven(
  { taken }: HandoverPlaces,
  thread: number,
  number: number,
): Steps<boolean> {
  const at = taken + thread;
  return (yield compareExchange(at, number, nextNumber(number))) === number;
}

/** The number of the next one that the thread has not taken. */
export function* nextUntaken({ taken }: HandoverPlaces, thread: number): Steps<number> {
  return yield load(taken + thread);
}

/** The main thread takes back all that are not taken; `end` is the next number to give. The first of them. */
export function* takeBack(
  { taken }: HandoverPlaces,
  thread: number,
  end: number,
): Steps<number> {
  const at = taken + thread;
  for (;;) {
    const first = yield load(at);
    if (first === end || (yield compareExchange(at, first, end)) === first) return first;
  }
}
