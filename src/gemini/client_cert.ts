/**
 * Whether a client's certificate opens a route: 60 where one is wanted, 61 where it is not let in,
 * 62 where it is not valid. A fingerprint on the list, or a signature of an authority, lets in; where
 * a route names neither, any valid certificate does, and the application decides.
 */
import type { ClientVerification, ShownCertificates } from "../certificates/client_verification.ts";
import type { GeminiHeader } from "./response_header.ts";

export interface ClientCertRule {
  readonly required: boolean;
  /** Undefined where no authority is named. */
  readonly authorities: ClientVerification | undefined;
  /** Lower-case hexadecimal digits. */
  readonly fingerprints: ReadonlySet<string>;
}

/** The response that refuses; undefined when the certificate will do. */
export function checkClientCert(
  rule: ClientCertRule,
  shown: ShownCertificates,
  nowMs: number,
): GeminiHeader | undefined {
  const { certificate } = shown;
  if (certificate === undefined) {
    return rule.required ? { code: 60, meta: "Client certificate required" } : undefined;
  }
  if (nowMs < certificate.notBeforeMs) return { code: 62, meta: "Certificate not yet valid" };
  if (nowMs > certificate.notAfterMs) return { code: 62, meta: "Certificate has expired" };
  const { authorities, fingerprints } = rule;
  if (authorities === undefined && fingerprints.size === 0) return undefined;
  if (fingerprints.has(certificate.sha256)) return undefined;
  if (authorities?.verify(shown, nowMs) === "SUCCESS") return undefined;
  return { code: 61, meta: "Certificate not authorised" };
}
