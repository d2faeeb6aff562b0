/** The key `limits.http`: how long a client of a listener may take, and what that means to it. */
import * as v from "valibot";
import { CONNECTION_TIMEOUTS as TIMEOUTS, type ServerOptions } from "../http1/server.ts";
import type { ClientOptions } from "../app/client_bounds.ts";
import { WHEN_FULL } from "../app/client_connections.ts";
import { described, oneOf, section, time, wholeNumber } from "./schema_parts.ts";
import { formatTime } from "./units.ts";

const COUNT_MAX = 10_000_000;

export const httpLimitsSchema = section({
  connections: v.optional(
    described(
      wholeNumber(1, COUNT_MAX),
      "Most connections of clients at once, Gemini's too; left out: as many as file descriptors allow",
    ),
  ),
  connections_per_address: v.optional(
    described(
      wholeNumber(1, COUNT_MAX),
      "Most of one address (of IPv6 a /64), but for trusted proxies; left out: half of all",
    ),
  ),
  when_full: v.optional(
    described(
      oneOf(WHEN_FULL),
      "What becomes of more: they get 503 and are closed, or wait until others have gone (Bun on Linux)",
    ),
    "refuse",
  ),
  requests_per_connection: v.optional(
    described(wholeNumber(0, COUNT_MAX), "Requests after which a connection is closed; 0: never"),
    0,
  ),
  handshake_timeout: v.optional(
    described(time(1), "Longest wait for a client's TLS handshake; then it is cut"),
    formatTime(TIMEOUTS.handshakeMs),
  ),
  head_timeout: v.optional(
    described(
      time(1),
      "Longest wait for a request's head, once it has begun, or the connection has and nothing came; then 408, or a close",
    ),
    formatTime(TIMEOUTS.headMs),
  ),
  idle_timeout: v.optional(
    described(
      time(1),
      "How long a connection without request stays open; a balancer before it should have less",
    ),
    formatTime(TIMEOUTS.idleMs),
  ),
  send_timeout: v.optional(
    described(time(1), "Longest wait for a client to take some of its answer; then it is cut"),
    formatTime(TIMEOUTS.sendMs),
  ),
  close_timeout: v.optional(
    described(time(1), "Longest wait for a client to close behind its last answer; then it is cut"),
    formatTime(TIMEOUTS.closeMs),
  ),
});

/** What of `limits.http` is about connections. */
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
    headMs: limits.head_timeout,
    idleMs: limits.idle_timeout,
    sendMs: limits.send_timeout,
    closeMs: limits.close_timeout,
  };
}
