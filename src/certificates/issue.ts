/**
 * Certificates that a local authority signs: a root, an authority below it, and those of sites (RFC
 * 5280). ECDSA on P-256 through Web Crypto, so the same on every runtime.
 */
import { addressOf } from "./address_name.ts";
import {
  bitString,
  boolean,
  concat,
  type Der,
  explicit,
  flags,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from "./der.ts";
import { DerTag, derValues, inside } from "./der_reader.ts";

const Oid = {
  COMMON_NAME: "2.5.4.3",
  SUBJECT_KEY: "2.5.29.14",
  KEY_USAGE: "2.5.29.15",
  NAMES: "2.5.29.17",
  BASIC_CONSTRAINTS: "2.5.29.19",
  AUTHORITY_KEY: "2.5.29.35",
  PURPOSES: "2.5.29.37",
  SERVER: "1.3.6.1.5.5.7.3.1",
  ECDSA_WITH_SHA256: "1.2.840.10045.4.3.2",
} as const;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const SERIAL_LENGTH = 16;
const KEY_ID_LENGTH = 20;
/** Clients whose clocks are slow must not find it invalid. */
const BACKDATED_MS = 3_600_000;

/** keyCertSign and cRLSign; digitalSignature (RFC 5280 section 4.2.1.3). */
const AUTHORITY_USAGE = flags(0x06, 1);
const SITE_USAGE = flags(0x80, 7);

/** A certificate and its key, as PEM. */
export interface IssuedPair {
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  readonly commonName: string;
  readonly nowMs: number;
  readonly lifetimeMs: number;
  /** Names, wildcards and addresses of a site; left out: an authority. */
  readonly hosts?: readonly string[];
  /** Authorities that may stand below this one. */
  readonly pathLength?: number;
  /** Who signs; left out: itself. */
  readonly issuer?: IssuedPair;
}

export async function issueCertificate(options: IssueOptions): Promise<IssuedPair> {
  const { subtle } = globalThis.crypto;
  const { issuer, nowMs, lifetimeMs, commonName } = options;
  const keys = await subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await subtle.exportKey("spki", keys.publicKey));
  const name = nameOf(commonName);
  const signer = issuer === undefined
    ? { name, publicKey, key: keys.privateKey }
    : await readIssuer(issuer);
  const algorithm = sequence(objectIdentifier(Oid.ECDSA_WITH_SHA256));
  const body = sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(serialNumber()),
    algorithm,
    signer.name,
    sequence(time(nowMs - BACKDATED_MS), time(nowMs + lifetimeMs)),
    name,
    publicKey,
    explicit(3, await extensions(options, publicKey, signer.publicKey)),
  );
  const pair = new Uint8Array(await subtle.sign(SIGNATURE, signer.key, body));
  const half = pair.length / 2;
  const signature = sequence(integer(pair.subarray(0, half)), integer(pair.subarray(half)));
  const privateKey = new Uint8Array(await subtle.exportKey("pkcs8", keys.privateKey));
  return {
    cert: pem("CERTIFICATE", sequence(body, algorithm, bitString(signature))),
    key: pem("PRIVATE KEY", privateKey),
  };
}

function nameOf(commonName: string): Der {
  return sequence(set(sequence(objectIdentifier(Oid.COMMON_NAME), utf8String(commonName))));
}

/** Positive, and not in need of a byte that says so. */
function serialNumber(): Uint8Array {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_LENGTH));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}

async function extensions(
  { hosts, pathLength = 0 }: IssueOptions,
  publicKey: Der,
  issuerKey: Der,
): Promise<Der> {
  const isAuthority = hosts === undefined;
  const constraints = isAuthority
    ? sequence(boolean(true), integer(Uint8Array.of(pathLength)))
    : sequence();
  const list = [
    extension(Oid.BASIC_CONSTRAINTS, constraints, true),
    extension(Oid.KEY_USAGE, isAuthority ? AUTHORITY_USAGE : SITE_USAGE, true),
    extension(Oid.SUBJECT_KEY, octetString(await keyId(publicKey))),
    extension(Oid.AUTHORITY_KEY, sequence(implicit(0, await keyId(issuerKey)))),
  ];
  if (hosts !== undefined) {
    list.push(extension(Oid.PURPOSES, sequence(objectIdentifier(Oid.SERVER))));
    list.push(extension(Oid.NAMES, sequence(...hosts.map(generalName))));
  }
  return sequence(...list);
}

function extension(oid: string, value: Der, isCritical = false): Der {
  const critical = isCritical ? [boolean(true)] : [];
  return sequence(objectIdentifier(oid), ...critical, octetString(value));
}

/** dNSName or iPAddress (RFC 5280 section 4.2.1.6). */
function generalName(host: string): Der {
  const address = addressOf(host);
  return address === undefined ? implicit(2, new TextEncoder().encode(host)) : implicit(7, address);
}

async function keyId(publicKey: Der): Promise<Der> {
  const digest = await globalThis.crypto.subtle.digest("SHA-256", publicKey);
  return new Uint8Array(digest).slice(0, KEY_ID_LENGTH);
}

/** Its name and key, as they stand in its certificate. */
async function readIssuer({ cert, key }: IssuedPair) {
  const [certificate] = derValues(fromPem(cert));
  const [body] = inside(certificate, DerTag.SEQUENCE);
  const [, , , , , subject, publicKey] = inside(body, DerTag.SEQUENCE);
  const { subtle } = globalThis.crypto;
  return {
    name: concat([subject!.whole]),
    publicKey: concat([publicKey!.whole]),
    key: await subtle.importKey("pkcs8", fromPem(key), ALGORITHM, false, ["sign"]),
  };
}

function fromPem(text: string): Uint8Array<ArrayBuffer> {
  const base64 = /-----BEGIN [^-]+-----([^-]+)-----END/.exec(text)?.[1] ?? "";
  const bytes = atob(base64.replace(/\s/g, ""));
  return Uint8Array.from(bytes, (character) => character.charCodeAt(0));
}

function pem(label: string, der: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...der));
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
