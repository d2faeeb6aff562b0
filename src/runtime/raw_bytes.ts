/**
 * Paths that are no UTF-8, as texts: a byte that belongs to no character is a lone surrogate, U+DC80
 * to U+DCFF, which no well-formed text has. All else is as in any other path, so patterns and rules
 * see the same characters, and the bytes come out as they went in (Python's `surrogateescape`).
 */

const ASCII = /^[\0-\x7f]*$/;
const RAW = /[\udc80-\udcff]/u;
const ESCAPE = 0xdc00;

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LENIENT = new TextDecoder("utf-8", { ignoreBOM: true });
const REPLACEMENT = "\ufffd";
const ENCODER = new TextEncoder();

/** Whether the text stands for bytes that are no UTF-8. */
export function hasRawBytes(text: string): boolean {
  return RAW.test(text);
}

/** Bytes, a character each, as a text. */
export function textOfBytes(bytes: string): string {
  if (ASCII.test(bytes)) return bytes;
  const units = Uint8Array.from(bytes, (character) => character.charCodeAt(0));
  try {
    return STRICT.decode(units);
  } catch {
    return escapedText(units);
  }
}

/** A character at a time, of those that are none each byte by itself. */
function escapedText(bytes: Uint8Array): string {
  let text = "";
  for (let start = 0; start < bytes.length;) {
    const first = bytes[start]!;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const character = LENIENT.decode(bytes.subarray(start, start + length));
    const isOne = !character.includes(REPLACEMENT) || isReplacement(bytes, start);
    text += isOne ? character : String.fromCharCode(ESCAPE + first);
    start += isOne ? length : 1;
  }
  return text;
}

/** Whether the character stands there itself, for no other. */
function isReplacement(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === 0xef && bytes[start + 1] === 0xbf && bytes[start + 2] === 0xbd;
}

/** The bytes of a text, a character each. */
export function bytesOfText(text: string): string {
  if (ASCII.test(text)) return text;
  let bytes = "";
  for (const character of text) {
    const code = character.charCodeAt(0);
    if (code < 0x80) bytes += character;
    else if (RAW.test(character)) bytes += String.fromCharCode(code - ESCAPE);
    else for (const byte of ENCODER.encode(character)) bytes += String.fromCharCode(byte);
  }
  return bytes;
}

/** As `encodeURIComponent`, with raw bytes as their escapes. */
export function encodeText(text: string): string {
  if (!RAW.test(text)) return encodeURIComponent(text);
  return text.replace(/[^]/gu, (character) => {
    if (!RAW.test(character)) return encodeURIComponent(character);
    return `%${(character.charCodeAt(0) - ESCAPE).toString(16).toUpperCase()}`;
  });
}

/** A character that stands for one byte, as its escape. */
export function encodeByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/** A decoded path as it stands in a URL. */
export function encodePath(path: string): string {
  return path.split("/").map(encodeText).join("/");
}
