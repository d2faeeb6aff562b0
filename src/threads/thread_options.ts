/** A configuration as a thread runs it: without what is the main thread's alone. */
import type { AppOptions } from "../app/options.ts";

/** Its limits are the process's: what threads hold together is in shared memory. */
export function threadOptions(options: AppOptions): AppOptions {
  const { gemini: _gemini, user: _user, health: _health, ...rest } = options;
  return {
    ...rest,
    admin: undefined,
    spawns: [],
    // The delay of a stop is over when threads are told.
    shutdownDelayMs: 0,
    workers: 1,
  };
}
