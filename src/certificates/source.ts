/**
 * Where certificates come from: files, the local authority, an ACME authority. A source knows one
 * site's, or many sites'; which site a name belongs to is the table's affair (`table.ts`).
 */
import type { ClientHello } from "../runtime/client_hello.ts";
import type { TlsIdentity } from "../runtime/connection.ts";

/** Who we are for a name that a client asks for. */
export interface CertificateSource {
  /**
   * For a name in lower case; "" where the client asks for none. Undefined: there is no certificate
   * (yet), and the handshake is refused for this name alone. The same object is the same
   * certificate: sessions are resumed by it. A promise holds up this handshake alone, which has its
   * time limit in any case.
   */
  find(
    serverName: string,
    hello: ClientHello,
  ): TlsIdentity | undefined | Promise<TlsIdentity | undefined>;
  /** What is held at the moment, for metrics and `afcgi check --certificates`. */
  held(): readonly HeldCertificate[];
  /** Stops what runs in the background; no certificate is taken away. */
  close(): void;
}

/** A certificate as people look after it. */
export interface HeldCertificate {
  /** The name that it is for: a site's host, or the first name in it. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly notAfterMs: number;
}

/** Certificates of an ACME authority, for the sites with `tls: auto`. */
export interface AutomaticSource extends CertificateSource {
  /** From now on certificates are ordered and renewed, in the background: somebody listens. */
  start(): void;
  /**
   * The body for `/.well-known/acme-challenge/TOKEN` at a host (RFC 8555 section 8.3), asked before
   * sites and redirects on every listener without TLS; undefined: no challenge of ours.
   */
  answerChallenge(host: string, token: string): string | undefined;
}

export interface CertificateSite {
  /** As metrics name it: its first host, or "default". */
  readonly name: string;
  /** Names, wildcards and addresses, in lower case; none: every host. */
  readonly hosts: readonly string[];
}
