/**
 * Request ids of one connection, lowest free first (section 3.3 asks for small ids, so that an
 * application can keep its requests in an array). Because the lowest is always taken, every id up
 * to the highest ever given out has been in use: that tells a stray record from a foreign one.
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

  constructor(count: number) {
    this.count = Math.min(count, REQUEST_ID_MAX);
    this.#free = new Uint32Array(Math.ceil(this.count / WORD_BITS)).fill(0xffff_ffff);
    const unused = this.#free.length * WORD_BITS - this.count;
    if (unused > 0) this.#free[this.#free.length - 1] = 0xffff_ffff >>> unused;
  }

  get inUse(): number {
    return this.#inUse;
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

  /** @throws {RangeError} when the id is not in use: a slip of ours that would mix two requests */
  release(id: number): void {
    const word = Math.floor((id - 1) / WORD_BITS);
    const mask = 1 << ((id - 1) % WORD_BITS);
    if (!this.wasGiven(id) || (this.#free[word]! & mask) !== 0) {
      throw new RangeError(`Cannot release request id ${id}: it is not in use`);
    }
    this.#free[word] = this.#free[word]! | mask;
    if (word < this.#lowestWord) this.#lowestWord = word;
    this.#inUse--;
  }
}
