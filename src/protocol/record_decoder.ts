/**
 * Bytes in, records out (section 3.3). The bytes may be cut anywhere. A long record that lies whole
 * in one piece is handed out as a view of that piece, without a copy; one that straddles pieces is
 * gathered in memory of its own, and that is the only copy. So the decoder never holds more than
 * one record ({@link RECORD_LENGTH_MAX}).
 *
 * It does not know what a type means, nor which side of the connection we are on.
 */
import { partOf } from "./byte_buffer.ts";
import { HEADER_LENGTH, VERSION } from "./constants.ts";
import { readHeader, type RecordHeader } from "./header.ts";

const EMPTY = new Uint8Array(0);

/** One record without its padding. `content` may be a view of the bytes that were pushed. */
export interface FastCgiRecord {
  type: number;
  requestId: number;
  content: Uint8Array;
}

/** Takes bytes with {@link push}, gives records with {@link next}. */
export class RecordDecoder {
  #piece: Uint8Array = EMPTY;
  #offset = 0;
  /** The record that straddles pieces: first its header bytes, then its content, then padding. */
  readonly #headerBytes = new Uint8Array(HEADER_LENGTH);
  #headerLength = 0;
  #header: RecordHeader | undefined;
  #content: Uint8Array = EMPTY;
  #contentLength = 0;
  #paddingLength = 0;

  /** Adds bytes. All records of the piece before must have been taken with {@link next}. */
  push(piece: Uint8Array): void {
    if (this.#offset < this.#piece.length) {
      throw new RangeError("Cannot push: records of the piece before are not taken yet");
    }
    this.#piece = piece;
    this.#offset = 0;
  }

  /** True between records: closing the connection here loses nothing. */
  get atBoundary(): boolean {
    return this.#headerLength === 0 && this.#offset === this.#piece.length;
  }

  /**
   * The next complete record; undefined when more bytes are needed.
   *
   * @throws {ProtocolError} `bad_version` when the bytes are not FastCGI 1.0
   */
  next(): FastCgiRecord | undefined {
    const record = this.#headerLength === 0 ? this.#nextInPiece() : this.#nextStraddling();
    if (record === undefined) {
      // All of the piece is read: an idle connection must not hold on to what it received last.
      this.#piece = EMPTY;
      this.#offset = 0;
    }
    return record;
  }

  #nextInPiece(): FastCgiRecord | undefined {
    const available = this.#piece.length - this.#offset;
    if (available === 0) return undefined;
    if (available < HEADER_LENGTH) return this.#nextStraddling();
    const header = readHeader(this.#piece, this.#offset);
    const contentStart = this.#offset + HEADER_LENGTH;
    const contentEnd = contentStart + header.contentLength;
    if (contentEnd + header.paddingLength > this.#piece.length) return this.#nextStraddling();
    this.#offset = contentEnd + header.paddingLength;
    return {
      type: header.type,
      requestId: header.requestId,
      content: header.contentLength === 0 ? EMPTY : partOf(this.#piece, contentStart, contentEnd),
    };
  }

  #nextStraddling(): FastCgiRecord | undefined {
    if (this.#header === undefined) {
      this.#headerLength += this.#moveInto(this.#headerBytes, this.#headerLength);
      // The first byte tells whether this is FastCGI at all: do not wait for seven more.
      if (this.#headerLength < HEADER_LENGTH) {
        if (this.#headerBytes[0] !== VERSION) readHeader(this.#headerBytes, 0);
        return undefined;
      }
      this.#header = readHeader(this.#headerBytes, 0);
      this.#content = new Uint8Array(this.#header.contentLength);
      this.#contentLength = 0;
      this.#paddingLength = this.#header.paddingLength;
    }
    this.#contentLength += this.#moveInto(this.#content, this.#contentLength);
    if (this.#contentLength < this.#content.length) return undefined;
    const skipped = Math.min(this.#paddingLength, this.#piece.length - this.#offset);
    this.#offset += skipped;
    this.#paddingLength -= skipped;
    if (this.#paddingLength > 0) return undefined;
    const record = {
      type: this.#header.type,
      requestId: this.#header.requestId,
      content: this.#content,
    };
    this.#header = undefined;
    this.#headerLength = 0;
    this.#content = EMPTY;
    return record;
  }

  /** Copies as much of the piece as fits behind `length` bytes of `target`; says how much. */
  #moveInto(target: Uint8Array, length: number): number {
    const count = Math.min(target.length - length, this.#piece.length - this.#offset);
    target.set(this.#piece.subarray(this.#offset, this.#offset + count), length);
    this.#offset += count;
    return count;
  }
}
