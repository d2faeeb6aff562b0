/** The schema of `gemini`: what is served over Gemini for which host, and its clients' limits. */
import * as v from "valibot";
import { normalizeHost } from "../gemini/host.ts";
import { GEMINI_LIMIT_DEFAULTS as LIMITS } from "../gemini/options.ts";
import { TEMPLATE_PATTERN } from "../gemini/respond_template.ts";
import { GEMINI_PORT } from "../gemini/uri.ts";

import {
  address,
  described,
  filePath,
  flag,
  items,
  list,
  oneOf,
  optional,
  section,
  TEXT_REMEDY,
  textLike,
  time,
  wholeNumber,
} from "./schema_parts.ts";
import { PATH_FORMS, pathPattern } from "./path_schema.ts";
import { symlinkEntries } from "./symlinks.ts";
import { formatTime } from "./units.ts";

export const GEMINI_LISTEN_RULES = { anyHost: true, defaultPort: GEMINI_PORT } as const;

/** A route has exactly one of them. */
export const GEMINI_HANDLER_NAMES = ["fastcgi", "respond", "static"] as const;

const STRIP_MAX = 64;
const COUNT_MAX = 1_000_000;

const listen = v.pipe(
  described(
    address(GEMINI_LISTEN_RULES, 'use text, such as ":1965"'),
    "Where to listen; entries may share it",
  ),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    if (dataset.value.transport === "tcp") return dataset.value;
    addIssue({ message: "Gemini is served over TCP only (use host:port)" });
    return NEVER;
  }),
);

const host = v.pipe(
  textLike(
    /^[^\s:/]+$|^\[[0-9A-Fa-f:.]+\]$|^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/,
    'use a name without port, such as "example.com"',
  ),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const wildcard = dataset.value.startsWith("*.") ? "*." : "";
    if (dataset.value.includes(":") && !dataset.value.startsWith("[")) {
      const address = normalizeHost(`[${dataset.value}]`);
      if (address !== undefined) return address;
    }
    const name = normalizeHost(dataset.value.slice(wildcard.length));
    if (name !== undefined) return wildcard + name;
    addIssue({ message: `Host "${dataset.value}" is none (use a name, such as "example.com")` });
    return NEVER;
  }),
);

const tls = section({
  cert: optional(
    filePath(),
    "File of the certificate and its chain, PEM; optional only with self_signed",
  ),
  key: optional(
    filePath(),
    "File of the certificate's private key, PEM; optional only with self_signed",
  ),
  self_signed: optional(
    flag(),
    "Whether each host gets a self-signed certificate at the first start",
    false,
  ),
  store: optional(
    filePath(),
    "Directory for certificates and keys of self_signed; optional only without it",
  ),
  min: optional(oneOf(["1.2", "1.3"]), "Minimum version of TLS", "1.2"),
});

/** Texts without parts of the request: those are HTTP's. */
const params = v.record(
  textLike(/^[^=\0]+$/, 'use a name without "="'),
  v.nullable(textLike(/^(?![^]*\$\{)/, 'leave "${" out: there are no templates here')),
  "use a map of names and texts",
);

const fastcgi = section({
  upstream: described(v.string("use the name of an upstream"), "Upstream"),
  strip: optional(
    wholeNumber(0, STRIP_MAX),
    "Number of leading path segments to strip from PATH_INFO",
    0,
  ),
  script_name: optional(
    textLike(/^(\/[^/]+)*$/, 'use a path such as "/app", without "/" at its end'),
    "SCRIPT_NAME; default: what strip takes off",
  ),
  params: optional(params, "Additional parameters; null: not sent", {}),
  convert: optional(
    oneOf(["none", "cgi"]),
    "Form of the application's responses: of Gemini, or (cgi) with Status and Content-Type",
    "none",
  ),
}, "upstream");

const respond = section({
  code: described(wholeNumber(10, 69), "Status code"),
  meta: described(
    textLike(TEMPLATE_PATTERN, 'use one line, with %p, %q, %P, %N or %% where there is a "%"'),
    "META; %p path, %q query, %P port, %N host, %% a per cent sign",
  ),
  body: optional(v.string(TEXT_REMEDY), "Body, for codes 20 to 29", ""),
});

const staticFiles = section({
  index: optional(
    items(
      textLike(/^[^/\0]+$/, 'use a file\'s name, without "/"'),
      "use a list of file names, such as [index.gmi]",
    ),
    "Index files of a directory; the first that exists is sent",
    ["index.gmi", "index.gemini"],
  ),
  listing: optional(flag(), "Whether a directory without an index file is listed", false),
  lang: optional(
    textLike(/^[A-Za-z0-9]+([-,][A-Za-z0-9]+)*$/, 'use a language, such as "en"'),
    "Language of texts, the lang of their type; default: none",
  ),
});

const clientCert = section({
  required: optional(flag(), "Whether a client without a certificate gets 60", true),
  ca: optional(
    filePath(),
    "PEM file of authorities whose certificates are accepted, others get 61; default: any",
  ),
  fingerprints: optional(
    list(
      v.pipe(
        textLike(
          /^(SHA256:)?([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/,
          'use "SHA256:" and 64 hexadecimal digits',
        ),
        v.transform((text) => text.replace(/^SHA256:/, "").replaceAll(":", "").toLowerCase()),
      ),
      'use a list of fingerprints, such as ["SHA256:…"]',
    ),
    "Fingerprints of certificates that are accepted, others get 61; default: any",
  ),
});

export const geminiRouteSchema = section({
  path: optional(pathPattern(), `${PATH_FORMS}; default: every path`),
  client_cert: optional(clientCert, "Access control by client certificate; default: everybody"),
  fastcgi: optional(fastcgi, "Forwards the request to an application"),
  respond: optional(respond, "Sends a fixed response"),
  static: optional(staticFiles, "Serves the files below root"),
});

const site = section({
  listen: v.optional(listen, `:${GEMINI_PORT}`),
  port: optional(
    wholeNumber(1, 65_535),
    "Port that clients use, if another one is forwarded here; default: the port of listen",
  ),
  hosts: described(
    list(host, 'use a list of names, such as [example.com, "*.example.org"]'),
    "Host names, also *.example.com, and addresses",
  ),
  tls: described(tls, "Certificate: cert and key, or self_signed and store"),
  root: optional(filePath(), "Directory of the files; default: none"),
  ...symlinkEntries,
  routes: described(
    list(geminiRouteSchema, "use a list of routes"),
    "Routes; the first that matches handles a request",
  ),
});

export const geminiSchema = list(site, "use a list of what is served");

export const geminiLimitsSchema = section({
  connections: optional(
    wholeNumber(1, COUNT_MAX),
    "Maximum of connections; beyond it they are closed",
    LIMITS.connectionsMax,
  ),
  connections_per_address: optional(
    wholeNumber(1, COUNT_MAX),
    "Maximum of connections from one address; beyond it: 44, beyond twice as many they are closed",
    LIMITS.connectionsPerAddressMax,
  ),
  requests_per_second: optional(
    wholeNumber(0, COUNT_MAX),
    "Maximum of requests per second from one address; beyond it: 44; 0: no limit",
    LIMITS.requestsPerSecondMax,
  ),
  request_timeout: optional(
    time(1),
    "Timeout for the handshake, and then for the request line",
    formatTime(LIMITS.requestTimeoutMs),
  ),
  send_timeout: optional(
    time(1),
    "Timeout for a client to read some of its response",
    formatTime(LIMITS.sendTimeoutMs),
  ),
  close_timeout: optional(
    time(1),
    "Timeout for a client to close after its response",
    formatTime(LIMITS.closeTimeoutMs),
  ),
});

export type GeminiConfig = v.InferOutput<typeof geminiSchema>;
export type GeminiLimitsConfig = v.InferOutput<typeof geminiLimitsSchema>;
