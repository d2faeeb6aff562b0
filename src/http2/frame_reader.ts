/**
 * Cuts a connection's bytes into frames (RFC 9113 section 4.1). A frame that lies whole in the bytes
 * that came is read where it lies; one that does not is gathered, in memory that grows with what has
 * really come. It knows lengths alone: what a frame means is its reader's to know.
 *
 * One object stands for each frame in turn, so that a frame costs nothing: it is valid until the next.
 */
import { FRAME_HEADER_LENGTH, FRAME_LENGTH_MIN } from "./constants.ts";
import { ConnectionError } from "./errors.ts";

/** Memory for the beginning of a frame that is to come. */
const GATHERED_LENGTH_MIN = 1024;

export class Frame {
  type = 0;
  flags = 0;
  streamId = 0;
  /** Where the payload lies. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** 32 bits of the payload, unsigned. */
  uint32(offset: number): number {
    return readUint32(this.bytes, this.start + offset);
  }

  uint16(offset: number): number {
    const at = this.start + offset;
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }
}

export class FrameReader {
  readonly #lengthMax: number;
  readonly #frame = new Frame();
  #bytes: Uint8Array = new Uint8Array(0);
  #position = 0;
  /** The beginning of a frame whose end has not come. */
  #gathered: Uint8Array | undefined;
  #gatheredLength = 0;

  /** @param lengthMax of a payload; what is longer ends the connection */
  constructor(lengthMax = FRAME_LENGTH_MIN) {
    this.#lengthMax = lengthMax;
  }

  get waitingLength(): number {
    return this.#gatheredLength;
  }

  /** Adds bytes; `next` is to be called until it has no more. */
  push(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#position = 0;
  }

  /** The next frame whose end has come. @throws {ConnectionError} for a frame that is too long */
  next(): Frame | undefined {
    return this.#gathered === undefined ? this.#nextInPlace() : this.#nextGathered(this.#gathered);
  }

  #nextInPlace(): Frame | undefined {
    const bytes = this.#bytes;
    const start = this.#position;
    const left = bytes.length - start;
    if (left < FRAME_HEADER_LENGTH) return this.#gather(FRAME_HEADER_LENGTH);
    const needed = FRAME_HEADER_LENGTH + this.#readLength(bytes, start);
    if (left < needed) return this.#gather(needed);
    this.#position = start + needed;
    return this.#read(bytes, start, start + needed);
  }

  /** Keeps what is left for later. */
  #gather(needed: number): undefined {
    const rest = this.#bytes.subarray(this.#position);
    this.#bytes = new Uint8Array(0);
    this.#position = 0;
    if (rest.length === 0) return undefined;
    const capacity = Math.min(needed, Math.max(GATHERED_LENGTH_MIN, 2 * rest.length));
    this.#gathered = new Uint8Array(Math.max(capacity, FRAME_HEADER_LENGTH));
    this.#gathered.set(rest);
    this.#gatheredLength = rest.length;
    return undefined;
  }

  #nextGathered(gathered: Uint8Array): Frame | undefined {
    if (!this.#fill(gathered, FRAME_HEADER_LENGTH)) return undefined;
    const needed = FRAME_HEADER_LENGTH + this.#readLength(gathered, 0);
    const whole = this.#withRoom(gathered, needed);
    if (!this.#fill(whole, needed)) return undefined;
    this.#gathered = undefined;
    this.#gatheredLength = 0;
    return this.#read(whole, 0, needed);
  }

  /** Memory for as much of the frame as is there by now. */
  #withRoom(gathered: Uint8Array, needed: number): Uint8Array {
    const there = this.#gatheredLength + this.#bytes.length - this.#position;
    const wanted = Math.min(needed, there);
    if (gathered.length >= wanted) return gathered;
    const larger = new Uint8Array(Math.min(needed, Math.max(wanted, 2 * gathered.length)));
    larger.set(gathered.subarray(0, this.#gatheredLength));
    this.#gathered = larger;
    return larger;
  }

  /** Whether so many bytes are gathered now. */
  #fill(gathered: Uint8Array, needed: number): boolean {
    const missing = needed - this.#gatheredLength;
    if (missing <= 0) return true;
    const count = Math.min(missing, this.#bytes.length - this.#position);
    const end = this.#position + count;
    gathered.set(this.#bytes.subarray(this.#position, end), this.#gatheredLength);
    this.#position = end;
    this.#gatheredLength += count;
    return count === missing;
  }

  #readLength(bytes: Uint8Array, start: number): number {
    const length = (bytes[start]! << 16) | (bytes[start + 1]! << 8) | bytes[start + 2]!;
    if (length > this.#lengthMax) {
      throw new ConnectionError(
        "FRAME_SIZE_ERROR",
        `A frame has ${length} bytes, ${this.#lengthMax} are the most`,
      );
    }
    return length;
  }

  #read(bytes: Uint8Array, start: number, end: number): Frame {
    const frame = this.#frame;
    frame.type = bytes[start + 3]!;
    frame.flags = bytes[start + 4]!;
    // The highest bit is reserved, and ignored.
    frame.streamId = readUint32(bytes, start + 5) & 0x7fff_ffff;
    frame.bytes = bytes;
    frame.start = start + FRAME_HEADER_LENGTH;
    frame.end = end;
    return frame;
  }
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>>
    0;
}
