/**
 * The PARAMS stream of one request as the application side reads it. The bytes are turned into one
 * text in which every character stands for one byte, so names and values are cheap slices of it,
 * nothing is decoded that nobody asks for, and the received memory is not held on to.
 *
 * It does not know what a parameter means.
 */
import { fromLatin1, latin1 } from "./byte_buffer.ts";
import { ProtocolError } from "./errors.ts";
import { lengthOfLength, readLength } from "./name_value.ts";

const NOT_UTF8 = "\ufffd";
const lenientDecoder = new TextDecoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Offsets of the run that is being read; what is kept of them is an exact copy. */
const offsetsRead: number[] = [];

/** Two bytes each where they do: of requests that are held, these are much of what is held. */
type Offsets = Uint16Array | Uint32Array;
const SHORT_OFFSET_MAX = 0xffff;

/** The parameters of a request in the order in which they came. */
export class Parameters {
  readonly #text: string;
  readonly #isAscii: boolean;
  /** For pair `i`, at `3 * i`: where its name begins, where its value begins, where that ends. */
  readonly #offsets: Offsets;

  private constructor(text: string, isAscii: boolean, offsets: Offsets) {
    this.#text = text;
    this.#isAscii = isAscii;
    this.#offsets = offsets;
  }

  /**
   * Reads a complete run of pairs (section 3.4).
   *
   * @throws {ProtocolError} of scope request: `bad_name_value` when the run ends within a pair,
   * `params_too_large` when it has more than `pairsMax`
   */
  static decode(bytes: Uint8Array, pairsMax: number): Parameters {
    let content = bytes;
    offsetsRead.length = 0;
    for (let offset = 0; offset < bytes.length;) {
      const valueLengthOffset = offset + lengthOfLength(bytes, offset);
      const nameStart = valueLengthOffset + lengthOfLength(bytes, valueLengthOffset);
      const valueStart = nameStart + readLength(bytes, offset);
      const valueEnd = valueStart + readLength(bytes, valueLengthOffset);
      // Not so either when a length is cut off: it reads as NaN.
      if (!(valueEnd <= bytes.length)) throw unfinished(bytes.length - offset);
      if (offsetsRead.length === pairsMax * 3) throw tooMany(pairsMax);
      offsetsRead.push(nameStart, valueStart, valueEnd);
      if (nameStart - offset > 2) {
        // A long length is no text: with its bytes in it, hardly a browser's request were ASCII.
        if (content === bytes) content = bytes.slice();
        content.fill(0, offset, nameStart);
      }
      offset = valueEnd;
    }
    const text = lenientDecoder.decode(content);
    // What is not ASCII becomes fewer characters than it has bytes, or this one.
    const isAscii = text.length === content.length && !text.includes(NOT_UTF8);
    const offsets = content.length <= SHORT_OFFSET_MAX
      ? new Uint16Array(offsetsRead)
      : new Uint32Array(offsetsRead);
    return new Parameters(isAscii ? text : fromLatin1(content), isAscii, offsets);
  }

  /** How many pairs there are. */
  get count(): number {
    return this.#offsets.length / 3;
  }

  name(index: number): string {
    return this.#text.slice(this.#offsets[3 * index]!, this.#offsets[3 * index + 1]!);
  }

  /** Whether that is the name of the pair; cheaper than to take the name and compare. */
  isNamed(index: number, name: string): boolean {
    const start = this.#offsets[3 * index]!;
    const length = this.#offsets[3 * index + 1]! - start;
    return length === name.length && this.#text.startsWith(name, start);
  }

  /** The value with one character for each byte, as Fetch wants header values. */
  valueLatin1(index: number): string {
    return this.#text.slice(this.#offsets[3 * index + 1]!, this.#offsets[3 * index + 2]!);
  }

  /** The value as text: UTF-8, or where it is not that, one character for each byte. */
  value(index: number): string {
    return this.#decoded(this.valueLatin1(index));
  }

  /** All of them; of those with the same name the last. */
  toMap(): Map<string, string> {
    const map = new Map<string, string>();
    for (let index = 0; index < this.count; index++) {
      map.set(this.#decoded(this.name(index)), this.value(index));
    }
    return map;
  }

  #decoded(text: string): string {
    if (this.#isAscii) return text;
    const bytes = latin1(text);
    try {
      return utf8Decoder.decode(bytes);
    } catch {
      return text;
    }
  }
}

function unfinished(length: number): ProtocolError {
  return new ProtocolError(
    "bad_name_value",
    `Cannot read parameters: ${length} bytes of an unfinished pair are left`,
    { fault: "client", scope: "request" },
  );
}

function tooMany(pairsMax: number): ProtocolError {
  return new ProtocolError(
    "params_too_large",
    `Cannot read parameters: there are more than ${pairsMax}`,
    { fault: "client", scope: "request" },
  );
}
