/**
 * Keys on P-256 and what they sign, in the forms of X.509: through Web Crypto, so the same on every
 * runtime.
 */
import { bitString, type Der, integer, objectIdentifier, sequence } from "./der.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";

/** How a certificate names this kind of signature. */
export function signatureAlgorithm(): Der {
  return sequence(objectIdentifier(ECDSA_WITH_SHA256));
}

export interface SigningKey {
  readonly key: CryptoKey;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Der;
  /** PKCS #8. */
  readonly privateKey: Der;
}

export async function newSigningKey(): Promise<SigningKey> {
  const { subtle } = globalThis.crypto;
  const keys = await subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  return {
    key: keys.privateKey,
    publicKey: new Uint8Array(await subtle.exportKey("spki", keys.publicKey)),
    privateKey: new Uint8Array(await subtle.exportKey("pkcs8", keys.privateKey)),
  };
}

/** @throws where it is no key on P-256 */
export async function readPrivateKey(pkcs8: Der): Promise<CryptoKey> {
  return await globalThis.crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]);
}

/** What a certificate and a request for one have in common: a body, and the signature of it. */
export async function signed(body: Der, key: CryptoKey): Promise<Der> {
  const pair = new Uint8Array(await globalThis.crypto.subtle.sign(SIGNATURE, key, body));
  // Web Crypto gives r and s side by side; X.509 wants a sequence (RFC 3279 section 2.2.3).
  const half = pair.length / 2;
  const signature = sequence(integer(pair.subarray(0, half)), integer(pair.subarray(half)));
  return sequence(body, signatureAlgorithm(), bitString(signature));
}
