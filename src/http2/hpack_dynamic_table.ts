/**
 * The dynamic table of RFC 7541 (section 2.3.2): new fields come in at the front, and the oldest go
 * when there is no room. Its maximum is what the other end was told, and may be lowered by it.
 */
import type { HpackField } from "./hpack_field.ts";

/** Entries that have gone before the rest is moved up. */
const GONE_MAX = 64;

export class HpackDynamicTable {
  /** The oldest first. */
  #fields: (HpackField | undefined)[] = [];
  /** Entries at the beginning of the array that have gone. */
  #gone = 0;
  #size = 0;
  #sizeMax: number;
  #insertions = 0;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get length(): number {
    return this.#fields.length - this.#gone;
  }

  get size(): number {
    return this.#size;
  }

  get sizeMax(): number {
    return this.#sizeMax;
  }

  /** Changes whenever an index may mean something else than before. */
  get insertions(): number {
    return this.#insertions;
  }

  /** The newest is 1; undefined where there is none. */
  at(index: number): HpackField | undefined {
    return this.#fields[this.#fields.length - index];
  }

  /** Adds a field; `onEvicted` hears of each that had to go. One that is too large empties the table. */
  add(field: HpackField, onEvicted?: (field: HpackField) => void): boolean {
    this.#insertions++;
    this.#evictTo(this.#sizeMax - field.size, onEvicted);
    if (field.size > this.#sizeMax) return false;
    this.#fields.push(field);
    this.#size += field.size;
    return true;
  }

  resize(sizeMax: number, onEvicted?: (field: HpackField) => void): void {
    this.#insertions++;
    this.#sizeMax = sizeMax;
    this.#evictTo(sizeMax, onEvicted);
  }

  #evictTo(size: number, onEvicted?: (field: HpackField) => void): void {
    while (this.#size > size && this.length > 0) {
      const field = this.#fields[this.#gone]!;
      this.#fields[this.#gone++] = undefined;
      this.#size -= field.size;
      onEvicted?.(field);
    }
    if (this.#gone < GONE_MAX || this.#gone < this.length) return;
    this.#fields = this.#fields.slice(this.#gone);
    this.#gone = 0;
  }
}
