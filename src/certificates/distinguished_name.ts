/**
 * The name in a certificate as nginx and OpenSSL write it for applications (RFC 2253): the last part
 * first, short names of attributes, and everything that could be mistaken behind a backslash. So a
 * name cannot smuggle in an attribute, and all of it is ASCII.
 */
import { DerTag, type DerValue, inside, oidOf } from "./der_reader.ts";

/** OpenSSL's short names (crypto/objects/objects.txt). */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "street",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.13": "description",
  "2.5.4.15": "businessCategory",
  "2.5.4.16": "postalAddress",
  "2.5.4.17": "postalCode",
  "2.5.4.20": "telephoneNumber",
  "2.5.4.41": "name",
  "2.5.4.42": "GN",
  "2.5.4.43": "initials",
  "2.5.4.44": "generationQualifier",
  "2.5.4.45": "x500UniqueIdentifier",
  "2.5.4.46": "dnQualifier",
  "2.5.4.65": "pseudonym",
  "2.5.4.72": "role",
  "2.5.4.97": "organizationIdentifier",
  "1.2.840.113549.1.9.1": "emailAddress",
  "1.2.840.113549.1.9.2": "unstructuredName",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.3": "mail",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
  "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
  "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
};

/** A Name (RFC 5280 section 4.1.2.4). @throws {DerError} */
export function formatName(name: DerValue | undefined): string {
  const parts = inside(name, DerTag.SEQUENCE).map((part) =>
    inside(part, DerTag.SET).map(formatAttribute).reverse().join("+")
  );
  return parts.reverse().join(",");
}

function formatAttribute(attribute: DerValue): string {
  const [type, value] = inside(attribute, DerTag.SEQUENCE);
  const oid = oidOf(type);
  const name = SHORT_NAMES[oid];
  const text = value === undefined ? "" : name === undefined ? undefined : textOf(value);
  return `${name ?? oid}=${text === undefined ? `#${hex(value!.whole)}` : escape(text)}`;
}

/** Undefined for what is no text. */
function textOf({ tag, content }: DerValue): string | undefined {
  switch (tag) {
    case DerTag.UTF8_STRING:
      return new TextDecoder().decode(content);
    case DerTag.NUMERIC_STRING:
    case DerTag.PRINTABLE_STRING:
    case DerTag.IA5_STRING:
    case DerTag.VISIBLE_STRING:
    case DerTag.TELETEX_STRING:
      return String.fromCharCode(...content);
    case DerTag.BMP_STRING:
      return new TextDecoder("utf-16be").decode(content);
    case DerTag.UNIVERSAL_STRING:
      return String.fromCodePoint(...codePoints(content));
    default:
      return undefined;
  }
}

function codePoints(content: Uint8Array): number[] {
  const points: number[] = [];
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  for (let offset = 0; offset + 4 <= content.length; offset += 4) {
    const point = view.getUint32(offset);
    points.push(point > 0x10ffff ? 0xfffd : point);
  }
  return points;
}

const SPECIAL = /[,+"\\<>;]/;

/** RFC 2253 section 2.4, and a hexadecimal pair for each byte that is not printable ASCII. */
function escape(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let escaped = "";
  bytes.forEach((byte, index) => {
    const character = String.fromCharCode(byte);
    const isAtEdge = (index === 0 && /[ #]/.test(character)) ||
      (index === bytes.length - 1 && character === " ");
    if (byte < 0x20 || byte > 0x7e) escaped += `\\${hex(Uint8Array.of(byte))}`;
    else escaped += isAtEdge || SPECIAL.test(character) ? `\\${character}` : character;
  });
  return escaped;
}

export function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").toUpperCase();
}
