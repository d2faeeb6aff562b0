/**
 * Which of several certificates a handshake gets: one with the name that the client asks for, exact
 * before wildcard; of those one that the client can verify; of those ECDSA before RSA, because it
 * costs a tenth. Of two that are alike the first one gets it.
 */
import type { ClientHello } from "../runtime/client_hello.ts";
import type { KeyKind } from "../runtime/tls.ts";

export interface Candidate {
  /** Names in lower case, wildcards among them. */
  readonly names: readonly string[];
  readonly keyKind: KeyKind;
}

/** SignatureScheme (RFC 8446 section 4.2.3) by the key that makes such a signature. */
const SCHEMES: Readonly<Record<KeyKind, readonly number[]>> = {
  rsa: [0x0401, 0x0501, 0x0601, 0x0804, 0x0805, 0x0806],
  p256: [0x0403],
  p384: [0x0503],
  p521: [0x0603],
  ed25519: [0x0807],
  other: [],
};

/** Until TLS 1.2 a suite names the kind of the server's key. */
const ECDSA_SUITES: ReadonlySet<number> = new Set([
  0xc009,
  0xc00a,
  0xc023,
  0xc024,
  0xc02b,
  0xc02c,
  0xc0ac,
  0xc0ad,
  0xcca9,
]);

/** Undefined where there is none to choose from. */
export function chooseCertificate<One extends Candidate>(
  candidates: readonly One[],
  serverName: string,
  hello: ClientHello,
): One | undefined {
  let best: One | undefined;
  let bestRank = -1;
  for (const candidate of candidates) {
    const rank = nameRank(candidate.names, serverName) * 4 +
      (canVerify(hello, candidate.keyKind) ? 2 : 0) + (candidate.keyKind === "rsa" ? 0 : 1);
    if (rank > bestRank) [best, bestRank] = [candidate, rank];
  }
  return best;
}

/** A wildcard stands for one label (RFC 9525 section 6.3). */
function nameRank(names: readonly string[], serverName: string): number {
  if (names.includes(serverName)) return 2;
  const dot = serverName.indexOf(".");
  return dot > 0 && names.includes(`*${serverName.slice(dot)}`) ? 1 : 0;
}

function canVerify(hello: ClientHello, kind: KeyKind): boolean {
  const { signatureSchemes, cipherSuites, speaks13 } = hello;
  // Who names none speaks TLS 1.2 at most, and is old.
  if (signatureSchemes.length === 0) return kind === "rsa";
  if (!SCHEMES[kind].some((scheme) => signatureSchemes.includes(scheme))) return false;
  return kind === "rsa" || speaks13 || cipherSuites.some((suite) => ECDSA_SUITES.has(suite));
}
