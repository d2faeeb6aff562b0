/**
 * Name-value pairs (section 3.4): two lengths, then the name, then the value. A length below 128
 * takes one byte; a longer one takes four, with the highest bit set. The bytes of pairs form a
 * stream that records cut anywhere, so {@link NameValueDecoder} takes them in any pieces.
 *
 * This file knows nothing of records. Names and values are bytes; a text stands for its UTF-8.
 */
import { ByteBuffer, utf8 } from "./byte_buffer.ts";
import { ProtocolError } from "./errors.ts";

const SHORT_LENGTH_MAX = 0x7f;
const LENGTH_MAX = 0x7fff_ffff;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A name or a value: bytes, or a text that stands for its UTF-8. */
export type NameValuePart = string | Uint8Array;

/** Appends the pair with texts in UTF-8. */
export function appendNameValue(
  buffer: ByteBuffer,
  name: NameValuePart,
  value: NameValuePart,
): void {
  if (typeof name === "string" && typeof value === "string") {
    if (appendShortAscii(buffer, name, value)) return;
  }
  appendBytes(
    buffer,
    typeof name === "string" ? utf8(name) : name,
    typeof value === "string" ? utf8(value) : value,
  );
}

/**
 * Appends the pair with a value whose characters each stand for one byte, as HTTP headers do.
 *
 * @throws {RangeError} when a character of the value is above U+00FF; nothing is appended then
 */
export function appendNameValueLatin1(buffer: ByteBuffer, name: string, value: string): void {
  if (appendShortAscii(buffer, name, value)) return;
  const start = buffer.length;
  const bytes = utf8(name);
  appendLength(buffer, bytes.length);
  appendLength(buffer, value.length);
  buffer.append(bytes);
  try {
    buffer.appendLatin1(value);
  } catch (error) {
    buffer.truncate(start);
    throw error;
  }
}

/** The usual case, in which character counts are byte counts; false when it is not that. */
function appendShortAscii(buffer: ByteBuffer, name: string, value: string): boolean {
  if (name.length > SHORT_LENGTH_MAX || value.length > SHORT_LENGTH_MAX) return false;
  const offset = buffer.grow(2);
  buffer.bytes[offset] = name.length;
  buffer.bytes[offset + 1] = value.length;
  if (buffer.appendAscii(name) && buffer.appendAscii(value)) return true;
  buffer.truncate(offset);
  return false;
}

function appendBytes(buffer: ByteBuffer, name: Uint8Array, value: Uint8Array): void {
  appendLength(buffer, name.length);
  appendLength(buffer, value.length);
  buffer.append(name);
  buffer.append(value);
}

function appendLength(buffer: ByteBuffer, length: number): void {
  if (length <= SHORT_LENGTH_MAX) {
    buffer.appendByte(length);
    return;
  }
  if (length > LENGTH_MAX) throw new RangeError(`Cannot encode a part of ${length} bytes`);
  const offset = buffer.grow(4);
  const bytes = buffer.bytes;
  bytes[offset] = (length >>> 24) | 0x80;
  bytes[offset + 1] = (length >>> 16) & 0xff;
  bytes[offset + 2] = (length >>> 8) & 0xff;
  bytes[offset + 3] = length & 0xff;
}

/**
 * Encodes pairs one after the other (section 3.4). A text stands for its UTF-8.
 *
 * @example
 * ```ts
 * import { encodeNameValues } from "afcgi";
 *
 * encodeNameValues([["A", "1"]]); // Uint8Array [1, 1, 65, 49]
 * ```
 */
export function encodeNameValues(
  pairs: Iterable<readonly [NameValuePart, NameValuePart]>,
): Uint8Array<ArrayBuffer> {
  const buffer = new ByteBuffer(256);
  for (const [name, value] of pairs) appendNameValue(buffer, name, value);
  return buffer.take();
}

/**
 * Decodes a complete run of pairs (section 3.4) as UTF-8 texts; bytes that are not UTF-8 become
 * U+FFFD. Use {@link NameValueDecoder} for pieces, or for bytes.
 *
 * @throws {ProtocolError} `bad_name_value` when the run ends within a pair
 * @example
 * ```ts
 * import { decodeNameValues } from "afcgi";
 *
 * decodeNameValues(Uint8Array.of(1, 1, 65, 49)); // [["A", "1"]]
 * ```
 */
export function decodeNameValues(bytes: Uint8Array): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  const pieces = new NameValueDecoder({ lengthMax: bytes.length, pairsMax: bytes.length });
  for (const [name, value] of pieces.push(bytes)) {
    pairs.push([decoder.decode(name), decoder.decode(value)]);
  }
  pieces.end();
  return pairs;
}

/**
 * Cuts a complete run of pairs into runs of at most `lengthMax` bytes, each of whole pairs. A pair
 * that is longer by itself is a run of its own.
 */
export function* cutBetweenPairs(pairs: Uint8Array, lengthMax: number): Generator<Uint8Array> {
  let start = 0;
  for (let end = 0; end < pairs.length;) {
    const next = pairEnd(pairs, end) ?? pairs.length;
    if (next - start > lengthMax && end > start) {
      yield pairs.subarray(start, end);
      start = end;
    }
    end = next;
  }
  if (start < pairs.length) yield pairs.subarray(start);
}

/**
 * The value of the first pair of that name in a complete run; a view of the bytes. Undefined when
 * there is none. Nothing is decoded on the way.
 */
export function findValue(pairs: Uint8Array, name: Uint8Array): Uint8Array | undefined {
  let offset = 0;
  while (offset < pairs.length) {
    const end = pairEnd(pairs, offset);
    if (end === undefined) return undefined;
    const nameLength = readLength(pairs, offset);
    if (nameLength === name.length) {
      const valueOffset = offset + lengthOfLength(pairs, offset);
      const nameStart = valueOffset + lengthOfLength(pairs, valueOffset);
      if (isAt(pairs, nameStart, name)) return pairs.subarray(nameStart + nameLength, end);
    }
    offset = end;
  }
  return undefined;
}

function isAt(bytes: Uint8Array, offset: number, part: Uint8Array): boolean {
  for (let index = 0; index < part.length; index++) {
    if (bytes[offset + index] !== part[index]) return false;
  }
  return true;
}

/** Bounds of a {@link NameValueDecoder}. */
export interface NameValueLimits {
  /** Most bytes of the whole run, lengths included. */
  lengthMax: number;
  /** Most pairs of the whole run. */
  pairsMax: number;
}

/** Takes a run of pairs in any pieces; holds at most `lengthMax` bytes. */
export class NameValueDecoder {
  readonly #limits: NameValueLimits;
  readonly #rest = new ByteBuffer(0);
  #lengthSeen = 0;
  #pairsSeen = 0;

  constructor(limits: NameValueLimits) {
    this.#limits = limits;
  }

  /**
   * The pairs that `piece` completes, as bytes of their own.
   *
   * @throws {ProtocolError} `params_too_large` over a limit
   */
  push(piece: Uint8Array): [name: Uint8Array, value: Uint8Array][] {
    this.#lengthSeen += piece.length;
    if (this.#lengthSeen > this.#limits.lengthMax) {
      this.#tooLarge(`${this.#limits.lengthMax} bytes`);
    }
    this.#rest.append(piece);
    const bytes = this.#rest.view();
    const pairs: [Uint8Array, Uint8Array][] = [];
    let offset = 0;
    for (;;) {
      const end = pairEnd(bytes, offset);
      if (end === undefined) break;
      if (++this.#pairsSeen > this.#limits.pairsMax) {
        this.#tooLarge(`${this.#limits.pairsMax} names`);
      }
      pairs.push(readPair(bytes, offset));
      offset = end;
    }
    // Moves less than one piece, and nothing while a pair grows: the cost stays linear.
    if (offset > 0) this.#rest.discard(offset);
    return pairs;
  }

  /** @throws {ProtocolError} `bad_name_value` when the run ends within a pair */
  end(): void {
    if (this.#rest.length > 0) {
      throw new ProtocolError(
        "bad_name_value",
        `Cannot read name-value pairs: ${this.#rest.length} bytes of an unfinished pair are left`,
        { scope: "request" },
      );
    }
  }

  #tooLarge(limit: string): never {
    throw new ProtocolError("params_too_large", `Cannot read name-value pairs: over ${limit}`, {
      scope: "request",
    });
  }
}

/** Offset behind the pair that begins at `offset`; undefined while it is not all there. */
function pairEnd(bytes: Uint8Array, offset: number): number | undefined {
  const valueOffset = offset + lengthOfLength(bytes, offset);
  const nameStart = valueOffset + lengthOfLength(bytes, valueOffset);
  const end = nameStart + readLength(bytes, offset) + readLength(bytes, valueOffset);
  // Not so either when a length is cut off.
  return end <= bytes.length ? end : undefined;
}

/** The pair at `offset`, all of which is there. */
function readPair(bytes: Uint8Array, offset: number): [Uint8Array, Uint8Array] {
  const nameLength = readLength(bytes, offset);
  const valueOffset = offset + lengthOfLength(bytes, offset);
  const valueLength = readLength(bytes, valueOffset);
  const nameStart = valueOffset + lengthOfLength(bytes, valueOffset);
  const nameEnd = nameStart + nameLength;
  return [bytes.slice(nameStart, nameEnd), bytes.slice(nameEnd, nameEnd + valueLength)];
}

/** How many bytes the length at `offset` takes. */
export function lengthOfLength(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! > SHORT_LENGTH_MAX ? 4 : 1;
}

/** NaN when the length is not all there: compared with anything, it is false. */
export function readLength(bytes: Uint8Array, offset: number): number {
  const first = bytes[offset];
  if (first === undefined) return NaN;
  if (first <= SHORT_LENGTH_MAX) return first;
  if (offset + 4 > bytes.length) return NaN;
  return ((first & 0x7f) << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) |
    bytes[offset + 3]!;
}
