/**
 * Gathers the bytes of a response's header section until its empty line has come. What can never
 * become one is refused at its first wrong byte: whoever speaks another protocol, or ends lines with
 * LF alone, would else be waited for. Which error is found depends on the bytes, not on how they
 * were cut.
 */
import { ByteBuffer, fromLatin1 } from "../protocol/byte_buffer.ts";
import { bad, readResponseHeaders, type ResponseHeaders, tooLarge } from "./response_headers.ts";

const CR = 0x0d;
const LF = 0x0a;
const BEGINNING = "HTTP/1.";
const END_LENGTH = 4;

/** A complete header section, and where in the piece it ended. */
export interface GatheredHeaders {
  readonly headers: ResponseHeaders;
  readonly end: number;
}

export class HeaderGathering {
  readonly #lengthMax: number;
  /** What came before the piece that is looked at; mostly a header section is one piece. */
  readonly #before = new ByteBuffer(1024);
  /** Bytes of the section so far, and what the last ones were. */
  #length = 0;
  #lineLength = 0;
  #isBehindCr = false;

  /** @param lengthMax most bytes of one header section */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  /** Whether some of a header section has come. */
  get hasBegun(): boolean {
    return this.#length > 0;
  }

  /**
   * Looks at a piece from `start` on; undefined while the section goes on behind it.
   *
   * @throws {ProtocolError}
   */
  push(piece: Uint8Array, start: number): GatheredHeaders | undefined {
    for (let position = start; position < piece.length; position++) {
      if (!this.#take(piece[position]!)) continue;
      const end = position + 1;
      this.#before.append(piece.subarray(start, end));
      const section = this.#before.view();
      const text = fromLatin1(section.subarray(0, section.length - END_LENGTH + 2));
      this.#clear();
      return { headers: readResponseHeaders(text), end };
    }
    this.#before.append(piece.subarray(start));
    return undefined;
  }

  /** Whether the section ends with this byte. */
  #take(byte: number): boolean {
    if (this.#length < BEGINNING.length && byte !== BEGINNING.charCodeAt(this.#length)) {
      bad("it does not begin with HTTP/1 (does it speak HTTP?)");
    }
    if (++this.#length > this.#lengthMax) tooLarge(`is longer than ${this.#lengthMax} bytes`);
    if (byte === LF) {
      if (!this.#isBehindCr) bad("it has a control character or half a line's end");
      this.#isBehindCr = false;
      const isEnd = this.#lineLength === 0;
      this.#lineLength = 0;
      return isEnd;
    }
    if (this.#isBehindCr) bad("it has a control character or half a line's end");
    if (byte === CR) this.#isBehindCr = true;
    else this.#lineLength++;
    return false;
  }

  #clear(): void {
    this.#before.clear();
    this.#length = 0;
    this.#lineLength = 0;
    this.#isBehindCr = false;
  }
}
