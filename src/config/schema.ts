/**
 * The configuration file's keys, their values, defaults and descriptions: what is checked, what
 * `afcgi schema` prints, and what the reference in docs/configuration.md explains. A value's output
 * is in the program's own units (bytes, milliseconds, addresses).
 *
 * This file knows one value at a time; what one part says about another (names of upstreams, routes
 * that cannot match, files that must exist) is in `references.ts`.
 */
import * as v from "valibot";
import { HTTP_LIMIT_DEFAULTS as HTTP } from "../http/options.ts";
import { LOG_LEVELS } from "../observe/logger.ts";
import { FASTCGI_PORT } from "../runtime/address.ts";
import {
  IDLE_TIMEOUT_MULTIPLEXED_MS,
  IDLE_TIMEOUT_SINGLE_MS,
  UPSTREAM_DEFAULTS as UPSTREAM,
} from "../upstream/options.ts";
import {
  address,
  described,
  flag,
  list,
  oneOf,
  section,
  size,
  TEXT_REMEDY,
  textLike,
  time,
  wholeNumber,
} from "./schema_parts.ts";
import { formatSize, formatTime } from "./units.ts";

export const DEFAULT_LISTEN = "127.0.0.1:8080";
export const LOG_FORMATS = ["json", "text"] as const;
/** `hash` is a name of the contract that this version does not carry out. */
export const BALANCE_MODES = ["round_robin", "least_requests"] as const;
export const HANDLER_NAMES = ["respond", "redirect", "fastcgi", "php", "static"] as const;

export const LISTEN_ADDRESS_RULES = { anyHost: true } as const;
export const SERVER_ADDRESS_RULES = { defaultPort: FASTCGI_PORT } as const;

export const DEFAULT_LOG_LEVEL = "info";
export const DEFAULT_LOG_FORMAT = "json";
export const DEFAULT_ACCESS_LOG = "-";
export const DEFAULT_GRACE_MS = 30_000;

/** Keys and values of the contract that this version refuses instead of ignoring them. */
export const UNAVAILABLE_KEYS: readonly string[] = ["health", "trusted_proxies"];
export const UNAVAILABLE_VALUES: Readonly<Record<string, string>> = { balance: "hash" };

const KIB = 1024;
const PORT_COUNT = 65_535;
/** Request ids of a connection are 16 bits, and 0 is taken. */
const STREAMS_MAX = 65_535;
const WEIGHT_MAX = 1000;
const RETRIES_MAX = 100;
const QUEUE_LENGTH_MAX = 1_000_000;
const CONNECTION_REQUESTS_MAX = 1_000_000_000;

const filePath = () => textLike(/^[^\0]+$/, "use a path");

const methods = () =>
  list(
    v.pipe(
      textLike(/^[A-Z][A-Z-]*$/, "use a method's name in upper case, such as GET"),
      v.notValues(["TRACE", "CONNECT"], "leave it out: TRACE and CONNECT are never let in"),
    ),
    "use a list of methods, such as [GET, POST]",
  );

const listenAddress = address(LISTEN_ADDRESS_RULES, 'use text, such as ":8080"');

const tlsFiles = section({
  cert: described(filePath(), "The certificate and its chain, a PEM file"),
  key: described(filePath(), "The certificate's private key, a PEM file"),
});

const listener = v.pipe(
  v.union([
    listenAddress,
    section({
      address: described(listenAddress, "Where to listen"),
      tls: v.optional(described(tlsFiles, "Serves HTTPS instead of HTTP")),
    }),
  ], 'use an address such as ":8080", or a map with address and tls'),
  v.transform((value) =>
    "address" in value
      ? { address: value.address, tls: value.tls }
      : { address: value, tls: undefined }
  ),
);

const serverAddress = address(SERVER_ADDRESS_RULES, 'use text, such as "tcp://127.0.0.1:9000"');

const server = v.pipe(
  v.union([
    serverAddress,
    section({
      address: described(serverAddress, `The application; its port is ${FASTCGI_PORT} if left out`),
      weight: v.optional(
        described(wholeNumber(1, WEIGHT_MAX), "Its share of the requests beside the others'"),
        1,
      ),
      backup: v.optional(described(flag(), "Only used while no other server is up"), false),
    }),
  ], 'use an address such as "tcp://127.0.0.1:9000", or a map with address, weight, backup'),
  v.transform((value) => "address" in value ? value : { address: value, weight: 1, backup: false }),
);

const connections = section({
  max: v.optional(
    described(
      wholeNumber(1, PORT_COUNT),
      "Most connections to each server; keep it below pm.max_children of php-fpm",
    ),
    UPSTREAM.connections.max,
  ),
  streams: v.optional(
    described(wholeNumber(1, STREAMS_MAX), "Most requests at once on one multiplexed connection"),
    UPSTREAM.connections.streamsMax,
  ),
  idle_timeout: v.optional(
    described(
      time(1),
      "How long a connection without requests stays open; left out: " +
        `${formatTime(IDLE_TIMEOUT_MULTIPLEXED_MS)} where it multiplexes, ` +
        `${formatTime(IDLE_TIMEOUT_SINGLE_MS)} where it does not`,
    ),
  ),
  max_requests: v.optional(
    described(
      wholeNumber(0, CONNECTION_REQUESTS_MAX),
      "Requests after which a connection is closed; 0: no limit",
    ),
    UPSTREAM.connections.requestsMax,
  ),
  reuse: v.optional(
    described(flag(), "false: a connection for each request, closed after it"),
    UPSTREAM.connections.reuse,
  ),
});

const queue = section({
  max: v.optional(
    described(
      wholeNumber(0, QUEUE_LENGTH_MAX),
      "Most requests that wait for a connection; more get 503",
    ),
    UPSTREAM.queue.lengthMax,
  ),
  timeout: v.optional(
    described(time(1), "How long a request waits for a connection, then it gets 503"),
    formatTime(UPSTREAM.queue.timeoutMs),
  ),
});

const timeouts = section({
  connect: v.optional(
    described(time(1), "For a connection to stand"),
    formatTime(UPSTREAM.timeouts.connectMs),
  ),
  first_byte: v.optional(
    described(time(1), "From the request being sent to the first byte of the answer"),
    formatTime(UPSTREAM.timeouts.firstByteMs),
  ),
  idle: v.optional(
    described(time(1), "Between two pieces of an answer"),
    formatTime(UPSTREAM.timeouts.idleMs),
  ),
  total: v.optional(
    described(time(), "For the whole exchange; 0s: no limit"),
    formatTime(UPSTREAM.timeouts.totalMs),
  ),
  abort: v.optional(
    described(time(1), "For the application to end a request that was aborted"),
    formatTime(UPSTREAM.timeouts.abortMs),
  ),
});

const retry = section({
  attempts: v.optional(
    described(wholeNumber(0, RETRIES_MAX), "Most times that a request is tried again; 0: never"),
    UPSTREAM.retry.attemptsMax,
  ),
  methods: v.optional(
    described(methods(), "Methods of which a request may be sent again once it was sent"),
    [...UPSTREAM.retry.methods],
  ),
  delay: v.optional(
    described(time(), "Between two attempts"),
    formatTime(UPSTREAM.retry.delayMs),
  ),
});

const upstream = section({
  servers: described(
    list(server, 'use a list of addresses, such as ["tcp://127.0.0.1:9000"]'),
    "The addresses at which the application listens",
  ),
  multiplex: v.optional(
    described(
      oneOf(["auto", "on", "off"]),
      "Whether requests share a connection; auto: ask the application once",
    ),
    UPSTREAM.multiplex,
  ),
  balance: v.optional(
    described(oneOf(BALANCE_MODES), "How a server is picked for a request"),
    "least_requests",
  ),
  connections: v.optional(described(connections, "Connections to each server"), {}),
  queue: v.optional(described(queue, "Requests that wait for a connection"), {}),
  timeouts: v.optional(described(timeouts, "How long each part may take"), {}),
  retry: v.optional(described(retry, "What is tried again when it failed"), {}),
});

const params = v.record(
  textLike(/^[^=\0]+$/, 'use a name without "="'),
  v.string(TEXT_REMEDY),
  "use a map of names and texts",
);

const upstreamName = () => v.string("use the name of an upstream");

const indexNames = (example: string) =>
  v.array(
    textLike(/^[^/\0]+$/, 'use a file\'s name, without "/"'),
    `use a list of file names, such as [${example}]`,
  );

const respond = v.pipe(
  section({
    status: v.optional(described(wholeNumber(200, 599), "The answer's status"), 200),
    body: v.optional(described(v.string(TEXT_REMEDY), "The answer's text"), ""),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || ![204, 205, 304].includes(dataset.value.status)) return;
    if (dataset.value.body === "") return;
    addIssue({
      message: `An answer with status ${dataset.value.status} has no body (leave body out)`,
    });
  }),
);

const redirect = section({
  to: described(
    textLike(/^[\x21-\x7e]+$/, "use a path or a URL in ASCII, without spaces"),
    "The Location that is sent",
  ),
  status: v.optional(
    described(
      v.picklist([301, 302, 303, 307, 308], "use 301, 302, 303, 307 or 308"),
      "The answer's status",
    ),
    302,
  ),
});

const fastcgi = section({
  upstream: described(upstreamName(), "The upstream that answers"),
  script_name: v.optional(
    described(
      textLike(/^(\/[^/]+)*$/, 'use a path such as "/api", without "/" at its end'),
      "The part of the path that is SCRIPT_NAME; what is behind it is PATH_INFO",
    ),
    "",
  ),
  params: v.optional(described(params, "Parameters to send beside the usual ones"), {}),
});

const php = section({
  upstream: described(upstreamName(), "The upstream that runs the scripts"),
  index: v.optional(
    described(indexNames("index.php"), "Scripts that stand for a folder; the first that exists"),
    ["index.php"],
  ),
  front_controller: v.optional(
    described(
      textLike(/^(\/[^/\0]+)+$/, 'use a path below the root, such as "/index.php"'),
      "The script for paths at which there is no file; left out: such a path goes to the next route",
    ),
  ),
  params: v.optional(described(params, "Parameters to send beside the usual ones"), {}),
});

const staticFiles = section({
  index: v.optional(
    described(indexNames("index.html"), "Files that stand for a folder; the first that exists"),
    ["index.html"],
  ),
});

export const PATH_PATTERN = /^(\/[^*]*|\/([^*]*\/)?\*|\*[^*/]+)$/;

export const routeSchema = section({
  path: v.optional(
    described(
      textLike(PATH_PATTERN, 'use "/exact", "/prefix/*" or "*.suffix", or leave it out for all'),
      "/exact, /prefix/* (also matches /prefix) or *.suffix; left out: everything",
    ),
  ),
  methods: v.optional(described(methods(), "Methods that the route takes; left out: all")),
  respond: v.optional(described(respond, "Answers with a fixed text")),
  redirect: v.optional(described(redirect, "Sends the client elsewhere")),
  fastcgi: v.optional(described(fastcgi, "Hands the request to an application")),
  php: v.optional(described(php, "Runs the scripts below the site's root")),
  static: v.optional(described(staticFiles, "Serves the files below the site's root")),
});

const HOST_PATTERN = /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$|^\[[0-9A-Fa-f:.]+\]$/;

const site = section({
  hosts: v.optional(
    described(
      list(
        v.pipe(
          textLike(HOST_PATTERN, 'use a name without port, such as "example.com"'),
          v.transform((host) => host.toLowerCase()),
        ),
        'use a list of names, such as [example.com, "*.example.com"], or leave it out for all',
      ),
      "Host names, also *.example.com; left out: every host",
    ),
  ),
  root: v.optional(described(filePath(), "The folder below which files and scripts are")),
  routes: described(
    list(routeSchema, "use a list of routes"),
    "What answers a request: the first route that matches",
  ),
});

const log = section({
  level: v.optional(
    described(oneOf(LOG_LEVELS), "Lines below this level are left out"),
    DEFAULT_LOG_LEVEL,
  ),
  format: v.optional(described(oneOf(LOG_FORMATS), "How a line is written"), DEFAULT_LOG_FORMAT),
  access: v.optional(
    described(filePath(), 'A file for the access log; "-": standard output; off: none'),
    DEFAULT_ACCESS_LOG,
  ),
});

const limits = section({
  request_body: v.optional(
    described(size(), "Most bytes of a request's body, beyond it 413; 0: no limit"),
    formatSize(HTTP.requestBodyMax),
  ),
  request_header: v.optional(
    described(size(KIB), "Most bytes of a request's head, beyond it 431"),
    formatSize(HTTP.requestHeaderMax),
  ),
  request_buffer: v.optional(
    described(size(), "Most bytes of a gathered request body in memory; the rest is in a file"),
    formatSize(HTTP.requestBufferMax),
  ),
  response_header: v.optional(
    described(size(KIB), "Most bytes of an answer's head, beyond it 502"),
    formatSize(UPSTREAM.limits.responseHeaderMax),
  ),
  response_buffer: v.optional(
    described(size(), "Most bytes of an answer held in memory for a slow client"),
    formatSize(UPSTREAM.limits.responseBufferMax),
  ),
  spill: v.optional(
    described(size(), "Most bytes of an answer held in a file for a slow client; 0: none"),
    formatSize(UPSTREAM.limits.spillMax),
  ),
});

/** The whole file. */
export const configSchema = section({
  listen: v.optional(
    described(
      list(listener, 'use a list of addresses, such as [":8080"]'),
      "Addresses at which HTTP is served",
    ),
    [DEFAULT_LISTEN],
  ),
  upstreams: v.optional(
    described(
      v.pipe(
        v.record(
          textLike(/^[A-Za-z0-9_.-]+$/, 'use letters, digits, "_", "-" and "."'),
          upstream,
          "use a map of names and upstreams",
        ),
        v.minEntries(1, "add an upstream, or take the key out"),
      ),
      "FastCGI applications, each under a name of your own",
    ),
  ),
  sites: described(list(site, "use a list of sites"), "What is served for which host"),
  admin: v.optional(
    described(
      section({
        listen: described(listenAddress, "Where /livez, /readyz, /metrics and /status are served"),
      }),
      "The listener for health and metrics; left out: none",
    ),
  ),
  log: v.optional(described(log, "What is logged, and how"), {}),
  limits: v.optional(described(limits, "Most bytes of each part of requests and answers"), {}),
  shutdown: v.optional(
    described(
      section({
        grace: v.optional(
          described(time(), "How long requests in flight may take to end at a stop"),
          formatTime(DEFAULT_GRACE_MS),
        ),
      }),
      "How the program stops",
    ),
    {},
  ),
});

/** The file's values in the program's units, every default filled in. */
export type Config = v.InferOutput<typeof configSchema>;
