/** Waiting on the clock that is handed in. */
import type { Clock } from "../runtime/clock.ts";

/** Longer timers than about 24 days fire at once; the wall clock is looked at anew before. */
const SLICE_MS = 3_600_000;

/** @throws the signal's reason once it has fired */
export function sleep(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = clock.setTimer(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, durationMs);
    const onAbort = (): void => {
      clock.clearTimer(timer);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** Until a time on the wall, also where that clock is set or the machine sleeps meanwhile. */
export async function sleepUntil(clock: Clock, wallMs: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = wallMs - clock.wallMs(); leftMs > 0; leftMs = wallMs - clock.wallMs()) {
    await sleep(clock, Math.min(leftMs, SLICE_MS), signal);
  }
}
