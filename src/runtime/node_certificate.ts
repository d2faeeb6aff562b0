/**
 * Certificates by way of `node:crypto`, which both runtimes have. Their texts for names differ
 * (docs/runtimes.md), so a name is written anew here.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { TlsFiles } from "./connection.ts";
import { type PeerCertificate, type SignatureCheck, TlsError } from "./tls.ts";

/** A peer's certificate that can be held against a list of authorities. */
export class NodeCertificate implements PeerCertificate {
  readonly x509: X509Certificate;

  constructor(der: Uint8Array) {
    this.x509 = new X509Certificate(der);
  }

  get sha256(): string {
    return this.x509.fingerprint256.replaceAll(":", "").toLowerCase();
  }

  get subject(): string {
    return nameOf(this.x509.subject);
  }

  get issuer(): string {
    return nameOf(this.x509.issuer);
  }

  get serial(): string {
    return this.x509.serialNumber.toUpperCase();
  }

  get notBeforeMs(): number {
    return Date.parse(this.x509.validFrom);
  }

  get notAfterMs(): number {
    return Date.parse(this.x509.validTo);
  }
}

/** One attribute a line becomes `/CN=Alice/O=Wonderland`. */
function nameOf(lines: string | undefined): string {
  // A name may be empty (RFC 5280 section 4.1.2.6): both runtimes then have no text at all.
  return (lines ?? "").split("\n").filter((line) => line !== "").map((line) => {
    const equals = line.indexOf("=");
    // Bun escapes as RFC 4514 has it, Deno does not, and writes some attributes in lower case.
    const value = line.slice(equals + 1).replace(/\\(.)/g, "$1");
    return `/${line.slice(0, equals).toUpperCase()}=${value}`;
  }).join("");
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @throws {TlsError} */
export function readAuthorities(pem: string): SignatureCheck {
  const authorities = (pem.match(PEM_CERTIFICATE) ?? []).map((text) => {
    try {
      return new X509Certificate(text);
    } catch (cause) {
      throw new TlsError("Cannot read a certificate of the file", { cause });
    }
  });
  if (authorities.length === 0) throw new TlsError("There is no certificate in PEM form");
  return (certificate) => {
    if (!(certificate instanceof NodeCertificate)) return false;
    return authorities.some((authority) => hasSigned(authority, certificate.x509));
  };
}

function hasSigned(authority: X509Certificate, certificate: X509Certificate): boolean {
  if (authority.fingerprint256 === certificate.fingerprint256) return true;
  return authority.ca && certificate.checkIssued(authority) &&
    certificate.verify(authority.publicKey);
}

/** @throws {TlsError} */
export function checkIdentity({ cert, key }: TlsFiles): void {
  const first = cert.match(PEM_CERTIFICATE)?.[0];
  if (first === undefined) throw new TlsError("There is no certificate in PEM form");
  let belongTogether: boolean;
  try {
    belongTogether = new X509Certificate(first).checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    throw new TlsError("The certificate or its key cannot be read", { cause });
  }
  if (!belongTogether) throw new TlsError("The key is not the certificate's");
}
