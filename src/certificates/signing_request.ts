/**
 * A request for a certificate (PKCS #10, RFC 2986) with a new key on P-256: names alone, as
 * authorities want it since they look at nothing else.
 */
import {
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
import { newSigningKey, signed } from "./ecdsa.ts";
import { pem } from "./pem.ts";

const Oid = {
  EXTENSION_REQUEST: "1.2.840.113549.1.9.14",
  SUBJECT_ALT_NAME: "2.5.29.17",
} as const;

/** A choice of GeneralName (RFC 5280 section 4.2.1.6). */
const DNS_NAME = 2;

export interface SigningRequest {
  readonly request: Der;
  /** PEM of the private key (PKCS #8). */
  readonly key: string;
}

/** For names in ASCII. */
export async function makeSigningRequest(names: readonly string[]): Promise<SigningRequest> {
  const { key, publicKey, privateKey } = await newSigningKey();
  const info = sequence(
    integer(Uint8Array.of(0)),
    sequence(),
    publicKey,
    explicit(0, extensionRequest(names)),
  );
  return { request: await signed(info, key), key: pem("PRIVATE KEY", privateKey) };
}

/** One attribute of the set, whose tag the caller replaces. */
function extensionRequest(names: readonly string[]): Der {
  const encoder = new TextEncoder();
  const general = names.map((name) => implicit(DNS_NAME, encoder.encode(name)));
  const extension = sequence(
    objectIdentifier(Oid.SUBJECT_ALT_NAME),
    octetString(sequence(...general)),
  );
  return concat([sequence(objectIdentifier(Oid.EXTENSION_REQUEST), set(sequence(extension)))]);
}
