/** Waits for an end, and no longer than the grace. */
import type { Clock } from "../runtime/clock.ts";

/** Resolves when it is done, failed, or out of time. */
export function withinGrace(done: Promise<unknown>, graceMs: number, clock: Clock): Promise<void> {
  return new Promise<void>((resolve) => {
    const timer = clock.setTimer(resolve, graceMs);
    const finish = () => {
      clock.clearTimer(timer);
      resolve();
    };
    done.then(finish, finish);
  });
}

export function pause(clock: Clock, timeMs: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, timeMs));
}
