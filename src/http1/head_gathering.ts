/**
 * Finds the end of a request's head in the bytes of a connection. Mostly a head comes in one piece,
 * and nothing else with it; then its text is made once and nothing is copied.
 */
import { ByteBuffer, fromLatin1 } from "../protocol/byte_buffer.ts";

const CR = 0x0d;
const LF = 0x0a;
const END = "\r\n\r\n";
const EMPTY = new Uint8Array(0);

/** What stands at the beginning of a connection's bytes. */
export interface FoundHead {
  /** Without the empty line. */
  readonly text: string;
  /** What came behind it. */
  readonly rest: Uint8Array;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export class HeadGathering {
  /** The beginning of a head, whose end has not come. */
  #gathered: ByteBuffer | undefined;
  #scanned = 0;

  /** Bytes that wait for the end of their head. */
  get length(): number {
    return this.#gathered?.length ?? 0;
  }

  /** Adds bytes; undefined while the head goes on. */
  push(bytes: Uint8Array): FoundHead | undefined {
    if (this.#gathered === undefined) {
      const found = findInText(bytes) ?? findInBytes(bytes, 0);
      if (found === undefined && bytes.length > 0) this.#begin(bytes);
      return found;
    }
    this.#gathered.append(bytes);
    const all = this.#gathered.view();
    const found = findInBytes(all, this.#scanned);
    // The empty line may straddle pieces: look again at the last bytes.
    this.#scanned = Math.max(0, all.length - 3);
    if (found === undefined) return undefined;
    this.#gathered = undefined;
    return { text: found.text, rest: found.rest.slice() };
  }

  #begin(bytes: Uint8Array): void {
    this.#gathered = new ByteBuffer(bytes.length * 2);
    this.#gathered.append(bytes);
    this.#scanned = Math.max(0, bytes.length - 3);
  }
}

/** For ASCII, where a byte is a character: to search a text takes less than to search bytes. */
function findInText(bytes: Uint8Array): FoundHead | undefined {
  if (bytes.length > TEXT_LENGTH_MAX) return undefined;
  const text = decoder.decode(bytes);
  if (text.length !== bytes.length) return undefined;
  const end = text.indexOf(END);
  if (end < 0 || text.includes("\ufffd")) return undefined;
  const length = end + END.length;
  const rest = length === bytes.length ? EMPTY : bytes.subarray(length);
  return { text: text.slice(0, end + 2), rest };
}

/** A longer piece is mostly a body. */
const TEXT_LENGTH_MAX = 16 * 1024;

function findInBytes(bytes: Uint8Array, from: number): FoundHead | undefined {
  for (let cr = bytes.indexOf(CR, from); cr >= 0; cr = bytes.indexOf(CR, cr + 1)) {
    if (bytes[cr + 1] !== LF || bytes[cr + 2] !== CR || bytes[cr + 3] !== LF) continue;
    return { text: fromLatin1(bytes.subarray(0, cr + 2)), rest: bytes.subarray(cr + 4) };
  }
  return undefined;
}
