/**
 * Whether a client's certificate was issued by an authority that we trust: by signatures from one to
 * the next, within their times, and for clients. What comes of it is told in OpenSSL's words, because
 * applications know them from nginx. A handshake never fails by it; who is let in is a route's affair.
 */
import type { PeerCertificate, TlsDetails } from "../runtime/tls_details.ts";
import { type CertificateText, isFor, Purpose, readCertificateText } from "./certificate_der.ts";

/** How many authorities may stand between a client's certificate and one that we trust. */
export const INTERMEDIATES_MAX = 4;

/** Signatures that are looked at for one client: those that it sends may all vouch for each other. */
const SIGNATURES_MAX = 64;

/** What holds of a client: `NONE`, `SUCCESS`, or `FAILED:` and why. */
export type ClientVerdict = "NONE" | "SUCCESS" | `FAILED:${string}`;

export type ShownCertificates = Pick<TlsDetails, "certificate" | "intermediates">;

/** A way from a client's certificate to one that we trust, or why there is none. */
type Path =
  | { readonly error: string }
  | { readonly error: undefined; readonly notBeforeMs: number; readonly notAfterMs: number };

export class ClientVerification {
  readonly #trusted: readonly PeerCertificate[];
  /** Signatures cost; a connection has many requests. */
  readonly #known = new WeakMap<ShownCertificates, Path>();
  #signaturesLeft = 0;

  /** Without any nobody is verified. */
  constructor(trusted: readonly PeerCertificate[]) {
    this.#trusted = trusted;
  }

  verify(tls: ShownCertificates | undefined, nowMs: number): ClientVerdict {
    if (tls?.certificate === undefined) return "NONE";
    const path = this.#known.get(tls) ?? this.#search(tls.certificate, tls.intermediates);
    this.#known.set(tls, path);
    if (path.error !== undefined) return `FAILED:${path.error}`;
    if (nowMs < path.notBeforeMs) return "FAILED:certificate is not yet valid";
    if (nowMs > path.notAfterMs) return "FAILED:certificate has expired";
    return "SUCCESS";
  }

  #search(own: PeerCertificate, intermediates: readonly PeerCertificate[]): Path {
    const failed = (error: string): Path => ({ error });
    const text = textOf(own);
    if (text === undefined) return failed("certificate cannot be read");
    this.#signaturesLeft = SIGNATURES_MAX;
    const isTrusted = this.#trusted.some(({ sha256 }) => sha256 === own.sha256);
    const way = isTrusted ? [own] : this.#wayFrom(own, intermediates, [own]);
    if (way === undefined) {
      if (own.hasIssued(own)) return failed("self-signed certificate");
      return failed(
        intermediates.length === 0
          ? "unable to verify the first certificate"
          : "unable to get local issuer certificate",
      );
    }
    if (text.hasUnknownCritical) return failed("unhandled critical extension");
    if (!isFor(text, Purpose.CLIENT)) return failed("unsuitable certificate purpose");
    return {
      error: undefined,
      notBeforeMs: Math.max(...way.map(({ notBeforeMs }) => notBeforeMs)),
      notAfterMs: Math.min(...way.map(({ notAfterMs }) => notAfterMs)),
    };
  }

  /** The certificates up to one that we trust, which is the last of them. */
  #wayFrom(
    certificate: PeerCertificate,
    intermediates: readonly PeerCertificate[],
    way: readonly PeerCertificate[],
  ): readonly PeerCertificate[] | undefined {
    const below = way.length - 1;
    for (const authority of this.#trusted) {
      if (mayIssue(authority, below) && this.#hasIssued(authority, certificate)) {
        return [...way, authority];
      }
    }
    if (below >= INTERMEDIATES_MAX) return undefined;
    for (const authority of intermediates) {
      if (way.includes(authority) || !mayIssue(authority, below)) continue;
      if (!this.#hasIssued(authority, certificate)) continue;
      const found = this.#wayFrom(authority, intermediates, [...way, authority]);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #hasIssued(authority: PeerCertificate, certificate: PeerCertificate): boolean {
    return this.#signaturesLeft-- > 0 && authority.hasIssued(certificate);
  }
}

/** `below` authorities stand between it and the client's certificate. */
function mayIssue(authority: PeerCertificate, below: number): boolean {
  const text = textOf(authority);
  if (text === undefined || !text.isAuthority || text.hasUnknownCritical) return false;
  if (!isFor(text, Purpose.CLIENT)) return false;
  return text.pathLengthMax === undefined || below <= text.pathLengthMax;
}

const TEXTS = new WeakMap<PeerCertificate, CertificateText>();

/** Undefined where it is no certificate that can be read. */
export function textOf(certificate: PeerCertificate): CertificateText | undefined {
  const known = TEXTS.get(certificate);
  if (known !== undefined) return known;
  try {
    const text = readCertificateText(certificate.der);
    TEXTS.set(certificate, text);
    return text;
  } catch {
    return undefined;
  }
}
