/**
 * A listener that can stop accepting and go on later while clients wait in the system's queue. No
 * runtime offers that; but a second descriptor of the listening socket keeps it, and its queue, when
 * the listener is stopped, and a listener can be opened on a descriptor. So it is where listeners
 * have a descriptor and the C library can be called: Bun on Linux.
 */
import type { PauseReason } from "./listener.ts";

/** What the C library does with descriptors. */
export interface DescriptorCalls {
  /** -1 where there is no room for another. */
  dup(descriptor: number): number;
  close(descriptor: number): number;
}

/** A listener that accepts, with the descriptor of its socket. */
export interface Accepting {
  readonly descriptor: number;
  /** Stops, and closes the descriptor. */
  stop(): void;
}

export class PausableListener {
  readonly #calls: DescriptorCalls;
  readonly #reopen: (descriptor: number) => Accepting;
  readonly #reasons = new Set<PauseReason>();
  /** A second descriptor of the same socket. */
  readonly #kept: number;
  #accepting: Accepting | undefined;
  #isClosed = false;

  /** Where no second descriptor can be had it never pauses. */
  constructor(calls: DescriptorCalls, first: Accepting, reopen: (descriptor: number) => Accepting) {
    this.#calls = calls;
    this.#reopen = reopen;
    this.#accepting = first;
    this.#kept = first.descriptor < 0 ? -1 : calls.dup(first.descriptor);
  }

  /** The socket's, whether it accepts or not; undefined where there is none. */
  get descriptor(): number | undefined {
    return this.#kept < 0 || this.#isClosed ? undefined : this.#kept;
  }

  duplicate(): number | undefined {
    const { descriptor } = this;
    const copy = descriptor === undefined ? -1 : this.#calls.dup(descriptor);
    return copy < 0 ? undefined : copy;
  }

  pause(reason: PauseReason): void {
    if (this.#kept < 0 || this.#isClosed) return;
    this.#reasons.add(reason);
    this.#accepting?.stop();
    this.#accepting = undefined;
  }

  /** When it cannot be opened again it stays paused, and the next call tries anew. */
  resume(reason: PauseReason): void {
    this.#reasons.delete(reason);
    if (this.#reasons.size > 0 || this.#accepting !== undefined || this.#isClosed) return;
    const descriptor = this.#calls.dup(this.#kept);
    if (descriptor < 0) return;
    try {
      this.#accepting = this.#reopen(descriptor);
    } catch {
      this.#calls.close(descriptor);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#accepting?.stop();
    if (this.#kept >= 0) this.#calls.close(this.#kept);
  }
}
