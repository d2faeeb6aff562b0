/**
 * Writes header blocks (RFC 7541). A field that is likely to come again is indexed; one that is new
 * with each response would push out others, and one that is a secret is marked as never to be
 * indexed by anybody (section 7.1).
 *
 * The table is no larger than the peer allows, and no larger than we want to hold.
 */
import type { ByteBuffer } from "../protocol/byte_buffer.ts";
import { TABLE_SIZE_DEFAULT } from "./constants.ts";
import { HpackDynamicTable } from "./hpack_dynamic_table.ts";
import { HpackField } from "./hpack_field.ts";
import {
  fieldKey,
  STATIC_FIELDS,
  STATIC_NAMES,
  STATIC_TABLE_LENGTH,
} from "./hpack_static_table.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";

/** What our own table holds at most, whatever the peer would let us. */
export const ENCODER_TABLE_SIZE_MAX = TABLE_SIZE_DEFAULT;

/** Fields whose value is another one with nearly every response. */
const UNINDEXED: ReadonlySet<string> = new Set([
  ":path",
  "age",
  "content-length",
  "content-location",
  "content-range",
  "etag",
  "expires",
  "if-modified-since",
  "if-none-match",
  "last-modified",
  "link",
  "location",
  "retry-after",
]);

/** Fields that are secrets: nobody is to find them out by what comes out short. */
const SECRET: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "set-cookie"]);

/** A longer value is worth its place in the table only when it comes again very often. */
const INDEXED_LENGTH_MAX = 512;

const INDEXED = 0x80;
const LITERAL_INDEXED = 0x40;
const LITERAL = 0x00;
const LITERAL_NEVER_INDEXED = 0x10;
const SIZE_UPDATE = 0x20;
const HUFFMAN = 0x80;

export class HpackEncoder {
  readonly #table = new HpackDynamicTable(TABLE_SIZE_DEFAULT);
  /** The number of the insertion of each field in the table, and of the newest of each name. */
  readonly #fields = new Map<string, number>();
  readonly #names = new Map<string, number>();
  #added = 0;
  /** The lowest size since the last block, and the one to go on with; undefined: nothing to say. */
  #resized: { lowest: number; last: number } | undefined;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  limitTable(size: number): void {
    const last = Math.min(size, ENCODER_TABLE_SIZE_MAX);
    if (last === (this.#resized?.last ?? this.#table.sizeMax)) return;
    const lowest = Math.min(last, this.#resized?.lowest ?? this.#table.sizeMax);
    this.#resized = { lowest, last };
  }

  /** Changes whenever bytes of an earlier block would mean something else. */
  get generation(): number {
    return this.#table.insertions;
  }

  /** Whether a block would have to begin with more than its fields. */
  get mustResize(): boolean {
    return this.#resized !== undefined;
  }

  /** For tests: the table's size in bytes. */
  get tableSize(): number {
    return this.#table.size;
  }

  begin(out: ByteBuffer): void {
    if (this.#resized === undefined) return;
    const { lowest, last } = this.#resized;
    this.#resized = undefined;
    if (lowest < last) this.#resize(out, lowest);
    this.#resize(out, last);
  }

  /**
   * Adds a field: its name in lower case, a character of both for each byte. A block that was begun
   * has to be sent, so whoever adds fields has looked at all of them before.
   */
  append(out: ByteBuffer, name: string, value: string): void {
    const key = fieldKey(name, value);
    const index = STATIC_FIELDS.get(key) ?? this.#dynamicIndex(this.#fields.get(key));
    if (index !== undefined) return appendInteger(out, INDEXED, 7, index);
    const nameIndex = STATIC_NAMES.get(name) ?? this.#dynamicIndex(this.#names.get(name)) ?? 0;
    if (SECRET.has(name)) {
      appendInteger(out, LITERAL_NEVER_INDEXED, 4, nameIndex);
    } else if (UNINDEXED.has(name) || value.length > INDEXED_LENGTH_MAX) {
      appendInteger(out, LITERAL, 4, nameIndex);
    } else {
      appendInteger(out, LITERAL_INDEXED, 6, nameIndex);
      this.#add(key, name, value);
    }
    if (nameIndex === 0) appendText(out, name);
    appendText(out, value);
  }

  #dynamicIndex(insertion: number | undefined): number | undefined {
    return insertion === undefined ? undefined : STATIC_TABLE_LENGTH + 1 + this.#added - insertion;
  }

  #add(key: string, name: string, value: string): void {
    const evict = (field: HpackField) => this.#forget(field);
    if (!this.#table.add(new HpackField(name, value), evict)) return;
    this.#added++;
    this.#fields.set(key, this.#added);
    this.#names.set(name, this.#added);
  }

  /** The oldest goes first, so a newer one of the same name stays. */
  #forget({ name, value }: HpackField): void {
    const key = fieldKey(name, value);
    const insertion = this.#fields.get(key);
    this.#fields.delete(key);
    if (this.#names.get(name) === insertion) this.#names.delete(name);
  }

  #resize(out: ByteBuffer, size: number): void {
    appendInteger(out, SIZE_UPDATE, 5, size);
    this.#table.resize(size, (field) => this.#forget(field));
  }
}

/** Section 5.1: `pattern` are the bits above the prefix. */
export function appendInteger(
  out: ByteBuffer,
  pattern: number,
  prefix: number,
  value: number,
): void {
  const mask = (1 << prefix) - 1;
  if (value < mask) return out.appendByte(pattern | value);
  out.appendByte(pattern | mask);
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.appendByte((rest % 0x80) | 0x80);
  out.appendByte(rest);
}

function appendText(out: ByteBuffer, text: string): void {
  const length = huffmanLength(text);
  if (length < text.length) {
    appendInteger(out, HUFFMAN, 7, length);
    const offset = out.grow(length);
    return huffmanEncode(text, out.bytes, offset);
  }
  appendInteger(out, 0, 7, text.length);
  const offset = out.grow(text.length);
  for (let index = 0; index < text.length; index++) {
    out.bytes[offset + index] = text.charCodeAt(index);
  }
}
