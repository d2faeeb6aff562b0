/**
 * One growing array of bytes that others append to and one reader takes away whole. It stands
 * between the encoders and the socket: everything of one turn of the event loop gathers here and
 * leaves in one write. It has no bound of its own: who appends watches `length`. Memory is had at
 * the first byte, so a buffer that nobody writes to costs nothing.
 */

const INITIAL_CAPACITY = 16 * 1024;
/** Most bytes of memory that {@link ByteBuffer.recycle} keeps for later. */
export const RECYCLED_CAPACITY_MAX = 512 * 1024;
const TEXT_PIECE_LENGTH = 4096;
const ZERO = 0x30;
const EMPTY = new Uint8Array(0);

/**
 * Up to here {@link partOf} copies: a view of bytes that have no ArrayBuffer yet, as those that
 * JavaScriptCore makes, takes three times as long, and keeps all of them in memory.
 */
const COPIED_PART_MAX = 512;

/** From here on texts are mostly ASCII, which the runtime copies several times faster than a loop. */
const NATIVE_LENGTH_MIN = 128;
const NOT_UTF8 = "\ufffd";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes that gather until somebody takes them. */
export class ByteBuffer {
  readonly #capacity: number;
  #bytes: Uint8Array<ArrayBuffer> = EMPTY;
  #length = 0;
  #spare: Uint8Array<ArrayBuffer> = EMPTY;
  /** What was given away last, and the whole memory of it, until it comes back. */
  #taken: Uint8Array<ArrayBuffer> | undefined;
  #takenMemory = EMPTY;

  /** `capacity`: how many bytes the first append makes room for. */
  constructor(capacity = INITIAL_CAPACITY) {
    this.#capacity = capacity;
  }

  /** Bytes gathered and not yet taken. */
  get length(): number {
    return this.#length;
  }

  /** The gathered bytes in place; valid until the next call that appends. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets everything gathered and keeps the memory. */
  clear(): void {
    this.#length = 0;
  }

  /** Forgets what was appended from `length` on. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** Forgets the first `count` bytes. */
  discard(count: number): void {
    this.#bytes.copyWithin(0, count, this.#length);
    this.#length -= count;
  }

  /** Gives the gathered bytes away and begins anew. Hand them back with {@link recycle}. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#taken = taken;
    this.#takenMemory = this.#bytes;
    this.#bytes = this.#spare;
    this.#spare = EMPTY;
    this.#length = 0;
    return taken;
  }

  /**
   * Takes memory back that {@link take} gave away, once nobody reads it any more.
   *
   * @throws {RangeError} when it was handed back before and is being written to again
   */
  recycle(taken: Uint8Array<ArrayBuffer>): void {
    const memory = taken === this.#taken ? this.#takenMemory : new Uint8Array(taken.buffer);
    this.#taken = undefined;
    this.#takenMemory = EMPTY;
    if (memory.length > RECYCLED_CAPACITY_MAX || memory.length <= this.#spare.length) return;
    if (memory.buffer === this.#bytes.buffer) {
      throw new RangeError("Cannot recycle: the memory is in use");
    }
    this.#spare = memory;
  }

  /** Makes room for `count` bytes and returns the offset at which they begin. */
  grow(count: number): number {
    const offset = this.#length;
    const needed = offset + count;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2, this.#capacity));
      larger.set(this.#bytes.subarray(0, offset));
      this.#bytes = larger;
    }
    this.#length = needed;
    return offset;
  }

  /** The array in place, for writing at offsets that {@link grow} returned. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Appends a whole number of at least 0 in decimal digits. */
  appendDecimal(value: number): void {
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    let offset = this.grow(digits) + digits;
    for (let rest = value; digits > 0; digits--) {
      this.#bytes[--offset] = ZERO + rest % 10;
      rest = Math.floor(rest / 10);
    }
  }

  append(bytes: Uint8Array): void {
    const offset = this.grow(bytes.length);
    this.#bytes.set(bytes, offset);
  }

  appendByte(byte: number): void {
    const offset = this.grow(1);
    this.#bytes[offset] = byte;
  }

  /**
   * Appends text of ASCII characters only and says whether it was that; when not, nothing is
   * appended. A loop beats TextEncoder at the length of header values.
   */
  appendAscii(text: string): boolean {
    const count = text.length;
    const offset = this.grow(count);
    const bytes = this.#bytes;
    for (let index = 0; index < count; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) {
        this.#length = offset;
        return false;
      }
      bytes[offset + index] = code;
    }
    return true;
  }

  /**
   * Appends text whose characters each stand for one byte. Long values are mostly ASCII, which the
   * runtime copies several times faster than a loop does.
   *
   * @throws {RangeError} when a character is above U+00FF; nothing is appended then
   */
  appendLatin1(text: string): void {
    const count = text.length;
    const offset = this.grow(count);
    const target = this.#bytes.subarray(offset, offset + count);
    const { read, written } = encoder.encodeInto(text, target);
    // Any other character would take two bytes or more.
    if (read === count && written === count) return;
    try {
      writeLatin1(text, target);
    } catch (error) {
      this.#length = offset;
      throw error;
    }
  }
}

/** The bytes from `start` to `end`: to be read, for they may be a view. */
export function partOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return end - start <= COPIED_PART_MAX ? bytes.slice(start, end) : bytes.subarray(start, end);
}

/** The bytes of a text in UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/**
 * The bytes of a text whose characters each stand for one byte, as Fetch hands out header values.
 *
 * @throws {RangeError} when a character is above U+00FF: cut to a byte it could become a line end
 */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  if (text.length >= NATIVE_LENGTH_MIN) {
    const { read, written } = encoder.encodeInto(text, bytes);
    // Any character beyond ASCII would take two bytes or more.
    if (read === text.length && written === text.length) return bytes;
  }
  writeLatin1(text, bytes);
  return bytes;
}

/** The same at the start of memory that has room for it. */
export function writeLatin1(text: string, target: Uint8Array): void {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0xff) {
      throw new RangeError(`Cannot encode as latin1: character ${index} is above U+00FF`);
    }
    target[index] = code;
  }
}

/** Each byte as one character, the inverse of {@link latin1}. */
export function fromLatin1(bytes: Uint8Array): string {
  if (bytes.length >= NATIVE_LENGTH_MIN) {
    const decoded = decoder.decode(bytes);
    if (decoded.length === bytes.length && !decoded.includes(NOT_UTF8)) return decoded;
  }
  let text = "";
  for (let start = 0; start < bytes.length; start += TEXT_PIECE_LENGTH) {
    const piece = bytes.subarray(start, start + TEXT_PIECE_LENGTH);
    // apply() takes any array-like at a third of the cost of spreading; only its type says Array.
    text += String.fromCharCode.apply(null, piece as unknown as number[]);
  }
  return text;
}
