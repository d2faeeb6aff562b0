/**
 * X.509 version 3 (RFC 5280), written by hand: certificates that a local authority signs (a root, an
 * authority below it, those of sites) and those that sign themselves. ECDSA on P-256.
 */
import { addressOf } from "./address_name.ts";
import {
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
import { newSigningKey, readPrivateKey, signatureAlgorithm, signed } from "./ecdsa.ts";
import { fromPem, pem } from "./pem.ts";

const Oid = {
  COMMON_NAME: "2.5.4.3",
  SUBJECT_KEY: "2.5.29.14",
  KEY_USAGE: "2.5.29.15",
  NAMES: "2.5.29.17",
  BASIC_CONSTRAINTS: "2.5.29.19",
  AUTHORITY_KEY: "2.5.29.35",
  PURPOSES: "2.5.29.37",
  SERVER: "1.3.6.1.5.5.7.3.1",
} as const;

const SERIAL_LENGTH = 16;
const KEY_ID_LENGTH = 20;
/** Clients whose clocks are slow must not find it invalid. */
const BACKDATED_MS = 24 * 3_600_000;
/** Most characters of a common name (RFC 5280 appendix A.1). */
const COMMON_NAME_LENGTH_MAX = 64;
/** Choices of GeneralName (RFC 5280 section 4.2.1.6). */
const GeneralName = { DNS: 2, IP: 7 } as const;

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
  /** More than those that it needs. */
  readonly extensions?: readonly Der[];
  /** Who signs; left out: itself. */
  readonly issuer?: IssuedPair;
}

export async function issueCertificate(options: IssueOptions): Promise<IssuedPair> {
  const { key, publicKey, privateKey } = await newSigningKey();
  const name = nameOf(options.commonName);
  const signer = options.issuer === undefined
    ? { name, publicKey, key }
    : await readSigner(options.issuer);
  const cert = await certificate({ ...options, name, publicKey }, signer);
  return { cert, key: pem("PRIVATE KEY", privateKey) };
}

/**
 * The same authority for a longer time: its name and its key stay, so that what it has signed is
 * good for those who trust the old certificate and for those who trust the new one.
 */
export async function reissueRoot(
  root: IssuedPair,
  options: Pick<IssueOptions, "nowMs" | "lifetimeMs" | "pathLength">,
): Promise<IssuedPair> {
  const signer = await readSigner(root);
  return { cert: await certificate({ ...options, ...signer }, signer), key: root.key };
}

type CertificateBody =
  & Omit<IssueOptions, "commonName" | "issuer">
  & { readonly name: Der; readonly publicKey: Der };

interface Signer {
  readonly name: Der;
  readonly publicKey: Der;
  readonly key: CryptoKey;
}

async function certificate(body: CertificateBody, signer: Signer): Promise<string> {
  const { nowMs, lifetimeMs, name, publicKey } = body;
  const der = sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(serialNumber()),
    signatureAlgorithm(),
    signer.name,
    sequence(time(nowMs - BACKDATED_MS), time(nowMs + lifetimeMs)),
    name,
    publicKey,
    explicit(3, await extensions(body, signer.publicKey)),
  );
  return pem("CERTIFICATE", await signed(der, signer.key));
}

function nameOf(commonName: string): Der {
  const value = utf8String(commonName.slice(0, COMMON_NAME_LENGTH_MAX));
  return sequence(set(sequence(objectIdentifier(Oid.COMMON_NAME), value)));
}

/** Positive, and not in need of a byte that says so. */
function serialNumber(): Uint8Array {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_LENGTH));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}

async function extensions(
  { hosts, pathLength = 0, extensions = [], publicKey }: CertificateBody,
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
  return sequence(...list, ...extensions);
}

function extension(oid: string, value: Der, isCritical = false): Der {
  const critical = isCritical ? [boolean(true)] : [];
  return sequence(objectIdentifier(oid), ...critical, octetString(value));
}

function generalName(host: string): Der {
  const address = addressOf(host);
  return address === undefined
    ? implicit(GeneralName.DNS, new TextEncoder().encode(host))
    : implicit(GeneralName.IP, address);
}

async function keyId(publicKey: Der): Promise<Der> {
  const digest = await globalThis.crypto.subtle.digest("SHA-256", publicKey);
  return new Uint8Array(digest).slice(0, KEY_ID_LENGTH);
}

/** Its name and key, as they stand in its certificate. */
async function readSigner({ cert, key }: IssuedPair): Promise<Signer> {
  const [certificate] = derValues(fromPem(cert));
  const [body] = inside(certificate, DerTag.SEQUENCE);
  const [, , , , , subject, publicKey] = inside(body, DerTag.SEQUENCE);
  return {
    name: concat([subject!.whole]),
    publicKey: concat([publicKey!.whole]),
    key: await readPrivateKey(fromPem(key)),
  };
}
