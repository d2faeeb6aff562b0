/**
 * The configuration file's keys, their values, defaults and descriptions: what is checked, what
 * `afcgi schema` prints, and what docs/config-reference.md is made of. A value's output
 * is in the program's own units (bytes, milliseconds, addresses).
 *
 * This file knows one value at a time; what one part says about another (names of upstreams, routes
 * that cannot match, files that must exist) is in `references.ts`.
 */
import * as v from "valibot";
import { acmeSchema } from "./acme_schema.ts";
import { geminiLimitsSchema, geminiSchema } from "./gemini_schema.ts";
import { READY_WHEN } from "../app/options.ts";
import { HTTP_LIMIT_DEFAULTS as HTTP } from "../http/options.ts";
import { LOG_LEVELS } from "../observe/logger.ts";
import { UPSTREAM_DEFAULTS as UPSTREAM } from "../upstream/options.ts";
import { BUFFER_MEMORY_MAX } from "../upstream/buffer_memory.ts";
import { SPILL_TOTAL_MAX } from "../upstream/spill_space.ts";
import { compressionSchema } from "./compression_schema.ts";
import { paramsSchema } from "./params_schema.ts";
import { responseEntries } from "./response_schema.ts";
import { bodyEntries } from "./body_schema.ts";
import { siteProxyEntries } from "./proxy_schema.ts";
import { symlinkEntries } from "./symlinks.ts";
import { sitePathEntries } from "./path_schema.ts";
import { mapEntries } from "./map_schema.ts";
import { http2LimitsSchema } from "./http2_schema.ts";
import { httpLimitsSchema } from "./http_schema.ts";
import { adminListener, LISTEN_ADDRESS_RULES, listener, serveAddress } from "./listen_schema.ts";
import { readOnce } from "./quick_section.ts";
import { routeSchema } from "./route_schema.ts";
import {
  described,
  filePath,
  flag,
  list,
  oneOf,
  optional,
  refuse,
  section,
  size,
  textLike,
  time,
  wholeNumber,
} from "./schema_parts.ts";
import { fileTlsSchema, schemeEntries, siteTlsSchema } from "./tls_schema.ts";
import { formatSize, formatTime } from "./units.ts";
import { upstreamSchema } from "./upstream_schema.ts";

export const DEFAULT_LISTEN = "127.0.0.1:8080";
export { LISTEN_ADDRESS_RULES };
export const LOG_FORMATS = ["json", "text"] as const;

export const DEFAULT_LOG_LEVEL = "info";
export const DEFAULT_LOG_FORMAT = "json";
export const DEFAULT_ACCESS_LOG = "-";
export const DEFAULT_GRACE_MS = 30_000;
export const DEFAULT_THREADS = "auto";
export const THREADS_MAX = 63;
const THREADS_REMEDY = `use auto, or a number from 1 to ${THREADS_MAX}`;

const KIB = 1024;

/** A lone "_" is no host that anybody asks for: where it is known, it stands for all. */
const HOST_PATTERN =
  /^(?!_$)(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$|^\[[0-9A-Fa-f:.]+\]$/;

const hostRemedy = ({ input }: { readonly input: unknown }) =>
  input === "*" || input === "_"
    ? "leave hosts out for every host"
    : 'use a name without port, such as "example.com" or "*.example.com"';

const hostName = v.pipe(
  v.string(hostRemedy),
  v.regex(HOST_PATTERN, hostRemedy),
  v.transform((host) => host.toLowerCase()),
);

/** Names alone: a wildcard would let in what the list is to keep out. */
const ADMIN_HOST_PATTERN = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$/;

const site = section({
  hosts: optional(
    list(
      hostName,
      'use a list of names, such as [example.com, "*.example.com"], or leave it out for all',
    ),
    "Host names, also *.example.com; default: every host that no other site names",
  ),
  listen: optional(
    list(serveAddress, 'use a list of addresses of the file\'s listen, such as ["127.0.0.1:8080"]'),
    "Addresses of the file's listen at which the site is served; default: all of them",
  ),
  root: optional(filePath(), "Document root, the directory of files and scripts; default: none"),
  tls: optional(
    siteTlsSchema,
    "The site's certificates: auto (an ACME authority), internal (a local one), a map with cert and " +
      'key, a list of such maps, or "off"; default: off',
  ),
  ...schemeEntries,
  ...symlinkEntries,
  ...siteProxyEntries,
  ...sitePathEntries,
  ...responseEntries,
  ...bodyEntries,
  params: optional(
    paramsSchema(),
    "Parameters of every request; those of a route take precedence; default: none",
  ),
  sendfile: optional(
    list(filePath(), "use a list of directories, such as [/srv/files]"),
    "Directories from which an application may send files by X-Sendfile; default: none",
  ),
  compression: optional(
    compressionSchema(),
    "Compression of responses: true, or a map; default: none",
  ),
  local_redirects: optional(
    flag(),
    "Whether a Location that is a path, without Status, is followed by afcgi; otherwise the client is redirected",
    false,
  ),
  routes: readOnce(described(
    list(routeSchema, "use a list of routes"),
    "Routes; the first that matches handles a request",
  )),
});

const log = section({
  level: optional(
    oneOf(LOG_LEVELS),
    "Minimum level of the lines that are written",
    DEFAULT_LOG_LEVEL,
  ),
  format: optional(oneOf(LOG_FORMATS), "Format of the lines", DEFAULT_LOG_FORMAT),
  access: optional(
    v.pipe(textLike(/^[^\0]+$/, 'use a path, "-" for standard output, or off'), v.title("path")),
    'File of the access log; "-": standard output; off: none',
    DEFAULT_ACCESS_LOG,
  ),
}, "level");

const limits = section({
  request_body: optional(
    size(),
    "Maximum size of a request body; beyond it: 413; 0: no limit",
    formatSize(HTTP.requestBodyMax),
  ),
  request_body_chunked: optional(
    size(),
    "Maximum size of a body without Content-Length; beyond it: 413; 0: no limit; default: as request_body",
  ),
  request_rate: optional(
    size(),
    "Minimum rate of a request body per second, over 30 s of waiting; below it: 408; 0: no limit",
    formatSize(HTTP.requestRateMin),
  ),
  request_header: optional(
    size(KIB),
    "Maximum size of the request's headers; beyond it: 431",
    formatSize(HTTP.requestHeaderMax),
  ),
  request_buffer: optional(
    size(),
    "Maximum of a gathered request body in memory; the rest goes to a temporary file",
    formatSize(HTTP.requestBufferMax),
  ),
  response_header: optional(
    size(KIB),
    "Maximum size of the response's headers from an application; beyond it: 502",
    formatSize(UPSTREAM.limits.responseHeaderMax),
  ),
  response_buffer: optional(
    size(),
    "Maximum of a response in memory for a slow client; the rest goes to a temporary file",
    formatSize(UPSTREAM.limits.responseBufferMax),
  ),
  spill: optional(
    size(),
    "Maximum of a response in a temporary file for a slow client; then the application waits; 0: no file",
    formatSize(UPSTREAM.limits.spillMax),
  ),
  spill_total: optional(
    size(),
    "Maximum of all temporary files together; beyond it clients wait",
    formatSize(SPILL_TOTAL_MAX),
  ),
  memory: optional(
    size(),
    "Maximum that buffers of all requests and connections hold in memory; from half of it on they use temporary files at once, beyond it bodies of new requests wait",
    formatSize(BUFFER_MEMORY_MAX),
  ),
  http: optional(httpLimitsSchema, "Connections and timeouts of HTTP clients", {}),
  http2: optional(http2LimitsSchema, "Limits of one connection of HTTP/2", {}),
  gemini: optional(geminiLimitsSchema, "Connections, rate and timeouts of Gemini clients", {}),
});

const fileSchema = section({
  listen: optional(
    list(listener, 'use a list of addresses, such as [":8080"]'),
    "Addresses at which HTTP is served",
    [DEFAULT_LISTEN],
  ),
  tls: optional(
    fileTlsSchema,
    "What holds for TLS in the whole file, and where it keeps what it makes",
    {},
  ),
  acme: optional(
    acmeSchema,
    "Authority (RFC 8555) for the certificates of sites with tls: auto",
    {},
  ),
  upstreams: optional(
    v.pipe(
      v.record(
        textLike(/^[A-Za-z0-9_.-]+$/, 'use letters, digits, "_", "-" and "."'),
        upstreamSchema,
        'use a map of names and upstreams, such as { app: { servers: ["tcp://127.0.0.1:9000"] } }',
      ),
      v.minEntries(1, "add an upstream, or take the key out"),
    ),
    "FastCGI applications, each under a name of your own; default: none",
  ),
  sites: optional(
    list(site, "use a list of sites"),
    "Virtual hosts for HTTP; default: none, and no port is opened",
  ),
  gemini: optional(geminiSchema, "Virtual hosts for Gemini; default: none"),
  admin: optional(
    section({
      listen: described(adminListener, "Address of /livez, /readyz, /metrics, /status and /reload"),
      health: optional(
        adminListener,
        "Another address, of /livez, /readyz and /metrics alone, for probes; default: none",
      ),
      ready: optional(
        oneOf(READY_WHEN),
        "When /readyz says 200: when every upstream has a server that takes connections, or at once",
        "application",
      ),
      hosts: optional(
        list(
          v.pipe(
            textLike(ADMIN_HOST_PATTERN, 'use a name without port, such as "afcgi.internal"'),
            v.transform((host) => host.toLowerCase().replace(/\.$/, "")),
          ),
          "use a list of names, such as [afcgi.internal]",
        ),
        "Host names that requests may name; default: addresses, localhost and the machine's own name",
      ),
    }, "listen"),
    "Admin address for health checks and metrics; default: none",
  ),
  log: optional(log, "Logging", {}),
  limits: optional(limits, "Limits of requests and responses, and of memory", {}),
  ...mapEntries,
  user: optional(
    textLike(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, "use a user's name or number"),
    "User that afcgi, started as root, becomes once it listens; default: it stays root",
  ),
  workers: optional(
    v.union([oneOf(["auto"]), wholeNumber(1, THREADS_MAX)], THREADS_REMEDY),
    "Threads that serve; auto: one for each processor that afcgi may use",
    DEFAULT_THREADS,
  ),
  shutdown: optional(
    section({
      grace: optional(
        time(),
        "Time that requests in flight have to finish after a stop; then they are cut",
        formatTime(DEFAULT_GRACE_MS),
      ),
      delay: optional(
        time(),
        "Time that a stop goes on taking connections while /readyz says 503 already",
        "0s",
      ),
    }, "grace"),
    "Shutdown",
    {},
  ),
});

/** A file serves something; what is misspelt is told as that. */
export const configSchema = v.pipe(
  fileSchema,
  refuse(({ sites, gemini }) =>
    sites || gemini ? undefined : 'The file has no key "sites" (add it)'
  ),
);

/** The file's values in the program's units, every default filled in. */
export type Config = v.InferOutput<typeof configSchema>;
