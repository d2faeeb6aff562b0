/** What is known of a client's TLS: versions, certificates, how a handshake ended. */

/** What a certificate says, as the other end showed it; nobody has vouched for it. */
export interface PeerCertificate {
  /** SHA-256 of its DER form, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /** SHA-1 of it, 40 lower-case hexadecimal digits: what applications know as its fingerprint. */
  readonly sha1: string;
  readonly der: Uint8Array;
  /** Such as `/CN=Alice/O=Wonderland`. */
  readonly subject: string;
  readonly issuer: string;
  /** Upper-case hexadecimal digits. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Whether its key has signed the other one, and its name is the other's issuer. */
  hasIssued(other: PeerCertificate): boolean;
}

export type TlsVersion = "1.2" | "1.3";

/** Why a handshake did not come to its end. */
export type HandshakeFailure =
  | "timeout"
  /** The client speaks HTTP without TLS. */
  | "plain_http"
  | "not_tls"
  | "unknown_name"
  | "no_common_version"
  /** It offers protocols (ALPN), and none of ours. */
  | "no_common_protocol"
  /** It does not accept our certificate, or something else that we said. */
  | "refused_by_client"
  | "client_left"
  | "malformed";

/** How a client's TLS stands, once its handshake is done. */
export interface TlsDetails {
  /** The name that the client asked for (SNI), in lower case; undefined where it asked for none. */
  readonly serverName: string | undefined;
  /** Such as `TLSv1.3`. */
  readonly version: string;
  /** OpenSSL's name of the cipher. */
  readonly cipher: string;
  /** What the two agreed to speak (ALPN); undefined where the client did not ask. */
  readonly protocol: string | undefined;
  /** What the client showed; undefined where it was not asked, or has none. */
  readonly certificate: PeerCertificate | undefined;
  /** What the client sent beside it, to lead to an authority; the first few. */
  readonly intermediates: readonly PeerCertificate[];
}
