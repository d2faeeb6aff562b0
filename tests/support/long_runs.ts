/**
 * Tests that gain from repetition run shortly by default, so that nobody waits for them, and long
 * where `AFCGI_TEST_LONG` is set to 1: before a release, or after a change of the engine.
 */

export const isLongRun = process.env.AFCGI_TEST_LONG === "1";

/** How often, by the kind of the run. */
export function runCount(short: number, long: number): number {
  return isLongRun ? long : short;
}

/** For a test's time limit; the runner's own is meant for short runs. */
export function timeLimitMs(long: number): number {
  return isLongRun ? long : 60_000;
}
