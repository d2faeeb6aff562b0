/** What can be said of certificates: the configuration's `tls`, of a site, a listener and the file. */
import type { TlsVersion } from "../runtime/tls_details.ts";

/** Paths of PEM files. */
export interface PairPaths {
  readonly cert: string;
  readonly key: string;
}

/** Where a site's certificates come from. */
export type SiteTlsOptions =
  /** An ACME authority. */
  | { readonly kind: "auto" }
  /** The local authority in the store. */
  | { readonly kind: "internal" }
  | { readonly kind: "files"; readonly pairs: readonly PairPaths[] };

export interface ClientAuthOptions {
  /**
   * The path of a PEM file of authorities; undefined only with `request`: then any certificate goes
   * on, and the application judges it.
   */
  readonly ca: string | undefined;
  /** Whether a client without certificate may go on. */
  readonly mode: "request" | "require";
}

export interface ListenerTlsOptions {
  /** For names that no site has a certificate for, and for clients that ask for none. */
  readonly pair?: PairPaths | undefined;
  readonly versionMin?: TlsVersion | undefined;
  /** OpenSSL's names of the cipher suites of TLS 1.2. */
  readonly ciphers?: string | undefined;
  /** Of every client; left out: nothing is. */
  readonly clientAuth?: ClientAuthOptions | undefined;
}
