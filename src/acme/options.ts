/** What can be said of authorities for certificates: the configuration's `acme`, with every default. */

/** How an authority may be shown that a name is ours. */
export const CHALLENGE_KINDS = ["tls-alpn-01", "http-01"] as const;
export type ChallengeKind = (typeof CHALLENGE_KINDS)[number];

export const LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory";
export const LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory";

/** Authorities issue no certificate for more names (Let's Encrypt: 100). */
export const CERTIFICATE_NAMES_MAX = 100;

export interface OnDemandOptions {
  /** Asked with `?domain=NAME` whether a name may have a certificate; 200 says yes. */
  readonly ask: string;
  /** Most new names of `ratePeriodMs`. */
  readonly rateCount: number;
  readonly ratePeriodMs: number;
}

export interface AcmeOptions {
  /** The URL of the authority's directory. */
  readonly directory: string;
  /** Where an order is tried out that keeps failing; undefined: nowhere. */
  readonly stagingDirectory?: string | undefined;
  readonly email?: string | undefined;
  /** Path of a PEM file: who vouches for the authority's own server. */
  readonly ca?: string | undefined;
  readonly eab?: { readonly keyId: string; readonly hmacKey: string } | undefined;
  /** What we like best first. */
  readonly challenges: readonly ChallengeKind[];
  readonly profile?: string | undefined;
  readonly onDemand?: OnDemandOptions | undefined;
}

export const ACME_DEFAULTS: AcmeOptions = {
  directory: LETS_ENCRYPT,
  stagingDirectory: LETS_ENCRYPT_STAGING,
  challenges: CHALLENGE_KINDS,
};
