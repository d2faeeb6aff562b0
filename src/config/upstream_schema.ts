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
import { paramsSchema } from "./params_schema.ts";
import {
  address,
  asYaml,
  described,
  flag,
  list,
  methods,
  oneOf,
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
const WEIGHT_MAX = 1000;
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
      weight: v.optional(
        described(
          wholeNumber(1, WEIGHT_MAX),
          "Its share of the requests: with 2 it gets twice as many as with 1",
        ),
        1,
      ),
      backup: v.optional(
        described(flag(), "Whether it is used only while no other server is up"),
        false,
      ),
    }),
  ], 'use an address such as "tcp://127.0.0.1:9000", or a map with address, weight, backup'),
  v.transform((value) => "address" in value ? value : { address: value, weight: 1, backup: false }),
);

const connections = section({
  max: v.optional(
    described(
      v.union([oneOf(["auto"]), wholeNumber(1, CONNECTIONS_MAX)], CONNECTIONS_REMEDY),
      "Most connections to each server; auto: as many as the application is found to take, at most " +
        `${AUTO_SINGLE_MAX} (${AUTO_SHARED_MAX} where requests share them), or what a spawned worker ` +
        "takes at once",
    ),
    UPSTREAM.connections.max,
  ),
  streams: v.optional(
    described(
      wholeNumber(1, STREAMS_MAX),
      "Most requests at once on a connection that multiplexes",
    ),
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
      "Requests after which a connection is closed and made anew; 0: no limit",
    ),
    UPSTREAM.connections.requestsMax,
  ),
  reuse: v.optional(
    described(
      v.union([oneOf(["auto"]), flag()], "use auto, true or false"),
      "Whether connections are kept; false: one for each request, closed after it; auto: unless the " +
        "application closes them all the same, or does not answer FCGI_GET_VALUES",
    ),
    UPSTREAM.connections.reuse,
  ),
}, "max");

const queue = section({
  max: v.optional(
    described(
      wholeNumber(0, QUEUE_LENGTH_MAX),
      "Most requests that wait for a connection; one more gets 503",
    ),
    UPSTREAM.queue.lengthMax,
  ),
  timeout: v.optional(
    described(time(1), "Longest wait for a connection; then the request gets 503"),
    formatTime(UPSTREAM.queue.timeoutMs),
  ),
}, "max");

const timeouts = section({
  connect: v.optional(
    described(
      time(1),
      "Longest wait for a connection to stand; then it is tried again, at last 504",
    ),
    formatTime(UPSTREAM.timeouts.connectMs),
  ),
  first_byte: v.optional(
    described(time(1), "Longest wait for the first byte of the answer; then 504"),
    formatTime(UPSTREAM.timeouts.firstByteMs),
  ),
  idle: v.optional(
    described(
      time(1),
      "Longest wait between two pieces of an answer; then 504, or the answer is cut",
    ),
    formatTime(UPSTREAM.timeouts.idleMs),
  ),
  total: v.optional(
    described(
      time(),
      "Longest time of a request with its attempts; then 504, or the answer is cut; 0s: no limit",
    ),
    formatTime(UPSTREAM.timeouts.totalMs),
  ),
  abort: v.optional(
    described(
      time(1),
      "Longest wait for the end of a request that was aborted; then its connection is closed",
    ),
    formatTime(UPSTREAM.timeouts.abortMs),
  ),
});

const retry = section({
  attempts: v.optional(
    described(wholeNumber(0, RETRIES_MAX), "How many times a request is tried again; 0: never"),
    UPSTREAM.retry.attemptsMax,
  ),
  methods: v.optional(
    described(
      methods(),
      "Methods of which a request is sent again even if the application may have seen it",
    ),
    [...UPSTREAM.retry.methods],
  ),
  same_server: v.optional(
    described(
      flag(),
      "Whether these methods are also repeated on the server that lost them, where there is no " +
        "other: the request may be what makes it crash",
    ),
    false,
  ),
  delay: v.optional(
    described(time(), "Wait before the same server is tried again; another one is tried at once"),
    formatTime(UPSTREAM.retry.delayMs),
  ),
}, "attempts");

const health = section({
  interval: v.optional(
    described(time(), "Time from one question to the next, for each server; 0s: nobody asks"),
    formatTime(UPSTREAM.health.intervalMs),
  ),
  timeout: v.optional(
    described(time(1), "Longest wait for an answer; then it counts as a failure"),
    formatTime(UPSTREAM.health.timeoutMs),
  ),
  rise: v.optional(
    described(
      wholeNumber(1, HEALTH_ANSWERS_MAX),
      "Good answers in a row after which a server that was down is used again",
    ),
    UPSTREAM.health.rise,
  ),
  fall: v.optional(
    described(
      wholeNumber(1, HEALTH_ANSWERS_MAX),
      "Failures in a row after which a server counts as down",
    ),
    UPSTREAM.health.fall,
  ),
  script: v.optional(
    described(
      textLike(/^\/[^\s?#]*$/, "use a path, such as /ping"),
      "The script to ask, such as ping.path of php-fpm; left out: FCGI_GET_VALUES is asked",
    ),
  ),
}, "interval");

/** Each that does not answer takes time. */
const NAME_SERVERS_MAX = 8;
const NAME_SERVER_PATTERN =
  /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\])(:[1-9]\d{0,4})?$|^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*$/;
const NAME_SERVERS_REMEDY = "use a list of addresses with or without a port, such as [10.0.0.53]";

const resolve = section({
  ttl: v.optional(
    described(
      time(LOOKUP_TTL_MIN_MS),
      "How long the addresses of a name are good where the name service does not say",
    ),
    formatTime(UPSTREAM.resolve.ttlMs),
  ),
  timeout: v.optional(
    described(time(1), "Longest wait for the addresses of a name; then requests get 502"),
    formatTime(UPSTREAM.resolve.timeoutMs),
  ),
  family: v.optional(
    described(oneOf(["any", "ipv4", "ipv6"]), "Which addresses of a name become servers"),
    UPSTREAM.resolve.family,
  ),
  servers: v.optional(
    described(
      v.pipe(
        list(textLike(NAME_SERVER_PATTERN, NAME_SERVERS_REMEDY), NAME_SERVERS_REMEDY),
        v.maxLength(NAME_SERVERS_MAX, `use at most ${NAME_SERVERS_MAX}`),
      ),
      "Name servers to ask, in turn; left out: those of the system, and its hosts file",
    ),
  ),
});

/** One upstream; its name is the key. */
export const upstreamSchema = section({
  servers: v.optional(
    described(
      list(server, 'use a list of addresses, such as ["tcp://127.0.0.1:9000"]'),
      "Where the application listens, at one address or more; left out only with spawn",
    ),
  ),
  spawn: v.optional(
    described(
      spawnSchema,
      "Starts the application, in place of servers; left out: it runs by itself",
    ),
  ),
  multiplex: v.optional(
    described(
      oneOf(["auto", "on", "off"]),
      "Whether requests share a connection; auto: each server is asked once",
    ),
    UPSTREAM.multiplex,
  ),
  balance: v.optional(
    described(
      oneOf(BALANCE_MODES),
      "Which server gets a request: the next in turn, that with the fewest, or that of a hash",
    ),
    "least_requests",
  ),
  hash: v.optional(
    described(
      textLike(/^[A-Za-z_][A-Za-z0-9_]*$/, "use the name of a parameter, such as REMOTE_ADDR"),
      "With balance: hash, requests with the same value of this parameter go to the same server",
    ),
    UPSTREAM.hash,
  ),
  connections: v.optional(described(connections, "Connections to each server"), {}),
  queue: v.optional(described(queue, "Requests that wait for a connection"), {}),
  timeouts: v.optional(described(timeouts, "How long each part of a request may take"), {}),
  retry: v.optional(described(retry, "Which requests are tried again when they failed"), {}),
  params: v.optional(
    described(
      paramsSchema(),
      "Parameters of every request; a site's and a route's own win; left out: none",
    ),
  ),
  health: v.optional(described(health, "Asks each server again and again whether it is well"), {}),
  slow_start: v.optional(
    described(
      time(),
      "Time in which a server that came back grows to its full share; 0s: it has it at once",
    ),
    formatTime(UPSTREAM.slowStartMs),
  ),
  resolve: v.optional(described(resolve, "How names of servers become addresses"), {}),
}, (text) => `{ servers: [${asYaml(text)}] }`);
