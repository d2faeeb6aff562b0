/** The schema of one upstream: its servers, and how requests get to them. */
import * as v from "valibot";
import { FASTCGI_PORT } from "../runtime/address.ts";
import { AUTO_SHARED_MAX, AUTO_SINGLE_MAX } from "../upstream/connection_limit.ts";
import { LOOKUP_TTL_MIN_MS } from "../upstream/server_name.ts";
import {
  IDLE_TIMEOUT_MULTIPLEXED_MS,
  IDLE_TIMEOUT_SINGLE_MS,
  SERVER_ADDRESS_RULES,
  UPSTREAM_DEFAULTS as UPSTREAM,
} from "../upstream/options.ts";
import { httpUpstreamEntries, serverEntries } from "./http_upstream_schema.ts";
import { paramsSchema } from "./params_schema.ts";
import {
  address,
  asYaml,
  described,
  flag,
  list,
  methods,
  oneOf,
  optional,
  section,
  textLike,
  time,
  wholeNumber,
} from "./schema_parts.ts";
import { spawnSchema } from "./spawn_schema.ts";
import { formatTime } from "./units.ts";

const BALANCE_MODES = ["round_robin", "least_requests", "hash"] as const;

const CONNECTIONS_MAX = 65_535;
const CONNECTIONS_REMEDY = `use auto or a whole number from 1 to ${CONNECTIONS_MAX}`;
/** Request ids of a connection are 16 bits, and 0 is taken. */
const STREAMS_MAX = 65_535;
const RETRIES_MAX = 100;
/** Rise and fall. */
const HEALTH_ANSWERS_MAX = 1000;
const QUEUE_LENGTH_MAX = 1_000_000;
const CONNECTION_REQUESTS_MAX = 1_000_000_000;

const serverAddress = address(SERVER_ADDRESS_RULES, 'use text, such as "tcp://127.0.0.1:9000"');

const server = v.pipe(
  v.union([
    serverAddress,
    section({
      address: described(
        serverAddress,
        `Where the application listens; without a port: ${FASTCGI_PORT}`,
      ),
      ...serverEntries,
    }),
  ], 'use an address such as "tcp://127.0.0.1:9000", or a map with address, weight, backup'),
  v.transform((value) => "address" in value ? value : { address: value, weight: 1, backup: false }),
);

const connections = section({
  max: optional(
    v.union([oneOf(["auto"]), wholeNumber(1, CONNECTIONS_MAX)], CONNECTIONS_REMEDY),
    "Maximum of connections to each server; auto: as many as the application turns out to take, " +
      `up to ${AUTO_SINGLE_MAX} (${AUTO_SHARED_MAX} if requests share them), or as many as a ` +
      "spawned worker takes",
    UPSTREAM.connections.max,
  ),
  streams: optional(
    wholeNumber(1, STREAMS_MAX),
    "Maximum of requests at the same time on one connection that multiplexes",
    UPSTREAM.connections.streamsMax,
  ),
  idle_timeout: optional(
    time(1),
    "Timeout of a connection without requests; default: " +
      `${formatTime(IDLE_TIMEOUT_MULTIPLEXED_MS)} if it multiplexes, ` +
      `else ${formatTime(IDLE_TIMEOUT_SINGLE_MS)}`,
  ),
  max_requests: optional(
    wholeNumber(0, CONNECTION_REQUESTS_MAX),
    "Number of requests after which a connection is closed; 0: no limit",
    UPSTREAM.connections.requestsMax,
  ),
  reuse: optional(
    v.union([oneOf(["auto"]), flag()], "use auto, true or false"),
    "Keep-alive: whether a connection is used again; auto: unless the application closes it, or " +
      "does not reply to FCGI_GET_VALUES",
    UPSTREAM.connections.reuse,
  ),
}, "max");

const queue = section({
  max: optional(
    wholeNumber(0, QUEUE_LENGTH_MAX),
    "Maximum of waiting requests; beyond it: 503",
    UPSTREAM.queue.lengthMax,
  ),
  timeout: optional(
    time(1),
    "Timeout of a waiting request; then 503",
    formatTime(UPSTREAM.queue.timeoutMs),
  ),
}, "max");

const timeouts = section({
  connect: optional(
    time(1),
    "Timeout to connect; then it is tried again, and in the end 504",
    formatTime(UPSTREAM.timeouts.connectMs),
  ),
  first_byte: optional(
    time(1),
    "Timeout for the response to begin (all of its headers); then 504",
    formatTime(UPSTREAM.timeouts.firstByteMs),
  ),
  idle: optional(
    time(1),
    "Timeout between two pieces of a response; then 504, or the response is cut",
    formatTime(UPSTREAM.timeouts.idleMs),
  ),
  total: optional(
    time(),
    "Timeout of a request with all its attempts; then 504, or the response is cut; 0s: no limit",
    formatTime(UPSTREAM.timeouts.totalMs),
  ),
  abort: optional(
    time(1),
    "Timeout for an aborted request to end; then its connection is closed",
    formatTime(UPSTREAM.timeouts.abortMs),
  ),
});

const retry = section({
  attempts: optional(
    wholeNumber(0, RETRIES_MAX),
    "Maximum of retries for each request; 0: none",
    UPSTREAM.retry.attemptsMax,
  ),
  methods: optional(
    methods(),
    "Methods of requests that are retried even if the application may have begun them",
    [...UPSTREAM.retry.methods],
  ),
  same_server: optional(
    flag(),
    "Whether these methods are also retried on the server that lost them, if there is no other: " +
      "the request may be what makes it crash",
    false,
  ),
  delay: optional(
    time(),
    "Delay before a retry on the same server; another server is tried at once",
    formatTime(UPSTREAM.retry.delayMs),
  ),
}, "attempts");

const health = section({
  interval: optional(
    time(),
    "Time between two health checks of a server; 0s: no health checks",
    formatTime(UPSTREAM.health.intervalMs),
  ),
  timeout: optional(
    time(1),
    "Timeout of a health check; then it has failed",
    formatTime(UPSTREAM.health.timeoutMs),
  ),
  rise: optional(
    wholeNumber(1, HEALTH_ANSWERS_MAX),
    "Successful checks in a row after which a server is up again",
    UPSTREAM.health.rise,
  ),
  fall: optional(
    wholeNumber(1, HEALTH_ANSWERS_MAX),
    "Failed checks in a row after which a server is down",
    UPSTREAM.health.fall,
  ),
  script: optional(
    textLike(/^\/[^\s?#]*$/, "use a path, such as /ping"),
    "Script to request, such as ping.path of php-fpm; default: FCGI_GET_VALUES instead of a request",
  ),
  path: optional(
    textLike(/^\/[\x21-\x7e]*$/, "use a path, such as /up"),
    `Path that an HTTP server is asked for with GET; default: "/"`,
  ),
}, "interval");

/** Each that does not answer takes time. */
const NAME_SERVERS_MAX = 8;
const NAME_SERVER_PATTERN =
  /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\])(:[1-9]\d{0,4})?$|^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*$/;
const NAME_SERVERS_REMEDY = "use a list of addresses with or without a port, such as [10.0.0.53]";

const resolve = section({
  ttl: optional(
    time(LOOKUP_TTL_MIN_MS),
    "How long addresses are kept if the name server does not say",
    formatTime(UPSTREAM.resolve.ttlMs),
  ),
  timeout: optional(
    time(1),
    "Timeout of a lookup; then requests get 502",
    formatTime(UPSTREAM.resolve.timeoutMs),
  ),
  family: optional(
    oneOf(["any", "ipv4", "ipv6"]),
    "Which addresses of a name are used",
    UPSTREAM.resolve.family,
  ),
  servers: optional(
    v.pipe(
      list(textLike(NAME_SERVER_PATTERN, NAME_SERVERS_REMEDY), NAME_SERVERS_REMEDY),
      v.maxLength(NAME_SERVERS_MAX, `use at most ${NAME_SERVERS_MAX}`),
    ),
    "Name servers to ask, in turn; default: the system's, and its hosts file",
  ),
});

/** One upstream; its name is the key. */
export const upstreamSchema = section({
  servers: optional(
    list(server, 'use a list of addresses, such as ["tcp://127.0.0.1:9000"]'),
    "Addresses at which the application listens; optional only with spawn or http",
  ),
  ...httpUpstreamEntries,
  spawn: optional(
    spawnSchema,
    "Starts the application, instead of servers; default: it is started by somebody else",
  ),
  multiplex: optional(
    oneOf(["auto", "on", "off"]),
    "Multiplexing: whether requests share a connection; auto: each server is asked once",
    UPSTREAM.multiplex,
  ),
  balance: optional(
    oneOf(BALANCE_MODES),
    "Load balancing: the next server in turn, the one with the fewest requests, or the one that a hash selects",
    "least_requests",
  ),
  hash: optional(
    textLike(/^[A-Za-z_][A-Za-z0-9_]*$/, "use the name of a parameter, such as REMOTE_ADDR"),
    "Parameter for balance: hash; requests with the same value of it go to the same server",
    UPSTREAM.hash,
  ),
  connections: optional(connections, "Connections to each server", {}),
  queue: optional(queue, "Queue of requests that wait for a connection", {}),
  timeouts: optional(timeouts, "Timeouts", {}),
  retry: optional(retry, "Retries of requests that failed", {}),
  params: optional(
    paramsSchema(),
    "Parameters of every request; those of a site and a route take precedence; default: none",
  ),
  health: optional(health, "Active health checks of each server", {}),
  slow_start: optional(
    time(),
    "Time in which a server that is up again grows to its full weight; 0s: at once",
    formatTime(UPSTREAM.slowStartMs),
  ),
  resolve: optional(resolve, "DNS: how names of servers become addresses", {}),
}, (text) => `{ servers: [${asYaml(text)}] }`);
