/**
 * An attempt's time limits, and whether its client is still there. It does not know what the attempt
 * is, nor how far it has come.
 *
 * Most requests are answered before the first tick. Looking at their client's signal would cost them
 * more than all their deadlines (1.5 µs on Bun, which makes the signal when it is asked for), so only
 * the others are watched: those of the first tick, and those that have to wait in a queue.
 */
import type { AbortSignalLike } from "../runtime/abort_signal.ts";
import type { Attempts } from "./attempts.ts";
import { type DeadlineHolder, type Deadlines, NO_SLOT } from "./deadlines.ts";

export abstract class TimedAttempt implements DeadlineHolder {
  readonly startedMs: number;
  readonly attempts: Attempts;
  deadlineMs: number;
  deadlineSlot = NO_SLOT;
  readonly #deadlines: Deadlines;
  #isWatched = false;
  /** The limit in force; the deadline once the client is watched. */
  #limitMs = Infinity;

  /** @param limitMs the first limit, from now on */
  constructor(deadlines: Deadlines, attempts: Attempts, limitMs: number) {
    this.#deadlines = deadlines;
    this.attempts = attempts;
    this.startedMs = deadlines.nowMs();
    // The first look, within a tick, is only for the client.
    this.deadlineMs = this.startedMs;
    this.setLimit(limitMs);
    deadlines.add(this);
  }

  /** Whoever waits for the response. */
  protected abstract get client(): AbortSignalLike | undefined;
  /** The limit has passed: another is set, or the attempt ends. */
  protected abstract onLimit(): void;
  protected abstract onClientGone(): void;
  /** Something of ours threw. */
  protected abstract onSlip(error: unknown): void;

  /** Whether the limit in force is that of the whole request. */
  protected get isTotalLimit(): boolean {
    return this.deadlineMs === this.attempts.totalDeadlineMs;
  }

  /** Milliseconds since the attempt began. */
  protected get ageMs(): number {
    return this.#deadlines.nowMs() - this.startedMs;
  }

  /** So long from now; never beyond the limit of the whole request, where that counts. */
  protected setLimit(delayMs: number, hasTotal = true): void {
    const limitMs = this.#deadlines.after(delayMs);
    const totalDeadlineMs = hasTotal ? this.attempts.totalDeadlineMs : Infinity;
    this.#limitMs = limitMs < totalDeadlineMs ? limitMs : totalDeadlineMs;
    if (this.#isWatched) this.deadlineMs = this.#limitMs;
  }

  protected endLimits(): void {
    this.#deadlines.remove(this);
    if (this.#isWatched) this.client?.removeEventListener("abort", this);
  }

  onDeadline(): void {
    try {
      if (this.#isWatched) this.onLimit();
      else this.watchClient();
    } catch (error) {
      this.onSlip(error);
    }
  }

  /** From now on a client that leaves ends the attempt, if it has not left already. */
  watchClient(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    this.deadlineMs = this.#limitMs;
    const { client } = this;
    if (client === undefined) return;
    if (client.aborted) this.onClientGone();
    else client.addEventListener("abort", this);
  }

  /** The client has left: for its signal this is a listener that takes no memory of its own. */
  handleEvent(): void {
    try {
      this.onClientGone();
    } catch (error) {
      this.onSlip(error);
    }
  }
}
