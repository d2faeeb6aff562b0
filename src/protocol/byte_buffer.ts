/**
 * One growing array of bytes that others append to and one reader takes away whole. It stands
 * between the encoders and the socket: everything of one turn of the event loop gathers here and
 * leaves in one write. It has no bound of its own: who appends watches `length`.
 */

const INITIAL_CAPACITY = 16 * 1024;
const RECYCLED_CAPACITY_MAX = 256 * 1024;
const encoder = new TextEncoder();

/** Bytes that gather until somebody takes them. */
export class ByteBuffer {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  #spare: Uint8Array<ArrayBuffer> | undefined;

  constructor(capacity = INITIAL_CAPACITY) {
    this.#bytes = new Uint8Array(capacity);
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

  /** Gives the gathered bytes away and begins anew. Hand them back with {@link recycle}. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = this.#spare ?? new Uint8Array(INITIAL_CAPACITY);
    this.#spare = undefined;
    this.#length = 0;
    return taken;
  }

  /** Takes memory back that {@link take} gave away, once nobody reads it any more. */
  recycle(taken: Uint8Array<ArrayBuffer>): void {
    if (taken.buffer.byteLength <= RECYCLED_CAPACITY_MAX) {
      this.#spare = new Uint8Array(taken.buffer);
    }
  }

  /** Makes room for `count` bytes and returns the offset at which they begin. */
  grow(count: number): number {
    const offset = this.#length;
    const needed = offset + count;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
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
}

/** The bytes of a text in UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/**
 * The bytes of a text whose characters each stand for one byte, as Fetch hands out header values.
 * A character above U+00FF cannot occur there and is cut to its low byte.
 */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** Each byte as one character, the inverse of {@link latin1}. */
export function fromLatin1(bytes: Uint8Array): string {
  let text = "";
  for (let index = 0; index < bytes.length; index++) text += String.fromCharCode(bytes[index]!);
  return text;
}
