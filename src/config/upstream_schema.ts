/** The schema of one upstream: its servers, and how requests get to them. */
import * as v from "valibot";
import { FASTCGI_PORT } from "../runtime/address.ts";
import {
  IDLE_TIMEOUT_MULTIPLEXED_MS,
  IDLE_TIMEOUT_SINGLE_MS,
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
  time,
  wholeNumber,
} from "./schema_parts.ts";
import { formatTime } from "./units.ts";

export const SERVER_ADDRESS_RULES = { defaultPort: FASTCGI_PORT } as const;

/** `hash` is a name of the contract that this version does not carry out. */
const BALANCE_MODES = ["round_robin", "least_requests"] as const;

const CONNECTIONS_MAX = 65_535;
/** Request ids of a connection are 16 bits, and 0 is taken. */
const STREAMS_MAX = 65_535;
const WEIGHT_MAX = 1000;
const RETRIES_MAX = 100;
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

/** One upstream; its name is the key. */
export const upstreamSchema = section({
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
  params: v.optional(
    described(paramsSchema(), "Parameters of every request; a site's and a route's own win"),
  ),
});
