/** The textual form of certificates and keys (RFC 7468), and a certificate with its key in one file. */
import type { TlsFiles } from "../runtime/connection.ts";
import type { Der } from "./der.ts";

const PRIVATE_KEY = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n?/;

export function pem(label: string, der: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...der));
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The first block's bytes; none where there is no block. */
export function fromPem(text: string): Der {
  const base64 = /-----BEGIN [^-]+-----([^-]+)-----END/.exec(text)?.[1] ?? "";
  const bytes = atob(base64.replace(/\s/g, ""));
  return Uint8Array.from(bytes, (character) => character.charCodeAt(0));
}

/** Kept together they are replaced together. */
export function joinPem({ cert, key }: TlsFiles): string {
  return `${key.trimEnd()}\n${cert}`;
}

/** Undefined where the key is missing; they may stand in either order. */
export function splitPem(text: string): TlsFiles | undefined {
  const key = PRIVATE_KEY.exec(text)?.[0];
  return key === undefined ? undefined : { cert: text.replace(key, ""), key };
}
