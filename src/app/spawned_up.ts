/** Whether an application that was started takes requests: a reload must not swap to one that fails. */
import type { Clock } from "../runtime/clock.ts";
import { SpawnError } from "../runtime/spawner.ts";
import { REPLACE_POLL_MS, SETTLE_MS, type SpawnedApplication } from "../spawn/application.ts";

/**
 * Resolves when a worker listens and has stayed up for a moment: the socket of some is there before
 * the process.
 *
 * @throws {SpawnError} when none does within the application's `start_timeout`
 */
export async function untilUp(
  application: Pick<SpawnedApplication, "workers" | "options">,
  clock: Clock,
): Promise<void> {
  const { upstream, startTimeoutMs } = application.options;
  const deadlineMs = clock.nowMs() + startTimeoutMs;
  const isUp = () =>
    application.workers.some(({ state, restarts }) => state === "listening" && restarts === 0);
  const hasFailed = () => application.workers.every(({ state }) => state === "waiting");
  while (!isUp()) {
    if (hasFailed()) throw new SpawnError(`${cannot(upstream)}: it ended (see its output)`);
    if (clock.nowMs() >= deadlineMs) {
      throw new SpawnError(`${cannot(upstream)}: it does not listen within ${startTimeoutMs} ms`);
    }
    await pause(clock, REPLACE_POLL_MS);
  }
  await pause(clock, SETTLE_MS);
  if (!isUp()) throw new SpawnError(`${cannot(upstream)}: it ended (see its output)`);
}

function cannot(upstream: string): string {
  return `Cannot start the application of upstream "${upstream}"`;
}

function pause(clock: Clock, timeMs: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, timeMs));
}
