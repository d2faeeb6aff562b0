/** The key `limits.http`: how long a client of a listener may take, and what that means to it. */
import * as v from "valibot";
import { CONNECTION_TIMEOUTS as TIMEOUTS, type ServerOptions } from "../http1/server.ts";
import { described, section, time } from "./schema_parts.ts";
import { formatTime } from "./units.ts";

export const httpLimitsSchema = section({
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
