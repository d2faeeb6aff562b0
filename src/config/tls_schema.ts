/** The schema of `tls`: of the file, of a listener, of a site; and its checked values → options. */
import * as v from "valibot";
import type {
  ClientAuthOptions,
  ListenerTlsOptions,
  PairPaths,
  SiteTlsOptions,
} from "../certificates/options.ts";
import type { SiteOptions } from "../http/options.ts";
import { hstsValue, PLAIN_HTTP } from "../http/scheme.ts";
import { resolvePath } from "./paths.ts";
import {
  described,
  duration,
  filePath,
  flag,
  items,
  oneOf,
  optional,
  refuse,
  section,
  textLike,
} from "./schema_parts.ts";

const PAIR_ENTRIES = {
  cert: described(filePath(), "File of the certificate and its chain, PEM"),
  key: described(filePath(), "File of the certificate's private key, PEM"),
};

const CIPHERS = textLike(
  /^[A-Za-z0-9_:!+@=-]+$/,
  "use OpenSSL's names with colons between them, such as ECDHE-ECDSA-AES128-GCM-SHA256",
);

/** What is asked of clients: of a listener, of the file, of a site and of a route. */
export const clientAuthSchema = v.pipe(
  section({
    ca: optional(
      filePath(),
      "PEM file of the authorities whose certificates are accepted; optional only with mode: " +
        "request, then the application judges any certificate",
    ),
    mode: optional(
      oneOf(["request", "require"]),
      "Whether a client without certificate is let in (request) or gets 400",
      "require",
    ),
  }, "ca"),
  refuse(({ ca, mode }) =>
    ca === undefined && mode === "require"
      ? "Any certificate would do (add ca, or mode: request)"
      : undefined
  ),
);

/** What listeners say, and the file for all of them. */
const SPEECH_ENTRIES = {
  min: optional(
    oneOf(["1.2", "1.3"]),
    'Minimum version of TLS; default: "1.2", or what the file says',
  ),
  ciphers: optional(CIPHERS, "Cipher suites of TLS 1.2 by OpenSSL's names; default: modern ones"),
  client_auth: optional(
    clientAuthSchema,
    "Certificates that every client is asked for; default: none, or what the file says",
  ),
};

export const fileTlsSchema = section({
  store: optional(
    filePath(),
    "Directory of accounts, certificates and keys; default: $AFCGI_STORE, $STATE_DIRECTORY, " +
      "$XDG_DATA_HOME/afcgi or /var/lib/afcgi",
  ),
  ...SPEECH_ENTRIES,
});

const listenerTls = section({
  cert: optional(
    filePath(),
    "File of the certificate and its chain, PEM, for names without a certificate of a " +
      "site; default: only the sites' certificates",
  ),
  key: optional(
    filePath(),
    "File of the certificate's private key, PEM; optional only without cert",
  ),
  ...SPEECH_ENTRIES,
});

/** A certificate is nothing without its key, nor a key without its certificate. */
export const listenerTlsSchema = v.pipe(
  listenerTls,
  refuse(({ cert, key }) => {
    if ((cert === undefined) === (key === undefined)) return undefined;
    const [there, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
    return `tls has ${there} without ${missing} (add ${missing})`;
  }),
);

const SITE_REMEDY = 'use auto, internal, "off", or a map with cert and key, or a list of such maps';

export const siteTlsSchema = v.union([
  v.picklist(["auto", "internal", "off"], SITE_REMEDY),
  section(PAIR_ENTRIES),
  v.pipe(
    items(section(PAIR_ENTRIES), "use a list of maps with cert and key"),
    v.minLength(1, "put at least one in it"),
  ),
], SITE_REMEDY);

type FileTls = v.InferOutput<typeof fileTlsSchema>;

/** What a listener says, and the file where it says nothing. */
export function listenerTlsOptions(
  tls: v.InferOutput<typeof listenerTlsSchema> | undefined,
  all: FileTls,
  directory: string,
): ListenerTlsOptions | undefined {
  if (tls === undefined) return undefined;
  const { cert, key, min = all.min, ciphers = all.ciphers } = tls;
  const clientAuth = tls.client_auth ?? all.client_auth;
  return {
    ...(cert !== undefined && key !== undefined && { pair: pairPaths({ cert, key }, directory) }),
    ...(min !== undefined && { versionMin: min }),
    ...(ciphers !== undefined && { ciphers }),
    ...(clientAuth && { clientAuth: clientAuthOptions(clientAuth, directory) }),
  };
}

export function clientAuthOptions(
  { ca, mode }: v.InferOutput<typeof clientAuthSchema>,
  directory: string,
): ClientAuthOptions {
  return { ca: ca === undefined ? undefined : resolvePath(directory, ca), mode };
}

export function siteTlsOptions(
  tls: v.InferOutput<typeof siteTlsSchema> | undefined,
  directory: string,
): SiteTlsOptions | undefined {
  if (tls === undefined || tls === "off") return undefined;
  if (typeof tls === "string") return { kind: tls };
  const pairs = Array.isArray(tls) ? tls : [tls];
  return { kind: "files", pairs: pairs.map((pair) => pairPaths(pair, directory)) };
}

function pairPaths({ cert, key }: PairPaths, directory: string): PairPaths {
  return { cert: resolvePath(directory, cert), key: resolvePath(directory, key) };
}

/** Ten years. */
const HSTS_MAX_MS = 3650 * 86_400_000;

const hsts = section({
  max_age: optional(
    duration(HSTS_MAX_MS),
    "How long browsers go to the host over TLS alone; 0s: they forget it",
    "180d",
  ),
  include_subdomains: optional(flag(), "Whether that is so for every host below it, too", false),
});

/** Stand at a site. */
export const schemeEntries = {
  https: optional(
    oneOf(PLAIN_HTTP),
    "What a request over plain HTTP gets: 308 to https, a response as over TLS, or (only) 403; " +
      "default: redirect where tls is set, else allow",
  ),
  hsts: optional(hsts, "Strict-Transport-Security in responses over TLS; default: none is added"),
};

type SchemeConfig = {
  readonly [Key in keyof typeof schemeEntries]?: v.InferOutput<(typeof schemeEntries)[Key]>;
};

/** What a site makes of the scheme; `hasTls` where it has certificates. */
export function schemeOptions(
  { https, hsts }: SchemeConfig,
  hasTls: boolean,
): Pick<SiteOptions, "https" | "hsts"> {
  const plain = https ?? (hasTls ? "redirect" : "allow");
  const value = hsts && hstsValue(Math.floor(hsts.max_age / 1000), hsts.include_subdomains);
  return {
    ...(plain !== "allow" && { https: plain }),
    ...(value !== undefined && { hsts: value }),
  };
}
