/** Bits of a word, of which each thread may set or clear some. */
import { compareExchange, load, type Steps } from "./steps.ts";

/** Sets them; of several threads that do, one is told that it was the first. */
export function* addBits(at: number, bits: number): Steps<boolean> {
  for (;;) {
    const before = yield load(at);
    if ((before & bits) === bits) return false;
    if ((yield compareExchange(at, before, before | bits)) === before) return true;
  }
}

export function* dropBits(at: number, bits: number): Steps<void> {
  for (;;) {
    const before = yield load(at);
    if ((before & bits) === 0) return;
    if ((yield compareExchange(at, before, before & ~bits)) === before) return;
  }
}
