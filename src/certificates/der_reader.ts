/**
 * Reads DER (X.690) as far as a certificate needs it: a value's tag and content, one behind the
 * other. Lengths are held against the bytes there are. Pure.
 */

export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** Longest length that is read: four bytes of it. */
const LENGTH_BYTES_MAX = 4;

/** The values that stand one behind the other. @throws {RangeError} where the bytes end too early */
export function derValues(bytes: Uint8Array): readonly DerValue[] {
  const values: DerValue[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const [value, end] = derValue(bytes, offset);
    values.push(value);
    offset = end;
  }
  return values;
}

function derValue(bytes: Uint8Array, start: number): readonly [DerValue, end: number] {
  const tag = byteAt(bytes, start);
  const first = byteAt(bytes, start + 1);
  const lengthBytes = first < 0x80 ? 0 : first - 0x80;
  if (first === 0x80 || lengthBytes > LENGTH_BYTES_MAX) throw new RangeError("Not DER");
  let length = first < 0x80 ? first : 0;
  for (let index = 0; index < lengthBytes; index++) {
    length = length * 256 + byteAt(bytes, start + 2 + index);
  }
  const begin = start + 2 + lengthBytes;
  const end = begin + length;
  if (end > bytes.length) throw new RangeError("Not DER");
  return [{ tag, content: bytes.subarray(begin, end) }, end];
}

function byteAt(bytes: Uint8Array, offset: number): number {
  const byte = bytes[offset];
  if (byte === undefined) throw new RangeError("Not DER");
  return byte;
}
