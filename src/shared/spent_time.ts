/**
 * How much of something that comes back with time all threads have spent together: a word that says
 * until when it is spent, in ticks of a clock that they share. It may lie a while ahead of now, the
 * burst; beyond that nothing may be spent. A thread that dies leaves nothing behind that time does not
 * mend. Ticks are 32 bits and begin again.
 */
import { compareExchange, load, type Steps } from "./steps.ts";

/** A word that is further ahead was left when the clock was moved, or long ago: it says nothing. */
const STRAY_BURSTS = 4;

/** How far ahead of now it is spent. */
function ahead(until: number, now: number, burst: number): number {
  const ticks = (until - now) | 0;
  return ticks < 0 || ticks > STRAY_BURSTS * burst ? 0 : ticks;
}

/** Whether nothing may be spent now. */
export function* isSpent(at: number, now: number, burst: number): Steps<boolean> {
  return ahead(yield load(at), now, burst) >= burst;
}

/** So many ticks more are spent, at most as much as {@link isSpent} lets come back soon. */
export function* spend(at: number, now: number, burst: number, ticks: number): Steps<void> {
  for (;;) {
    const until = yield load(at);
    const next = (now + ahead(until, now, burst) + Math.min(ticks, burst)) | 0;
    if ((yield compareExchange(at, until, next)) === until) return;
  }
}
