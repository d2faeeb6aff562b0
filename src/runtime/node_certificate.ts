/**
 * Certificates by way of `node:crypto`, which both runtimes have. Their texts for names differ
 * (docs/runtimes.md), so a name is written anew here.
 */
import type { X509Certificate } from "node:crypto";
import type { TlsFiles } from "./connection.ts";
import { cryptoModule, tlsModule } from "./lazy_modules.ts";
import { type CertificateFacts, type KeyKind, type PeerCertificate, TlsError } from "./tls.ts";

/** A peer's certificate that can be held against a list of authorities. */
export class NodeCertificate implements PeerCertificate {
  readonly x509: X509Certificate;

  constructor(certificate: Uint8Array | string) {
    this.x509 = new (cryptoModule().X509Certificate)(certificate);
  }

  get sha256(): string {
    return this.x509.fingerprint256.replaceAll(":", "").toLowerCase();
  }

  get sha1(): string {
    return this.x509.fingerprint.replaceAll(":", "").toLowerCase();
  }

  get der(): Uint8Array {
    return this.x509.raw;
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

  hasIssued(other: PeerCertificate): boolean {
    return other instanceof NodeCertificate && other.x509.checkIssued(this.x509) &&
      other.x509.verify(this.x509.publicKey);
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

/** A certificate of ours, with its names and its key. */
class OwnCertificate extends NodeCertificate implements CertificateFacts {
  get names(): readonly string[] {
    const entries = (this.x509.subjectAltName ?? "").split(", ");
    const names = entries.flatMap((entry) => {
      const [, name] = /^(?:DNS|IP Address):(.+)$/.exec(entry) ?? [];
      return name === undefined ? [] : [name.toLowerCase()];
    });
    if (names.length > 0) return names;
    // Nobody but old clients looks at it; it names the certificate for people.
    const common = /(?:^|\n)CN=(.*)/.exec(this.x509.subject ?? "")?.[1];
    return common === undefined ? [] : [common.toLowerCase()];
  }

  get keyKind(): KeyKind {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = this.x509.publicKey;
    if (type === "ec") return CURVES[details?.namedCurve ?? ""] ?? "other";
    if (type === "rsa" || type === "rsa-pss") return "rsa";
    return type === "ed25519" ? type : "other";
  }

  hasKey(key: string): boolean {
    return this.x509.checkPrivateKey(cryptoModule().createPrivateKey(key));
  }
}

const CURVES: Readonly<Record<string, KeyKind>> = {
  prime256v1: "p256",
  secp384r1: "p384",
  secp521r1: "p521",
};

/** @throws {TlsError} */
export function readCertificates(pem: string): readonly CertificateFacts[] {
  return (pem.match(PEM_CERTIFICATE) ?? []).map((text) => {
    try {
      return new OwnCertificate(text);
    } catch (cause) {
      throw new TlsError("Cannot read a certificate of the file", { cause });
    }
  });
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @throws {TlsError} */
export function checkCiphers(ciphers: string): void {
  try {
    tlsModule().createSecureContext({ ciphers });
  } catch (cause) {
    const remedy = "use OpenSSL's names with colons between them, or leave ciphers out";
    throw new TlsError(`No cipher suite of TLS 1.2 is named by "${ciphers}" (${remedy})`, {
      cause,
    });
  }
}

/** @throws {TlsError} */
export function checkIdentity({ cert, key }: TlsFiles): void {
  const first = cert.match(PEM_CERTIFICATE)?.[0];
  if (first === undefined) throw new TlsError("There is no certificate in PEM form");
  let belongTogether: boolean;
  try {
    belongTogether = new (cryptoModule().X509Certificate)(first).checkPrivateKey(
      cryptoModule().createPrivateKey(key),
    );
  } catch (cause) {
    throw new TlsError("The certificate or its key cannot be read", { cause });
  }
  if (!belongTogether) throw new TlsError("The key is not the certificate's");
}
