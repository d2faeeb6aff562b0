/** The schema of one upstream: its servers, and how requests get to them. */
import * as v from "valibot";
import { FASTCGI_PORT } from "../runtime/address.ts";
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
      wholeNumber(1, CONNECTIONS_MAX),
      "Most connections to each server; keep it below pm.max_children of php-fpm; left out: " +
        `${UPSTREAM.connections.max}, or what a spawned worker takes at once`,
    ),
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

const health = section({
  interval: v.optional(
    described(time(), "From one question to the next, for each server; 0s: nobody asks"),
    formatTime(UPSTREAM.health.intervalMs),
  ),
  timeout: v.optional(
    described(time(1), "For a question and its answer"),
    formatTime(UPSTREAM.health.timeoutMs),
  ),
  rise: v.optional(
    described(
      wholeNumber(1, HEALTH_ANSWERS_MAX),
      "Good answers in a row after which a server that was down is up",
    ),
    UPSTREAM.health.rise,
  ),
  fall: v.optional(
    described(wholeNumber(1, HEALTH_ANSWERS_MAX), "Failures in a row after which it is down"),
    UPSTREAM.health.fall,
  ),
  script: v.optional(
    described(
      textLike(/^\/[^\s?#]*$/, "use a path, such as /ping"),
      "The script to ask, such as ping.path of php-fpm; left out: FCGI_GET_VALUES",
    ),
  ),
});

/** Each that does not answer takes time. */
const NAME_SERVERS_MAX = 8;
const NAME_SERVER_PATTERN =
  /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\])(:[1-9]\d{0,4})?$|^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*$/;
const NAME_SERVERS_REMEDY = "use a list of addresses with or without a port, such as [10.0.0.53]";

const resolve = section({
  ttl: v.optional(
    described(
      time(LOOKUP_TTL_MIN_MS),
      "How long addresses are good where the name service does not say",
    ),
    formatTime(UPSTREAM.resolve.ttlMs),
  ),
  timeout: v.optional(
    described(time(1), "How long requests wait for the addresses of a name"),
    formatTime(UPSTREAM.resolve.timeoutMs),
  ),
  family: v.optional(
    described(oneOf(["any", "ipv4", "ipv6"]), "Which addresses of a name are servers"),
    UPSTREAM.resolve.family,
  ),
  servers: v.optional(
    described(
      v.pipe(
        list(textLike(NAME_SERVER_PATTERN, NAME_SERVERS_REMEDY), NAME_SERVERS_REMEDY),
        v.maxLength(NAME_SERVERS_MAX, `use at most ${NAME_SERVERS_MAX}`),
      ),
      "Name servers to ask; left out: as the system does, with its hosts file",
    ),
  ),
});

/** One upstream; its name is the key. */
export const upstreamSchema = section({
  servers: v.optional(
    described(
      list(server, 'use a list of addresses, such as ["tcp://127.0.0.1:9000"]'),
      "The addresses at which the application listens; left out only with spawn",
    ),
  ),
  spawn: v.optional(described(spawnSchema, "Starts the application, instead of servers")),
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
  hash: v.optional(
    described(
      textLike(/^[A-Za-z_][A-Za-z0-9_]*$/, "use the name of a parameter, such as REMOTE_ADDR"),
      "The parameter whose value decides with balance: hash, such as HTTP_X_USER",
    ),
    UPSTREAM.hash,
  ),
  connections: v.optional(described(connections, "Connections to each server"), {}),
  queue: v.optional(described(queue, "Requests that wait for a connection"), {}),
  timeouts: v.optional(described(timeouts, "How long each part may take"), {}),
  retry: v.optional(described(retry, "What is tried again when it failed"), {}),
  params: v.optional(
    described(paramsSchema(), "Parameters of every request; a site's and a route's own win"),
  ),
  health: v.optional(described(health, "Asks each server again and again how it is"), {}),
  slow_start: v.optional(
    described(
      time(),
      "In which a server that came back grows to its full share; 0s: it has it at once",
    ),
    formatTime(UPSTREAM.slowStartMs),
  ),
  resolve: v.optional(described(resolve, "How names of servers become addresses"), {}),
});
