/**
 * Reads DER (X.690) as far as certificates go: values by tag, one behind the other, and what is in
 * them. Lengths beyond what is there, and forms that DER forbids, are errors. Pure.
 */

export const DerTag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  NUMERIC_STRING: 0x12,
  PRINTABLE_STRING: 0x13,
  TELETEX_STRING: 0x14,
  IA5_STRING: 0x16,
  VISIBLE_STRING: 0x1a,
  UNIVERSAL_STRING: 0x1c,
  BMP_STRING: 0x1e,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const;

export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  /** The value with its tag and length. */
  readonly whole: Uint8Array;
}

/** Bytes that are no DER; certificates of strangers come here. */
export class DerError extends RangeError {
  override readonly name = "DerError";
}

const LENGTH_BYTES_MAX = 3;

/** The values that stand one behind the other. @throws {DerError} */
export function derValues(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const value = readOne(bytes, offset);
    values.push(value);
    offset += value.whole.length;
  }
  return values;
}

function readOne(bytes: Uint8Array, start: number): DerValue {
  const tag = bytes[start]!;
  if ((tag & 0x1f) === 0x1f) throw new DerError("Tag of several bytes");
  let offset = start + 2;
  let length = bytes[start + 1];
  if (length === undefined) throw new DerError("No length");
  if (length >= 0x80) {
    const count = length & 0x7f;
    if (count === 0 || count > LENGTH_BYTES_MAX) throw new DerError("Length is not readable");
    length = 0;
    for (let index = 0; index < count; index++) length = length * 256 + (bytes[offset++] ?? NaN);
  }
  if (!(offset + length <= bytes.length)) throw new DerError("Value is cut");
  const end = offset + length;
  return { tag, content: bytes.subarray(offset, end), whole: bytes.subarray(start, end) };
}

/** The values inside one of a kind. @throws {DerError} where it is another kind */
export function inside(value: DerValue | undefined, tag: number): DerValue[] {
  return derValues(contentOf(value, tag));
}

/** @throws {DerError} where it is another kind */
export function contentOf(value: DerValue | undefined, tag: number): Uint8Array {
  if (value?.tag !== tag) throw new DerError(`Tag ${value?.tag} stands where ${tag} should`);
  return value.content;
}

/** Such as `2.5.4.3`. @throws {DerError} */
export function oidOf(value: DerValue | undefined): string {
  const content = contentOf(value, DerTag.OBJECT_IDENTIFIER);
  const numbers: number[] = [];
  let number = 0;
  for (const byte of content) {
    number = number * 128 + (byte & 0x7f);
    if (number > Number.MAX_SAFE_INTEGER) {
      throw new DerError("Number of an identifier is too large");
    }
    if (byte >= 0x80) continue;
    numbers.push(number);
    number = 0;
  }
  const [first = 0, ...rest] = numbers;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join(".");
}
