/**
 * What a request waits for outside of an attempt, the rest of its body or the time until the next
 * attempt: each wait ends early when the client leaves, or when all of them are stopped.
 */
import type { AbortSignalLike } from "../runtime/abort_signal.ts";
import type { Clock } from "../runtime/clock.ts";
import type { UpstreamError } from "./errors.ts";
import { clientGone } from "./exchange_errors.ts";

export class StoppableWaits {
  readonly #stops = new Set<(error: UpstreamError) => void>();

  /** Calls `stop` when the wait is to end early, until the result is called. */
  add(signal: AbortSignalLike | undefined, stop: (error: UpstreamError) => void): () => void {
    const onAbort = (): void => stop(clientGone("queue", false));
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort);
    this.#stops.add(stop);
    return () => {
      signal?.removeEventListener("abort", onAbort);
      this.#stops.delete(stop);
    };
  }

  /** Waits for a time. @throws {UpstreamError} where the wait ends early */
  async pause(clock: Clock, delayMs: number, signal: AbortSignalLike | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = clock.setTimer(resolve, delayMs);
    const release = this.add(signal, reject);
    try {
      await promise;
    } finally {
      clock.clearTimer(timer);
      release();
    }
  }

  /** Ends all of them, each with an error of its own. */
  stopAll(error: () => UpstreamError): void {
    for (const stop of [...this.#stops]) stop(error());
  }
}
