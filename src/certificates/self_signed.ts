/**
 * A certificate that signs itself, as a capsule has one: Gemini's clients trust the certificate that
 * they saw first. ECDSA on P-256 through Web Crypto, X.509 version 3 (RFC 5280) written by hand.
 */
import type { TlsFiles } from "../runtime/connection.ts";
import {
  bitString,
  boolean,
  type Der,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from "./der.ts";

/** Trust on first use lasts as long as the certificate: twenty years. */
const VALID_MS = 20 * 365 * 24 * 3_600_000;

/** Clients whose clocks are slow must not find it invalid. */
const BACKDATED_MS = 24 * 3_600_000;

const SERIAL_LENGTH = 16;

const Oid = {
  COMMON_NAME: "2.5.4.3",
  SUBJECT_ALT_NAME: "2.5.29.17",
  BASIC_CONSTRAINTS: "2.5.29.19",
  ECDSA_WITH_SHA256: "1.2.840.10045.4.3.2",
} as const;

/** Choices of GeneralName (RFC 5280 section 4.2.1.6). */
const GeneralName = { DNS: 2, IP: 7 } as const;

/** Most characters of a common name (RFC 5280 appendix A.1). */
const COMMON_NAME_LENGTH_MAX = 64;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;

/**
 * Makes a key and a certificate for a name, or for an IP address's bytes under its name, with more
 * extensions than those that it needs.
 */
export async function makeSelfSigned(
  name: string,
  nowMs: number,
  address?: Uint8Array,
  extensions: readonly Der[] = [],
): Promise<TlsFiles> {
  const { subtle } = globalThis.crypto;
  const keys = await subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await subtle.exportKey("spki", keys.publicKey));
  const signed = certificateBody(name, nowMs, publicKey, { address, extensions });
  const pair = await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys.privateKey, signed);
  const algorithm = sequence(objectIdentifier(Oid.ECDSA_WITH_SHA256));
  const certificate = sequence(signed, algorithm, bitString(signatureValue(new Uint8Array(pair))));
  const privateKey = new Uint8Array(await subtle.exportKey("pkcs8", keys.privateKey));
  return { cert: pem("CERTIFICATE", certificate), key: pem("PRIVATE KEY", privateKey) };
}

function certificateBody(
  name: string,
  nowMs: number,
  publicKey: Der,
  { address, extensions }: { address: Uint8Array | undefined; extensions: readonly Der[] },
): Der {
  const attribute = sequence(
    objectIdentifier(Oid.COMMON_NAME),
    utf8String(name.slice(0, COMMON_NAME_LENGTH_MAX)),
  );
  const fullName = sequence(set(attribute));
  const serial = crypto.getRandomValues(new Uint8Array(SERIAL_LENGTH));
  return sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(serial),
    sequence(objectIdentifier(Oid.ECDSA_WITH_SHA256)),
    fullName,
    sequence(time(nowMs - BACKDATED_MS), time(nowMs + VALID_MS)),
    fullName,
    publicKey,
    explicit(3, sequence(basicConstraints(), alternativeName(name, address), ...extensions)),
  );
}

/** It signs nothing but itself. */
function basicConstraints(): Der {
  return sequence(
    objectIdentifier(Oid.BASIC_CONSTRAINTS),
    boolean(true),
    octetString(sequence()),
  );
}

function alternativeName(name: string, address: Uint8Array | undefined): Der {
  const general = address === undefined
    ? implicit(GeneralName.DNS, new TextEncoder().encode(name))
    : implicit(GeneralName.IP, address);
  return sequence(objectIdentifier(Oid.SUBJECT_ALT_NAME), octetString(sequence(general)));
}

/** Web Crypto gives r and s side by side; X.509 wants a sequence (RFC 3279 section 2.2.3). */
export function signatureValue(pair: Uint8Array): Der {
  const half = pair.length / 2;
  return sequence(integer(pair.subarray(0, half)), integer(pair.subarray(half)));
}

export function pem(label: string, der: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...der));
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
