/**
 * Requests of a connection that were aborted and that the application has not ended yet, and until
 * when to wait for that. The id of one that never ends stays lost, and its connection drains.
 */

export class AbortedRequests {
  readonly #untilMs = new Map<number, number>();

  add(id: number, untilMs: number): void {
    this.#untilMs.set(id, untilMs);
  }

  remove(id: number): void {
    this.#untilMs.delete(id);
  }

  /** When to stop waiting for the next of them; Infinity while there is none to wait for. */
  get deadlineMs(): number {
    let deadlineMs = Infinity;
    if (this.#untilMs.size === 0) return deadlineMs;
    for (const untilMs of this.#untilMs.values()) deadlineMs = Math.min(deadlineMs, untilMs);
    return deadlineMs;
  }

  /** Stops waiting for those that are late; whether there was any. */
  giveUp(nowMs: number): boolean {
    let hasLate = false;
    for (const [id, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) continue;
      this.#untilMs.set(id, Infinity);
      hasLate = true;
    }
    return hasLate;
  }
}
