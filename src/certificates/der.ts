/**
 * The part of DER (X.690) that a self-signed certificate is made of: values as bytes, each with its
 * tag and length before it. Pure; it knows no certificate.
 */

export type Der = Uint8Array<ArrayBuffer>;

const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  GENERALIZED_TIME: 0x18,
  UTC_TIME: 0x17,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const;

const CONTEXT = 0x80;
const CONSTRUCTED = 0x20;

/** From this year on a time has four digits for it (RFC 5280 section 4.1.2.5). */
const GENERALIZED_FROM = 2050;

const encoder = new TextEncoder();

export function sequence(...items: readonly Der[]): Der {
  return tagged(Tag.SEQUENCE, concat(items));
}

export function set(...items: readonly Der[]): Der {
  return tagged(Tag.SET, concat(items));
}

/** A non-negative integer from its big-endian bytes. */
export function integer(bytes: Uint8Array): Der {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.slice(start);
  // A first bit of 1 would make it negative.
  return tagged(Tag.INTEGER, digits[0]! >= 0x80 ? concat([Uint8Array.of(0), digits]) : digits);
}

export function boolean(value: boolean): Der {
  return tagged(Tag.BOOLEAN, Uint8Array.of(value ? 0xff : 0));
}

/** Bits of whole bytes. */
export function bitString(bytes: Uint8Array): Der {
  return tagged(Tag.BIT_STRING, concat([Uint8Array.of(0), bytes]));
}

/** A list of named bits in one byte; the last `unused` are none. */
export function flags(byte: number, unused: number): Der {
  return tagged(Tag.BIT_STRING, Uint8Array.of(unused, byte));
}

export function octetString(bytes: Uint8Array): Der {
  return tagged(Tag.OCTET_STRING, bytes);
}

export function utf8String(text: string): Der {
  return tagged(Tag.UTF8_STRING, encoder.encode(text));
}

/** Such as `1.2.840.10045.2.1`. */
export function objectIdentifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return tagged(
    Tag.OBJECT_IDENTIFIER,
    Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)),
  );
}

/** A time in whole seconds, in the form that RFC 5280 asks for in its year. */
export function time(timeMs: number): Der {
  const date = new Date(timeMs);
  const digits = date.toISOString().replace(/\.\d+Z$/, "Z").replace(/[-:T]/g, "");
  return date.getUTCFullYear() < GENERALIZED_FROM
    ? tagged(Tag.UTC_TIME, encoder.encode(digits.slice(2)))
    : tagged(Tag.GENERALIZED_TIME, encoder.encode(digits));
}

/** A value under a number that its place gives a meaning, around what it holds. */
export function explicit(number: number, value: Uint8Array): Der {
  return tagged(CONTEXT | CONSTRUCTED | number, value);
}

/** A value under a number that its place gives a meaning, in the place of its own tag. */
export function implicit(number: number, content: Uint8Array): Der {
  return tagged(CONTEXT | number, content);
}

function tagged(tag: number, content: Uint8Array): Der {
  return concat([Uint8Array.of(tag, ...lengthOf(content.length)), content]);
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}

function base128(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.unshift(0x80 | (rest % 128));
  }
  return bytes;
}

export function concat(pieces: readonly Uint8Array[]): Der {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}
