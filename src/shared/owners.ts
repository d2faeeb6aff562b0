/**
 * Who holds something: a thread, in one of its lives. A thread that died and was started again has
 * another number, so what the dead one held is never taken for the new one's. 0 is nobody.
 */
import { THREADS_MAX } from "./layout.ts";

/** Lives of a thread that have numbers of their own; 32 bits hold no more. */
const LIVES_MAX = Math.floor((2 ** 31 - 1) / THREADS_MAX) - 1;

/** `life` counts from 0. */
export function ownerOf(thread: number, life: number): number {
  return (life % LIVES_MAX) * THREADS_MAX + thread + 1;
}

/** The thread of an owner that is not nobody. */
export function threadOf(owner: number): number {
  return (owner - 1) % THREADS_MAX;
}
