/** The schema of what a site or a route says of its responses, and of access to it. */
import * as v from "valibot";
import { readPasswordHash } from "../passwords/password_hash.ts";
import { isFramingHeader } from "../http/response_headers.ts";
import { templateText } from "./params_schema.ts";
import { clientAuthSchema } from "./tls_schema.ts";
import { network } from "./proxy_schema.ts";
import {
  asYaml,
  described,
  filePath,
  flag,
  items,
  list,
  optional,
  refuse,
  section,
  TEXT_REMEDY,
  textLike,
  time,
} from "./schema_parts.ts";

const FRAMING = "is the HTTP server's to write (take it out)";

const headerName = () =>
  v.pipe(
    textLike(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "use a header's name"),
    refuse((name) => isFramingHeader(name) ? `Header "${name}" ${FRAMING}` : undefined),
  );

const headerNames = () => items(headerName(), "use a list of headers' names");

/** One that the server puts into each response which has none cannot be taken out. */
const removableName = () =>
  v.pipe(
    headerName(),
    refuse((name) => name.toLowerCase() === "date" ? `Header "${name}" ${FRAMING}` : undefined),
  );

const headerTexts = () =>
  v.pipe(
    v.record(
      textLike(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "use a header's name"),
      v.pipe(templateText(), v.regex(/^[\x20-\x7e]*$/, "use ASCII on one line")),
      "use a map of names and texts",
    ),
    refuse((texts) => {
      const framing = Object.keys(texts).find(isFramingHeader);
      return framing && `Header "${framing}" ${FRAMING}`;
    }),
  );

export const headersEntries = {
  set: optional(headerTexts(), "Headers to set, replacing headers of the same name", {}),
  add: optional(headerTexts(), "Headers to add", {}),
  remove: optional(
    items(removableName(), "use a list of headers' names"),
    "Headers to remove, before set and add",
    [],
  ),
};

const headers = section(headersEntries);

const PAGE_REMEDY = 'use a path below the root such as "/404.html", or a map with body and type';

const errorPages = v.record(
  textLike(/^[45](\d\d|xx)$/, "use a status such as 404, or 4xx or 5xx"),
  v.union([
    textLike(/^(\/[^/\0]+)+$/, PAGE_REMEDY),
    section({
      body: described(v.string(TEXT_REMEDY), "HTML or text of the page"),
      type: optional(
        textLike(/^[\x20-\x7e]+$/, "use a type such as text/html"),
        "Its Content-Type",
        "text/html; charset=utf-8",
      ),
    }),
  ], PAGE_REMEDY),
  "use a map of statuses and pages",
);

/** What hashes of passwords begin with: crypt's `$2y$`, `$apr1$`, `$6$`, and LDAP's `{SSHA}`. */
const HASH = /^(?:\$[A-Za-z0-9-]{1,16}\$|\{[A-Za-z][A-Za-z0-9._-]{1,20}\})/;

const PASSWORD_REMEDY = "use a password, in quotes where it is a number";

/** A hash that was pasted as one would be the password itself, known to all who may read the other file. */
function password() {
  return v.union([
    v.pipe(
      textLike(/^[^\0]+$/, PASSWORD_REMEDY),
      refuse((text) => {
        const begins = HASH.exec(text)?.[0];
        return begins && `A password that begins with "${begins}" looks like a hash (write ` +
            "{ hash: TEXT } for a hash; { plain: TEXT } takes any text as it is)";
      }),
    ),
    v.pipe(
      section({
        plain: optional(
          textLike(/^[^\0]+$/, PASSWORD_REMEDY),
          "A password, even if it looks like a hash; optional only with hash",
        ),
        hash: optional(
          v.pipe(
            textLike(/^[^\0]+$/, "use a hash, as afcgi hash-password makes it"),
            refuse((text) => {
              const read = readPasswordHash(text);
              return typeof read === "string" ? `Cannot use the hash: ${read}` : undefined;
            }),
          ),
          "The hash of a password (bcrypt, SHA-crypt or apr1); optional only with plain",
        ),
      }),
      refuse(({ plain, hash }) =>
        (plain === undefined) === (hash === undefined)
          ? "A user has one password (write plain or hash)"
          : undefined
      ),
      v.transform(({ plain, hash }) => plain ?? { hash: hash! }),
    ),
  ], PASSWORD_REMEDY);
}

const basicAuth = v.pipe(
  section({
    realm: optional(
      textLike(/^[\x20-\x7e]+$/, "use ASCII on one line"),
      "Realm, which browsers may show",
      "Restricted",
    ),
    users: optional(
      v.pipe(
        v.record(
          textLike(/^[^:\0\r\n]+$/, 'use a name without ":"'),
          password(),
          "use a map of names and passwords",
        ),
        v.minEntries(1, "add a name and a password"),
      ),
      'User names and passwords, or { hash: … }; "${env.NAME}" takes one from the environment; default: none',
    ),
    file: optional(
      filePath(),
      "File of users, as htpasswd makes it: NAME:HASH lines with bcrypt, SHA-crypt or apr1 hashes; default: none",
    ),
  }),
  refuse(({ users, file }) =>
    users === undefined && file === undefined
      ? "Nobody could come in (add users or file)"
      : undefined
  ),
);

const corsKeys = section({
  origins: described(
    list(
      textLike(
        /^(\*|[a-z][a-z0-9+.-]*:\/\/[^/\s]+)$/,
        'use "*" or an origin such as "https://a.b"',
      ),
      'use a list of origins, such as ["https://example.com"]',
    ),
    'Origins whose scripts may read responses; "*": all',
  ),
  methods: optional(
    list(textLike(/^[A-Z][A-Z-]*$/, "use a method's name in upper case"), "use a list of methods"),
    "Access-Control-Allow-Methods; default: GET, HEAD, PUT, POST, DELETE and PATCH",
  ),
  headers: optional(
    headerNames(),
    "Access-Control-Allow-Headers; []: the ones that are asked for",
    [],
  ),
  expose: optional(headerNames(), "Access-Control-Expose-Headers", []),
  max_age: optional(
    time(),
    "Access-Control-Max-Age, how long a browser may keep the response to a preflight; default: the browser's own",
  ),
  credentials: optional(
    flag(),
    "Access-Control-Allow-Credentials: whether a browser may send cookies",
    false,
  ),
}, (text) => `{ origins: [${asYaml(text)}] }`);

/** A browser shows no script a response that is for everybody and for who is logged in at once. */
const cors = v.pipe(
  corsKeys,
  refuse(({ credentials, origins }) =>
    credentials && origins.includes("*")
      ? 'Browsers take no credentials for "*" (name the origins)'
      : undefined
  ),
);

/** An empty list would let everybody in, which is not what it looks like. */
const ipRestriction = v.pipe(
  section({
    allow: optional(
      list(network(), "use a list of networks"),
      "Networks that are allowed, others get 403; default: all",
    ),
    deny: optional(
      list(network(), "use a list of networks"),
      "Networks that get 403, even if allowed; default: none",
    ),
  }),
  refuse(({ allow, deny }) =>
    allow || deny ? undefined : "Nobody is kept out (say allow, deny or both)"
  ),
);

/** Names as in the file, with Hono's. */
export const SECURITY_HEADERS = {
  cross_origin_embedder_policy: "crossOriginEmbedderPolicy",
  cross_origin_opener_policy: "crossOriginOpenerPolicy",
  cross_origin_resource_policy: "crossOriginResourcePolicy",
  origin_agent_cluster: "originAgentCluster",
  referrer_policy: "referrerPolicy",
  strict_transport_security: "strictTransportSecurity",
  x_content_type_options: "xContentTypeOptions",
  x_dns_prefetch_control: "xDnsPrefetchControl",
  x_download_options: "xDownloadOptions",
  x_frame_options: "xFrameOptions",
  x_permitted_cross_domain_policies: "xPermittedCrossDomainPolicies",
  x_xss_protection: "xXssProtection",
} as const;

export type SecurityHeaderName = keyof typeof SECURITY_HEADERS;

const SECURITY_NAMES = Object.keys(SECURITY_HEADERS);

const securityHeaders = v.record(
  textLike(new RegExp(`^(${SECURITY_NAMES.join("|")})$`), `use ${SECURITY_NAMES.join(", ")}`),
  v.union([
    flag(),
    textLike(/^[\x20-\x7e]+$/, "use ASCII on one line"),
  ], "use true, false or the header's value"),
  "use a map of names and values, {} for the usual ones",
);

/** Stand at a site, for all its routes, and at a route, whose own win; null: none after all. */
export const responseEntries = {
  headers: optional(
    headers,
    "Response headers to change, first those of the site, then of the route; default: none",
  ),
  error_pages: optional(
    errorPages,
    "Error pages by status (404) or class (4xx, 5xx): a path below the root, or a text; default: afcgi's own",
  ),
  intercept_errors: optional(
    flag(),
    "Whether error responses of applications are replaced by error pages, too; default: no",
  ),
  basic_auth: optional(
    v.nullable(basicAuth),
    "HTTP basic authentication; others get 401; null: none after all; default: none",
  ),
  cors: optional(
    v.nullable(cors),
    "CORS: which other origins may read responses; null: none after all; default: none",
  ),
  security_headers: optional(
    v.nullable(securityHeaders),
    `Security headers, {} for the usual values: ${SECURITY_NAMES.join(", ")}; ` +
      "null: none after all; default: none",
  ),
  ip_restriction: optional(
    v.nullable(ipRestriction),
    "Access control by the client's address; null: everybody after all; default: everybody",
  ),
  client_auth: optional(
    v.nullable(clientAuthSchema),
    "Certificates that clients are asked for, over TLS, null: none; default: none",
  ),
  etag: optional(
    flag(),
    "Whether responses that are complete in memory get an ETag, and 304 if the client has them; default: no",
  ),
};
