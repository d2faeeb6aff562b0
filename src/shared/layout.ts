/** Which words of shared memory hold what: places are given out one behind the other. */

/** Most threads that serve, the main thread among them. */
export const THREADS_MAX = 64;

export class Layout {
  #length = 0;

  /** So many words from here on. */
  get length(): number {
    return this.#length;
  }

  /** The first of so many words. */
  take(count: number): number {
    const at = this.#length;
    this.#length += count;
    return at;
  }
}

/** Memory for so many words, all 0. */
export function createWords(length: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
}
