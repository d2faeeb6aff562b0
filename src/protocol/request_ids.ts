/**
 * Request ids of one connection, lowest free first (section 3.3 asks for small ids, so that an
 * application can keep its requests in an array). Because the lowest is always taken, every id up
 * to the highest ever given out has been in use: that tells a stray record from a foreign one.
 *
 * An id whose request was aborted is not given out again: some applications (Go) end an aborted
 * request at once and let its handler go on writing, which must not reach another request.
 */
import { REQUEST_ID_MAX } from "./constants.ts";

const WORD_BITS = 32;

/** Hands out ids from 1 to `count`. */
export class RequestIds {
  readonly count: number;
  /** A set bit is a free id; bit 0 of word 0 is id 1. */
  readonly #free: Uint32Array;
  #lowestWord = 0;
  #inUse = 0;
  #highest = 0;
  readonly #retired = new Set<number>();

  constructor(count: number) {
    this.count = Math.min(count, REQUEST_ID_MAX);
    this.#free = new Uint32Array(Math.ceil(this.count / WORD_BITS)).fill(0xffff_ffff);
    const unused = this.#free.length * WORD_BITS - this.count;
    if (unused > 0) this.#free[this.#free.length - 1] = 0xffff_ffff >>> unused;
  }

  get inUse(): number {
    return this.#inUse;
  }

  /** Ids that will not be given out again. */
  get retired(): number {
    return this.#retired.size;
  }

  get hasFree(): boolean {
    return this.#inUse + this.#retired.size < this.count;
  }

  /** Whether the id was ever given out, whatever became of it. */
  wasGiven(id: number): boolean {
    return id >= 1 && id <= this.#highest;
  }

  /** The lowest free id; undefined when all are in use. */
  take(): number | undefined {
    for (let word = this.#lowestWord; word < this.#free.length; word++) {
      const bits = this.#free[word]!;
      if (bits === 0) continue;
      const bit = 31 - Math.clz32(bits & -bits);
      this.#free[word] = bits & (bits - 1);
      this.#lowestWord = word;
      this.#inUse++;
      const id = word * WORD_BITS + bit + 1;
      if (id > this.#highest) this.#highest = id;
      return id;
    }
    return undefined;
  }

  /**
   * The id is not in use any more, and stays out of use.
   *
   * @throws {RangeError} when it is not in use
   */
  retire(id: number): void {
    this.#requireInUse(id);
    this.#inUse--;
    this.#retired.add(id);
  }

  /** @throws {RangeError} when the id is not in use: a slip of ours that would mix two requests */
  release(id: number): void {
    this.#requireInUse(id);
    const word = wordOf(id);
    this.#free[word] = this.#free[word]! | maskOf(id);
    if (word < this.#lowestWord) this.#lowestWord = word;
    this.#inUse--;
  }

  #requireInUse(id: number): void {
    const isGiven = this.wasGiven(id) && (this.#free[wordOf(id)]! & maskOf(id)) === 0;
    if (isGiven && !this.#retired.has(id)) return;
    throw new RangeError(`Cannot give up request id ${id}: it is not in use`);
  }
}

function wordOf(id: number): number {
  return Math.floor((id - 1) / WORD_BITS);
}

function maskOf(id: number): number {
  return 1 << ((id - 1) % WORD_BITS);
}
