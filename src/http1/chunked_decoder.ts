/**
 * The chunked transfer coding of a request's body (RFC 9112 section 7.1), in pieces of any size. As
 * strict as the header section: a size is hexadecimal digits with no space around it, lines end
 * with CRLF. Chunk extensions and the fields behind the body are read over, within a limit, and
 * have to be well formed: who takes `5;` or half a quoted text reads another body than who does
 * not.
 */
import { isTokenByte } from "./field_names.ts";
import { RequestError } from "./request_headers.ts";

/**
 * By how many bytes extensions may exceed the chunks that they stand at: nobody makes us read many
 * times of what a body's limit knows of.
 */
export const EXTENSIONS_EXCESS_MAX = 4096;
/** Longest section behind the body, in bytes. */
export const TRAILER_LENGTH_MAX = 16 * 1024;

/** 2^52 bytes: a larger number is no size. */
const SIZE_DIGITS_MAX = 13;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const DEL = 0x7f;

type State =
  | "size"
  | "extensionStart"
  | "extensionName"
  | "extensionNameEnd"
  | "valueStart"
  | "value"
  | "quoted"
  | "escaped"
  | "valueEnd"
  | "sizeEnd"
  | "data"
  | "dataCr"
  | "dataLf"
  | "trailerStart"
  | "trailerName"
  | "trailer"
  | "trailerLf"
  | "lastLf"
  | "done";

export class ChunkedDecoder {
  #state: State = "size";
  /** Bytes of the chunk that have not come. */
  #left = 0;
  #digits = 0;
  /** Bytes of extensions beyond those of their chunks. */
  #excess = 0;
  /** Bytes of the section behind the body. */
  #trailerLength = 0;

  /** Whether the whole body has come. */
  get isDone(): boolean {
    return this.#state === "done";
  }

  /**
   * Reads bytes from `start` on, and gives the body's among them to `emit`, which may not keep them
   * unless it may keep `bytes`. Returns how many were read: all, or up to the body's end.
   *
   * @throws {RequestError}
   */
  read(bytes: Uint8Array, start: number, emit: (piece: Uint8Array) => void): number {
    let position = start;
    while (position < bytes.length && this.#state !== "done") {
      if (this.#state === "data") {
        const end = Math.min(bytes.length, position + this.#left);
        emit(bytes.subarray(position, end));
        this.#left -= end - position;
        position = end;
        if (this.#left === 0) this.#state = "dataCr";
      } else {
        this.#readByte(bytes[position++]!);
      }
    }
    return position - start;
  }

  #readByte(byte: number): void {
    switch (this.#state) {
      case "size":
        return this.#readSize(byte);
      case "sizeEnd":
        this.#expect(byte, LF, this.#left === 0 ? "trailerStart" : "data");
        this.#excess = Math.max(0, this.#excess - this.#left);
        return;
      case "dataCr":
        return this.#expect(byte, CR, "dataLf");
      case "dataLf":
        this.#digits = 0;
        return this.#expect(byte, LF, "size");
      case "trailerStart":
        this.#countTrailer();
        this.#state = byte === CR ? "lastLf" : "trailerName";
        if (byte !== CR && !isTokenByte(byte)) throw malformed();
        return;
      case "trailerName":
        this.#countTrailer();
        if (byte === COLON) this.#state = "trailer";
        else if (!isTokenByte(byte)) throw malformed();
        return;
      case "trailer":
        this.#countTrailer();
        if (byte === CR) this.#state = "trailerLf";
        else if (isControl(byte)) throw malformed();
        return;
      case "trailerLf":
        return this.#expect(byte, LF, "trailerStart");
      case "lastLf":
        return this.#expect(byte, LF, "done");
      default:
        return this.#readExtension(byte);
    }
  }

  /** `;name`, `;name=value` or `;name="value"`, as often as it likes (RFC 9112 section 7.1.1). */
  #readExtension(byte: number): void {
    const next = nextInExtension(this.#state, byte);
    if (next === undefined) throw malformed();
    this.#state = next;
    if (next !== "sizeEnd" && ++this.#excess > EXTENSIONS_EXCESS_MAX) throw tooLong();
  }

  #readSize(byte: number): void {
    const digit = hexadecimalDigit(byte);
    if (digit >= 0) {
      if (++this.#digits > SIZE_DIGITS_MAX) throw malformed();
      this.#left = this.#left * 16 + digit;
      return;
    }
    if (this.#digits === 0) throw malformed();
    if (byte === CR) this.#state = "sizeEnd";
    else if (byte === SEMICOLON) this.#state = "extensionStart";
    else throw malformed();
  }

  #expect(byte: number, wanted: number, next: State): void {
    if (byte !== wanted) throw malformed();
    this.#state = next;
  }

  #countTrailer(): void {
    if (++this.#trailerLength > TRAILER_LENGTH_MAX) throw tooLong();
  }
}

/** Undefined for what cannot stand there. White space may be around a name and before a value. */
function nextInExtension(state: State, byte: number): State | undefined {
  switch (state) {
    case "extensionStart":
      return isBlank(byte) ? state : isTokenByte(byte) ? "extensionName" : undefined;
    case "extensionName":
      if (isTokenByte(byte)) return state;
      return byte === CR ? "sizeEnd" : afterName(byte);
    case "extensionNameEnd":
      return afterName(byte);
    case "valueStart":
      if (isBlank(byte)) return state;
      return byte === QUOTE ? "quoted" : isTokenByte(byte) ? "value" : undefined;
    case "value":
      return isTokenByte(byte) ? state : afterValue(byte);
    case "valueEnd":
      return afterValue(byte);
    case "quoted":
      if (byte === QUOTE) return "valueEnd";
      return byte === BACKSLASH ? "escaped" : isControl(byte) ? undefined : state;
    case "escaped":
      return isControl(byte) ? undefined : "quoted";
    default:
      return undefined;
  }
}

function afterName(byte: number): State | undefined {
  if (isBlank(byte)) return "extensionNameEnd";
  if (byte === EQUALS) return "valueStart";
  return byte === SEMICOLON ? "extensionStart" : undefined;
}

function afterValue(byte: number): State | undefined {
  if (byte === CR) return "sizeEnd";
  return byte === SEMICOLON ? "extensionStart" : undefined;
}

function tooLong(): RequestError {
  return new RequestError(431, "What is beside the chunks of the body is too long");
}

function malformed(): RequestError {
  return new RequestError(400, "The chunks of the body are malformed");
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function isControl(byte: number): boolean {
  return (byte < SPACE && byte !== TAB) || byte === DEL;
}

/** -1 for what is no digit. */
function hexadecimalDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
