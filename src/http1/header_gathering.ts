/**
 * Finds the end of a request's header section in the bytes of a connection. Mostly a header section
 * comes in one piece, and nothing else with it; then its text is made once and nothing is copied.
 * Empty lines before a header section are read over, however the bytes are cut.
 */
import { ByteBuffer, fromLatin1 } from "../protocol/byte_buffer.ts";

/** Empty lines before a request that are read over (RFC 9112 section 2.2). */
export const EMPTY_LINES_MAX = 4;

/** A longer piece is mostly a body. */
const TEXT_LENGTH_MAX = 16 * 1024;

const CR = 0x0d;
const LF = 0x0a;
const END = "\r\n\r\n";
const EMPTY = new Uint8Array(0);
const NOT_UTF8 = "\ufffd";

/** What stands at the beginning of a connection's bytes. */
export interface FoundHeaders {
  /** Without the empty line. */
  readonly text: string;
  /** What came behind it. */
  readonly rest: Uint8Array;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export class HeaderGathering {
  /** The beginning of a header section, whose end has not come. */
  #gathered: ByteBuffer | undefined;
  #scanned = 0;
  #emptyLines = 0;

  /** Bytes that wait for the end of their header section. */
  get length(): number {
    return this.#gathered?.length ?? 0;
  }

  /** What waits for the end of its header section. */
  get waiting(): Uint8Array {
    return this.#gathered?.view() ?? EMPTY;
  }

  /** Adds bytes; undefined while the header section goes on. */
  push(bytes: Uint8Array): FoundHeaders | undefined {
    const gathered = this.#gathered;
    if (gathered !== undefined) {
      gathered.append(bytes);
      return this.#findInGathered(gathered);
    }
    if (bytes.length === 0) return undefined;
    const found = bytes[0] === CR ? undefined : findInText(bytes) ?? findInBytes(bytes, 0);
    if (found === undefined) return this.#begin(bytes);
    this.#emptyLines = 0;
    return found;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#gathered = undefined;
    this.#emptyLines = 0;
  }

  #begin(bytes: Uint8Array): FoundHeaders | undefined {
    const gathered = this.#gathered = new ByteBuffer(bytes.length * 2);
    gathered.append(bytes);
    this.#scanned = 0;
    return this.#findInGathered(gathered);
  }

  #findInGathered(gathered: ByteBuffer): FoundHeaders | undefined {
    this.#skipEmptyLines(gathered);
    const all = gathered.view();
    const found = findInBytes(all, this.#scanned);
    // The empty line may straddle pieces: look again at the last bytes.
    this.#scanned = Math.max(0, all.length - 3);
    if (found === undefined) {
      if (all.length === 0) this.#gathered = undefined;
      return undefined;
    }
    this.clear();
    return { text: found.text, rest: found.rest.slice() };
  }

  #skipEmptyLines(gathered: ByteBuffer): void {
    let start = 0;
    const { bytes, length } = gathered;
    while (start + 1 < length && bytes[start] === CR && bytes[start + 1] === LF) {
      // With one more the header section is malformed: it begins with an empty line.
      if (this.#emptyLines === EMPTY_LINES_MAX) break;
      this.#emptyLines++;
      start += 2;
    }
    if (start === 0) return;
    gathered.discard(start);
    this.#scanned = 0;
  }
}

/** For ASCII, where a byte is a character: to search a text takes less than to search bytes. */
function findInText(bytes: Uint8Array): FoundHeaders | undefined {
  if (bytes.length > TEXT_LENGTH_MAX) return undefined;
  const text = decoder.decode(bytes);
  if (text.length !== bytes.length) return undefined;
  const end = text.indexOf(END);
  if (end < 0 || text.includes(NOT_UTF8)) return undefined;
  const length = end + END.length;
  const rest = length === bytes.length ? EMPTY : bytes.subarray(length);
  return { text: text.slice(0, end + 2), rest };
}

function findInBytes(bytes: Uint8Array, from: number): FoundHeaders | undefined {
  for (let cr = bytes.indexOf(CR, from); cr >= 0; cr = bytes.indexOf(CR, cr + 1)) {
    if (bytes[cr + 1] !== LF || bytes[cr + 2] !== CR || bytes[cr + 3] !== LF) continue;
    return { text: textOf(bytes.subarray(0, cr + 2)), rest: bytes.subarray(cr + 4) };
  }
  return undefined;
}

/** A character for each byte. */
function textOf(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  return text.length === bytes.length && !text.includes(NOT_UTF8) ? text : fromLatin1(bytes);
}
