/**
 * A request for a certificate (PKCS #10, RFC 2986) with a new key on P-256: names alone, as
 * authorities want it since they look at nothing else.
 */
import {
  bitString,
  concat,
  type Der,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
} from "./der.ts";
import { pem, signatureValue } from "./self_signed.ts";

const Oid = {
  EXTENSION_REQUEST: "1.2.840.113549.1.9.14",
  SUBJECT_ALT_NAME: "2.5.29.17",
  ECDSA_WITH_SHA256: "1.2.840.10045.4.3.2",
} as const;

/** A choice of GeneralName (RFC 5280 section 4.2.1.6). */
const DNS_NAME = 2;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;

export interface SigningRequest {
  /** DER. */
  readonly request: Der;
  /** PEM of the private key (PKCS #8). */
  readonly key: string;
}

/** For names in ASCII. */
export async function makeSigningRequest(names: readonly string[]): Promise<SigningRequest> {
  const { subtle } = globalThis.crypto;
  const keys = await subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await subtle.exportKey("spki", keys.publicKey));
  const info = sequence(
    integer(Uint8Array.of(0)),
    sequence(),
    publicKey,
    explicit(0, extensionRequest(names)),
  );
  const pair = await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys.privateKey, info);
  const request = sequence(
    info,
    sequence(objectIdentifier(Oid.ECDSA_WITH_SHA256)),
    bitString(signatureValue(new Uint8Array(pair))),
  );
  const key = new Uint8Array(await subtle.exportKey("pkcs8", keys.privateKey));
  return { request, key: pem("PRIVATE KEY", key) };
}

/** One attribute of the set, whose tag the caller replaces. */
function extensionRequest(names: readonly string[]): Der {
  const encoder = new TextEncoder();
  const general = names.map((name) => implicit(DNS_NAME, encoder.encode(name)));
  const extension = sequence(
    objectIdentifier(Oid.SUBJECT_ALT_NAME),
    octetString(sequence(...general)),
  );
  return concat([
    sequence(objectIdentifier(Oid.EXTENSION_REQUEST), set(sequence(extension))),
  ]);
}
