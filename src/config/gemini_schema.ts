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
  PATH_PATTERN,
  section,
  TEXT_REMEDY,
  textLike,
  time,
  wholeNumber,
} from "./schema_parts.ts";
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
  cert: v.optional(
    described(
      filePath(),
      "The file of the certificate and its chain, PEM; left out only with self_signed",
    ),
  ),
  key: v.optional(
    described(
      filePath(),
      "The file of the certificate's private key, PEM; left out only with self_signed",
    ),
  ),
  self_signed: v.optional(
    described(flag(), "Whether each host gets a certificate of its own making on first start"),
    false,
  ),
  store: v.optional(
    described(
      filePath(),
      "The folder in which self_signed keeps certificates and keys; left out only without it",
    ),
  ),
  min: v.optional(
    described(oneOf(["1.2", "1.3"]), "The oldest version of TLS that is spoken"),
    "1.2",
  ),
});

/** Texts without parts of the request: those are HTTP's. */
const params = v.record(
  textLike(/^[^=\0]+$/, 'use a name without "="'),
  v.nullable(textLike(/^(?![^]*\$\{)/, 'leave "${" out: there are no templates here')),
  "use a map of names and texts",
);

const fastcgi = section({
  upstream: described(
    v.string("use the name of an upstream"),
    "The name of the upstream that answers",
  ),
  strip: v.optional(
    described(
      wholeNumber(0, STRIP_MAX),
      "How many segments of the path's beginning are not in PATH_INFO",
    ),
    0,
  ),
  script_name: v.optional(
    described(
      textLike(/^(\/[^/]+)*$/, 'use a path such as "/app", without "/" at its end'),
      "SCRIPT_NAME; left out: what strip takes off",
    ),
  ),
  params: v.optional(
    described(params, "Parameters to send beside the usual ones; null: one that is not sent"),
    {},
  ),
  convert: v.optional(
    described(
      oneOf(["none", "cgi"]),
      "How the application answers: as Gemini has it, or (cgi) with Status and Content-Type",
    ),
    "none",
  ),
}, "upstream");

const respond = section({
  code: described(wholeNumber(10, 69), "The answer's status code"),
  meta: described(
    textLike(TEMPLATE_PATTERN, 'use one line, with %p, %q, %P, %N or %% where there is a "%"'),
    "The answer's META; %p path, %q query, %P port, %N host, %% a per cent sign",
  ),
  body: v.optional(described(v.string(TEXT_REMEDY), "The answer's body, for codes 20 to 29"), ""),
});

const staticFiles = section({
  index: v.optional(
    described(
      items(
        textLike(/^[^/\0]+$/, 'use a file\'s name, without "/"'),
        "use a list of file names, such as [index.gmi]",
      ),
      "Files that stand for a folder; the first that exists is sent",
    ),
    ["index.gmi", "index.gemini"],
  ),
  listing: v.optional(
    described(flag(), "Whether a folder without index is listed"),
    false,
  ),
  lang: v.optional(
    described(
      textLike(/^[A-Za-z0-9]+([-,][A-Za-z0-9]+)*$/, 'use a language, such as "en"'),
      "The language of texts, as the lang of their type; left out: none",
    ),
  ),
});

const clientCert = section({
  required: v.optional(described(flag(), "Whether a client without certificate gets 60"), true),
  ca: v.optional(
    described(
      filePath(),
      "A PEM file of authorities whose certificates are let in, others get 61; left out: any",
    ),
  ),
  fingerprints: v.optional(
    described(
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
      "Certificates that are let in, others get 61; left out: any",
    ),
  ),
});

export const geminiRouteSchema = section({
  path: v.optional(
    described(
      textLike(PATH_PATTERN, 'use "/exact", "/prefix/*" or "*.suffix", or leave it out for all'),
      "/exact, /folder/* (also matches /folder), /begin*, *.end or /begin*.end; left out: everything",
    ),
  ),
  client_cert: v.optional(
    described(clientCert, "Which clients are let in, by certificate; left out: all"),
  ),
  fastcgi: v.optional(described(fastcgi, "Hands the request to an application")),
  respond: v.optional(described(respond, "Answers with a fixed code and META")),
  static: v.optional(described(staticFiles, "Serves the files below root")),
});

const site = section({
  listen: v.optional(listen, `:${GEMINI_PORT}`),
  port: v.optional(
    described(
      wholeNumber(1, 65_535),
      "The port that clients name, where another one leads here; left out: that of listen",
    ),
  ),
  hosts: described(
    list(host, 'use a list of names, such as [example.com, "*.example.org"]'),
    "Host names, also *.example.com, and addresses",
  ),
  tls: described(tls, "The certificate: cert and key, or self_signed and store"),
  root: v.optional(
    described(filePath(), "The folder below which files are; left out: there are none"),
  ),
  ...symlinkEntries,
  routes: described(
    list(geminiRouteSchema, "use a list of routes"),
    "What answers a request: the first route that matches",
  ),
});

/** The key `gemini`. */
export const geminiSchema = list(site, "use a list of what is served");

/** The key `limits.gemini`. */
export const geminiLimitsSchema = section({
  connections: v.optional(
    described(wholeNumber(1, COUNT_MAX), "Most connections at once; one more is closed"),
    LIMITS.connectionsMax,
  ),
  connections_per_address: v.optional(
    described(
      wholeNumber(1, COUNT_MAX),
      "Most connections of an address; more get 44, from twice as many on they are closed",
    ),
    LIMITS.connectionsPerAddressMax,
  ),
  requests_per_second: v.optional(
    described(
      wholeNumber(0, COUNT_MAX),
      "Most requests of an address in a second; one more gets 44; 0: no limit",
    ),
    LIMITS.requestsPerSecondMax,
  ),
  request_timeout: v.optional(
    described(
      time(1),
      "Longest wait for a handshake, and then for the request line; then it is closed",
    ),
    formatTime(LIMITS.requestTimeoutMs),
  ),
  send_timeout: v.optional(
    described(time(1), "Longest wait for a client to take a piece of its answer; then it is cut"),
    formatTime(LIMITS.sendTimeoutMs),
  ),
  close_timeout: v.optional(
    described(time(1), "Longest wait for a client to close after its answer; then it is closed"),
    formatTime(LIMITS.closeTimeoutMs),
  ),
});

export type GeminiConfig = v.InferOutput<typeof geminiSchema>;
export type GeminiLimitsConfig = v.InferOutput<typeof geminiLimitsSchema>;
