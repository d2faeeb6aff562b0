/**
 * When a connection is not read for the sake of slow clients, and how long that may go on. All
 * requests of the connection wait meanwhile, so the time is counted: a pause of more than
 * {@link PAUSE_FREE_MS} is charged, reading pays it back at the same rate, and at
 * {@link PAUSE_MAX_MS} a slow client has to go where others wait for it. So neither one long pause
 * nor many that are a little shorter hold the others up.
 *
 * It does not know sockets, nor who waits.
 */

/** A pause that is shorter costs nothing: a client that reads well makes many of these. */
export const PAUSE_FREE_MS = 250;

/** Most that a connection may owe its other requests. */
export const PAUSE_MAX_MS = 5_000;

/** How often it is looked whether anybody waits, once the limit is reached. */
const LOOK_AGAIN_MS = 250;

export class ReadingPauses {
  /** When the limit is reached; Infinity while the connection is read. */
  deadlineMs = Infinity;
  /** Requests whose clients are slow, in the order in which they filled up. */
  readonly #ids = new Set<number>();
  #sinceMs = 0;
  #resumedMs = 0;
  #owedMs = 0;

  get isPaused(): boolean {
    return this.#ids.size > 0;
  }

  /** Requests that hold up the others. */
  get count(): number {
    return this.#ids.size;
  }

  /** The one that has held up the others for longest. */
  get first(): number | undefined {
    return this.#ids.values().next().value;
  }

  /** Whether reading has to stop with it. */
  add(id: number, nowMs: number): boolean {
    const isFirst = this.#ids.size === 0;
    this.#ids.add(id);
    if (!isFirst) return false;
    this.#owedMs = Math.max(0, this.#owedMs - (nowMs - this.#resumedMs));
    this.#sinceMs = nowMs;
    this.deadlineMs = nowMs + PAUSE_FREE_MS + PAUSE_MAX_MS - this.#owedMs;
    return true;
  }

  /** Whether reading may go on with it. */
  remove(id: number, nowMs: number): boolean {
    if (!this.#ids.delete(id) || this.#ids.size > 0) return false;
    const chargedMs = Math.max(0, nowMs - this.#sinceMs - PAUSE_FREE_MS);
    this.#owedMs = Math.min(PAUSE_MAX_MS, this.#owedMs + chargedMs);
    this.#resumedMs = nowMs;
    this.deadlineMs = Infinity;
    return true;
  }

  /** The limit was reached, and nobody waits: it is looked again later. */
  postpone(nowMs: number): void {
    if (this.isPaused) this.deadlineMs = nowMs + LOOK_AGAIN_MS;
  }

  clear(): void {
    this.#ids.clear();
    this.deadlineMs = Infinity;
  }
}
