/** The key `limits.http`: how long a client of a listener may take, and what that means to it. */
import type * as v from "valibot";
import { CONNECTION_TIMEOUTS as TIMEOUTS, type ServerOptions } from "../http1/server.ts";
import type { ClientOptions } from "../app/client_bounds.ts";
import { WHEN_FULL } from "../app/client_connections.ts";
import { oneOf, optional, section, time, wholeNumber } from "./schema_parts.ts";
import { formatTime } from "./units.ts";

const COUNT_MAX = 10_000_000;

export const httpLimitsSchema = section({
  connections: optional(
    wholeNumber(1, COUNT_MAX),
    "Maximum of client connections, those of Gemini included; default: as many as file descriptors allow",
  ),
  connections_per_address: optional(
    wholeNumber(1, COUNT_MAX),
    "Maximum of client connections from one address (IPv6: /64), trusted proxies excepted; default: half of connections",
  ),
  when_full: optional(
    oneOf(WHEN_FULL),
    "Beyond the maximum: refuse with 503, or wait until others have gone (Bun on Linux)",
    "refuse",
  ),
  requests_per_connection: optional(
    wholeNumber(0, COUNT_MAX),
    "Number of requests after which a connection is closed; 0: never",
    0,
  ),
  handshake_timeout: optional(
    time(1),
    "Timeout of a TLS handshake; then the connection is closed",
    formatTime(TIMEOUTS.handshakeMs),
  ),
  head_timeout: optional(
    time(1),
    "Timeout for the headers of a request, from their first byte; then 408",
    formatTime(TIMEOUTS.headersMs),
  ),
  idle_timeout: optional(
    time(1),
    "Timeout of a connection without a request, a new one or a kept one; that of a load balancer in front should be shorter",
    formatTime(TIMEOUTS.idleMs),
  ),
  send_timeout: optional(
    time(1),
    "Timeout for a client to read some of its response; then the connection is closed",
    formatTime(TIMEOUTS.sendMs),
  ),
  close_timeout: optional(
    time(1),
    "Timeout for a client to close after its last response; then the connection is closed",
    formatTime(TIMEOUTS.closeMs),
  ),
});

export function clientOptions(limits: v.InferOutput<typeof httpLimitsSchema>): ClientOptions {
  const { connections, connections_per_address: perAddress } = limits;
  return {
    ...(connections !== undefined && { connectionsMax: connections }),
    ...(perAddress !== undefined && { connectionsPerAddressMax: perAddress }),
    whenFull: limits.when_full,
    requestsPerConnectionMax: limits.requests_per_connection,
  };
}

/** The checked values of `limits.http`. */
export function httpTimeouts(
  limits: v.InferOutput<typeof httpLimitsSchema>,
): NonNullable<ServerOptions["timeouts"]> {
  return {
    handshakeMs: limits.handshake_timeout,
    headersMs: limits.head_timeout,
    idleMs: limits.idle_timeout,
    sendMs: limits.send_timeout,
    closeMs: limits.close_timeout,
  };
}
