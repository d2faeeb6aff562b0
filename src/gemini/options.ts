/**
 * What the Gemini gateway can be told: the configuration's `gemini`, read and with every default
 * filled in.
 */
import type { TcpAddress } from "../runtime/address.ts";
import type { TlsVersion } from "../runtime/tls.ts";

/** What answers a request that a route matches. */
export type GeminiHandlerOptions =
  | GeminiFastCgiOptions
  | {
    readonly kind: "respond";
    readonly code: number;
    /** With `%p %q %P %N %%`. */
    readonly meta: string;
    readonly body: string;
  }
  | GeminiStaticOptions;

export interface GeminiFastCgiOptions {
  readonly kind: "fastcgi";
  readonly upstream: string;
  /** Leading segments of the path that are not in PATH_INFO. */
  readonly strip: number;
  /** SCRIPT_NAME; undefined: what was stripped. */
  readonly scriptName: string | undefined;
  /** They win over the usual ones; null: the name is not sent. */
  readonly params: Readonly<Record<string, string | null>>;
  /** `cgi`: the application answers as one behind HTTP does. */
  readonly convert: "none" | "cgi";
}

export interface GeminiStaticOptions {
  readonly kind: "static";
  readonly index: readonly string[];
  readonly listing: boolean;
  /** Language of texts (BCP 47), for their `lang`. */
  readonly lang: string | undefined;
}

export interface ClientCertOptions {
  /** Whether a request without a certificate is refused (60). */
  readonly required: boolean;
  /** Path of a PEM file of authorities. */
  readonly ca: string | undefined;
  /** SHA-256 of certificates that are let in, 64 lower-case digits each. */
  readonly fingerprints: readonly string[];
}

export interface GeminiRouteOptions {
  /** As `routing/route_pattern.ts` reads it; undefined for everything. */
  readonly path: string | undefined;
  readonly clientCert: ClientCertOptions | undefined;
  readonly handler: GeminiHandlerOptions;
}

export type GeminiTlsOptions =
  | { readonly kind: "files"; readonly cert: string; readonly key: string }
  /** Made on first start and kept in the directory. */
  | { readonly kind: "self_signed"; readonly store: string };

/** The hosts of one entry; several entries may share an address. */
export interface GeminiSiteOptions {
  readonly listen: TcpAddress;
  /** The port that clients name; undefined: the listener's. */
  readonly port: number | undefined;
  /** Names, addresses, `*.example.com` wildcards; lower case. */
  readonly hosts: readonly string[];
  readonly tls: GeminiTlsOptions;
  readonly versionMin: TlsVersion;
  /** Absolute path. */
  readonly root: string | undefined;
  /** Absolute paths of directories to which symlinks may lead out of the root; left out: none. */
  readonly symlinkTargets?: readonly string[] | undefined;
  readonly routes: readonly GeminiRouteOptions[];
}

export interface GeminiLimits {
  /** Most connections at once on a listener; more are closed as they come. */
  readonly connectionsMax: number;
  /** Most connections of an address that are served; more get 44, from twice as many on a close. */
  readonly connectionsPerAddressMax: number;
  /** Requests of an address in a second, and at once after a pause; more get 44. 0: no limit. */
  readonly requestsPerSecondMax: number;
  /** For the handshake, and again for the request line. */
  readonly requestTimeoutMs: number;
  /** For a client to take a piece of its response. */
  readonly sendTimeoutMs: number;
  /** For a client to close after its response. */
  readonly closeTimeoutMs: number;
}

export const GEMINI_LIMIT_DEFAULTS: GeminiLimits = {
  connectionsMax: 4096,
  connectionsPerAddressMax: 64,
  requestsPerSecondMax: 50,
  requestTimeoutMs: 10_000,
  sendTimeoutMs: 60_000,
  closeTimeoutMs: 5_000,
};
