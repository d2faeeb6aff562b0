/**
 * Judges a header section while it comes: what can never become a request is refused at its first
 * wrong byte, and not when its end, which may never come, is late. It refuses nothing that
 * `request_headers.ts` would take, and which error it finds depends on the bytes alone, however
 * they are cut: so a header section that came whole and is refused is judged by it, too.
 */
import { fromLatin1 } from "../protocol/byte_buffer.ts";
import { isTokenByte } from "./field_names.ts";
import { readRequestLine, REQUEST_FIELDS_MAX, RequestError } from "./request_headers.ts";

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const DEL = 0x7f;
const COLON = 0x3a;
// deno-lint-ignore no-control-regex
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
/** A longer value is looked through as a text. */
const LOOPED_LENGTH = 256;
/** What a record of TLS's handshake begins with (RFC 8446 section 5.1). */
const TLS_HANDSHAKE = 0x16;

export class HeaderJudge {
  readonly #lengthMax: number;
  #position = 0;
  #lineStart = 0;
  /** Lines that are complete: the request's, then fields. */
  #lines = 0;
  /** Whether the line's method or name has ended. */
  #hasName = false;
  #isBehindCr = false;

  /**
   * @param lengthMax beyond it a header section is refused for its length, so nothing there is
   * looked at
   */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  /** Another header section begins. */
  reset(): void {
    this.#position = 0;
    this.#lineStart = 0;
    this.#lines = 0;
    this.#hasName = false;
    this.#isBehindCr = false;
  }

  /** Looks at what was added; `headers` is all that has come of it. @throws {RequestError} */
  judge(headers: Uint8Array): void {
    const end = Math.min(headers.length, this.#lengthMax);
    for (; this.#position < end; this.#position++) {
      if (this.#hasName && !this.#isBehindCr) {
        this.#position = plainEnd(headers, this.#position, end);
        if (this.#position === end) return;
      }
      this.#take(headers, headers[this.#position]!);
    }
  }

  #take(headers: Uint8Array, byte: number): void {
    if (byte === LF) {
      if (!this.#isBehindCr) throw malformed();
      return this.#endLine(headers);
    }
    if (this.#isBehindCr) throw malformed();
    if (byte === CR) {
      this.#isBehindCr = true;
    } else if ((byte < SPACE && byte !== TAB) || byte === DEL) {
      throw this.#position === 0 && byte === TLS_HANDSHAKE ? speaksTls() : malformed();
    } else if (!this.#hasName && !isTokenByte(byte)) {
      const isEnd = byte === (this.#lines === 0 ? SPACE : COLON);
      if (!isEnd || this.#position === this.#lineStart) throw notWellFormed(this.#lines);
      this.#hasName = true;
    }
  }

  #endLine(headers: Uint8Array): void {
    if (this.#lines === 0) {
      readRequestLine(fromLatin1(headers.subarray(this.#lineStart, this.#position - 1)));
    } else if (!this.#hasName) {
      throw notWellFormed(this.#lines);
    } else if (this.#lines > REQUEST_FIELDS_MAX) {
      throw new RequestError(431, `There are more than ${REQUEST_FIELDS_MAX} fields`);
    }
    this.#lines++;
    this.#lineStart = this.#position + 1;
    this.#hasName = false;
    this.#isBehindCr = false;
  }
}

/** Where the first byte is of which there is something to say: a value may be long, and is plain. */
function plainEnd(bytes: Uint8Array, start: number, end: number): number {
  const loopEnd = Math.min(end, start + LOOPED_LENGTH);
  for (let at = start; at < loopEnd; at++) {
    const byte = bytes[at]!;
    if ((byte < SPACE && byte !== TAB) || byte === DEL) return at;
  }
  return loopEnd === end ? end : longPlainEnd(bytes, loopEnd, end);
}

/** The runtime looks through a text ten times as fast as a loop through bytes. */
function longPlainEnd(bytes: Uint8Array, start: number, end: number): number {
  const cr = bytes.indexOf(CR, start);
  const lineEnd = cr < 0 || cr > end ? end : cr;
  const found = fromLatin1(bytes.subarray(start, lineEnd)).search(CONTROL);
  return found < 0 ? lineEnd : start + found;
}

function malformed(): RequestError {
  return new RequestError(400, "The header section has a control character or half a line's end");
}

function speaksTls(): RequestError {
  return new RequestError(400, "The client speaks TLS, and this listener takes plain HTTP");
}

function notWellFormed(lines: number): RequestError {
  return new RequestError(
    400,
    lines === 0 ? "The method is no token" : "A line of the header section is no field",
  );
}
