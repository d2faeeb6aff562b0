/** How urgent a response is to its client (RFC 9218). What cannot be read is as if it were not there. */

export interface Priority {
  /** 0 to 7, the most urgent first. */
  readonly urgency: number;
  /** Whether a part of it is of use, so that it goes side by side with others. */
  readonly isIncremental: boolean;
}

/**
 * Of a request whose client says nothing. By the RFC it would go one after the other; a client that
 * knows no priorities means streams that do not wait for each other.
 */
export const PRIORITY_DEFAULT: Priority = { urgency: 3, isIncremental: true };

/** A longer one says nothing that we would know. */
const LENGTH_MAX = 256;

const URGENCY = /^u=([0-7])$/;
const INCREMENTAL = /^i(?:=\?([01]))?$/;

/** The value of a `priority` field, or of PRIORITY_UPDATE: `u=1, i` (RFC 9218 section 4). */
export function parsePriority(value: string): Priority {
  let urgency = PRIORITY_DEFAULT.urgency;
  let isIncremental = false;
  if (value.length > LENGTH_MAX) return PRIORITY_DEFAULT;
  for (const member of value.split(",")) {
    // Parameters behind a member mean nothing to us.
    const text = member.split(";", 1)[0]!.trim();
    const urgent = URGENCY.exec(text);
    if (urgent !== null) urgency = Number(urgent[1]);
    const incremental = INCREMENTAL.exec(text);
    if (incremental !== null) isIncremental = incremental[1] !== "0";
  }
  return { urgency, isIncremental };
}

/** Streams whose priority may be known before they begin. */
export const EARLY_PRIORITIES_MAX = 16;

/** Priorities of streams that have not begun (RFC 9218 section 7.1). */
export class EarlyPriorities {
  readonly #priorities = new Map<number, Priority>();

  get size(): number {
    return this.#priorities.size;
  }

  keep(streamId: number, priority: Priority): void {
    if (this.#priorities.size >= EARLY_PRIORITIES_MAX && !this.#priorities.has(streamId)) return;
    this.#priorities.set(streamId, priority);
  }

  /** That of a stream which begins. */
  take(streamId: number): Priority | undefined {
    if (this.#priorities.size === 0) return undefined;
    const priority = this.#priorities.get(streamId);
    this.#priorities.delete(streamId);
    return priority;
  }
}
