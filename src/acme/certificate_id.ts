/**
 * By what an authority knows a certificate when it is asked for its renewal (RFC 9773 section 4.1):
 * the key identifier of who issued it, and its serial number.
 */
import { type DerValue, derValues } from "../certificates/der_reader.ts";
import { base64Url } from "./order.ts";

const EXTENSIONS = 0xa3;
const KEY_IDENTIFIER = 0x80;
const INTEGER = 0x02;
const OCTET_STRING = 0x04;
/** 2.5.29.35. */
const AUTHORITY_KEY_IDENTIFIER = [0x55, 0x1d, 0x23];

/** Undefined for a certificate that does not name the key of who issued it. */
export function certificateId(pem: string): string | undefined {
  try {
    const [certificate] = derValues(firstDer(pem));
    const [body] = derValues(certificate!.content);
    const fields = derValues(body!.content);
    const serial = fields.find(({ tag }) => tag === INTEGER);
    const extensions = fields.find(({ tag }) => tag === EXTENSIONS);
    const key = extensions && keyIdentifier(derValues(extensions.content)[0]!);
    if (serial === undefined || key === undefined) return undefined;
    return `${base64Url(key)}.${base64Url(serial.content)}`;
  } catch {
    return undefined;
  }
}

function keyIdentifier(extensions: DerValue): Uint8Array | undefined {
  for (const { content } of derValues(extensions.content)) {
    const [id, ...rest] = derValues(content);
    if (!isEqual(id!.content, AUTHORITY_KEY_IDENTIFIER)) continue;
    const value = rest.find(({ tag }) => tag === OCTET_STRING);
    const [sequence] = derValues(value!.content);
    return derValues(sequence!.content).find(({ tag }) => tag === KEY_IDENTIFIER)?.content;
  }
  return undefined;
}

function isEqual(bytes: Uint8Array, expected: readonly number[]): boolean {
  return bytes.length === expected.length && expected.every((byte, index) => byte === bytes[index]);
}

function firstDer(pem: string): Uint8Array {
  const base64 = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(pem)?.[1] ?? "";
  return Uint8Array.from(atob(base64.replace(/\s+/g, "")), (one) => one.charCodeAt(0));
}
