/**
 * The memory that buffers of all requests hold together: of responses that their clients have not
 * taken yet, and of request bodies that are gathered. It is counted, not handed out, for what has come
 * is there already. From half of its limit on ({@link BufferMemory.isTight}) buffers use their
 * temporary files for all that comes. So slow clients alone cannot bring it over the limit: where it
 * is ({@link BufferMemory.isOver}), files are not allowed or the disk is full. Then bodies of new
 * requests are not read; those wait ({@link BufferMemory.wait}) and are called in the order in which
 * they came.
 *
 * It knows neither requests nor files.
 */

const MIB = 1024 * 1024;

/** Bytes of all buffers together, where nothing else is said. */
export const BUFFER_MEMORY_MAX = 256 * MIB;

/** The part of the limit from which on buffers use their files. */
const TIGHT_FROM = 0.5;

export class BufferMemory {
  #max: number;
  readonly #onOver: () => void;
  readonly #waiting = new Set<() => void>();
  #used = 0;
  #isWaking = false;

  /** @param onOver called each time that a body has to wait */
  constructor(max = BUFFER_MEMORY_MAX, onOver: () => void = () => {}) {
    this.#max = max;
    this.#onOver = onOver;
  }

  get max(): number {
    return this.#max;
  }

  get used(): number {
    return this.#used;
  }

  /** Bodies that wait, for the metric. */
  get waiting(): number {
    return this.#waiting.size;
  }

  configure(max = BUFFER_MEMORY_MAX): void {
    this.#max = max;
    this.#wake();
  }

  /** Whether so many bytes more should go to a file. */
  isTight(length: number): boolean {
    return this.#used + length > this.#max * TIGHT_FROM;
  }

  /** Whether bodies of new requests have to wait; then somebody is told. */
  isOver(): boolean {
    if (this.#used <= this.#max) return false;
    this.#onOver();
    return true;
  }

  /** Bytes that a buffer has more (positive) or fewer (negative) than before. */
  count(difference: number): void {
    this.#used += difference;
    if (difference < 0) this.#wake();
  }

  /** Calls once, when there is room again. Returns what calls it off. */
  wait(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  #wake(): void {
    // Whoever is called may take what there is, or give some back.
    if (this.#isWaking || this.#waiting.size === 0) return;
    this.#isWaking = true;
    for (const callback of this.#waiting) {
      if (this.#used > this.#max) break;
      this.#waiting.delete(callback);
      callback();
    }
    this.#isWaking = false;
  }
}
