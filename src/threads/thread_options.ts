/** A configuration as a thread runs it: without what is the main thread's alone. */
import type { AppOptions } from "../app/options.ts";

/** `threads`: how many serve. */
export function threadOptions(options: AppOptions, threads: number): AppOptions {
  const { gemini: _gemini, user: _user, health: _health, bufferMemoryMax, ...rest } = options;
  return {
    ...rest,
    // Each thread has its part of what buffers may hold.
    ...(bufferMemoryMax !== undefined && {
      bufferMemoryMax: Math.ceil(bufferMemoryMax / threads),
    }),
    admin: undefined,
    spawns: [],
    // The delay of a stop is over when threads are told.
    shutdownDelayMs: 0,
    workers: 1,
  };
}
