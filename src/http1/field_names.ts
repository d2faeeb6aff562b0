/**
 * Names of header fields in lower case, through a table: the same few come with every request, and
 * one that is found there is known to be well-formed. Names from the table are one object each, so
 * to compare two of them costs next to nothing.
 */

/** Most names that are remembered; with one more the table begins anew. */
export const FIELD_NAMES_MAX = 1024;

/** A longer name is looked at each time, so that nobody fills the memory with long ones. */
const REMEMBERED_LENGTH_MAX = 64;

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Whether a text is a token: a method, or a field's name. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

const TOKEN_BYTES = new Uint8Array(256);
for (let byte = 0; byte < 128; byte++) {
  if (TOKEN.test(String.fromCharCode(byte))) TOKEN_BYTES[byte] = 1;
}

export function isTokenByte(byte: number): boolean {
  return TOKEN_BYTES[byte] === 1;
}

/** Remembers names; one for each server. */
export class FieldNames {
  /** From a name as it was sent to the same in lower case. */
  readonly #names = new Map<string, string>();

  /** Names remembered, for tests of the bound. */
  get size(): number {
    return this.#names.size;
  }

  /** A name in lower case; undefined for what is no name. */
  read(sent: string): string | undefined {
    return this.#names.get(sent) ?? this.#learn(sent);
  }

  #learn(sent: string): string | undefined {
    if (!isToken(sent)) return undefined;
    const lower = sent.toLowerCase();
    if (sent.length > REMEMBERED_LENGTH_MAX) return lower;
    // Two come in: as it was sent, and in lower case.
    if (this.#names.size > FIELD_NAMES_MAX - 2) this.#names.clear();
    const name = this.#names.get(lower) ?? lower;
    this.#names.set(name, name);
    this.#names.set(sent, name);
    return name;
  }
}
