/**
 * What a part of a client's connection holds of the memory that all buffers share. Who shares it is
 * handed in: here it is only told what there is more or less of. What one part holds is small and
 * bounded by its own limits; the sum over all connections is what the count is for.
 *
 * Clients that read nothing must not keep others from sending for long, so where buffers hold more
 * than they may such a client has less time ({@link sendLimitMs}).
 */

/** How long a client may take nothing of what waits for it while buffers hold too much. */
export const STALLED_MS = 10_000;

/** The count of what all buffers hold, as connections add to it. */
export interface MemoryCount {
  /** Whether they hold more than they may: who can make its client wait does. */
  readonly isFull: boolean;
  /** Bytes that are held more (positive) or fewer (negative) than before. */
  count(difference: number): void;
}

/** Where nobody counts. */
export const UNCOUNTED: MemoryCount = { isFull: false, count() {} };

/** How long a client may take nothing of what waits for it. */
export function sendLimitMs({ timeouts: { sendMs }, memory }: {
  readonly timeouts: { readonly sendMs: number };
  readonly memory: MemoryCount;
}): number {
  return memory.isFull ? Math.min(sendMs, STALLED_MS) : sendMs;
}

export class HeldMemory {
  readonly #memory: MemoryCount;
  #length = 0;

  constructor(memory: MemoryCount = UNCOUNTED) {
    this.#memory = memory;
  }

  get length(): number {
    return this.#length;
  }

  /** So many bytes are held now. */
  note(length: number): void {
    const more = length - this.#length;
    if (more === 0) return;
    this.#length = length;
    this.#memory.count(more);
  }
}
