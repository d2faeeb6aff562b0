/** The limits of `serveHttp`: what they are where nothing is said, and what they may be. */
import { HTTP2_LIMIT_DEFAULTS, type Http2Limits } from "../http2/limits.ts";
import { CONNECTION_TIMEOUTS } from "../http1/server.ts";
import type { ServeHttpLimits } from "./options.ts";

export const SERVE_HTTP_LIMIT_DEFAULTS: ServeHttpLimits = {
  maxConnections: 10_000,
  maxRequestsPerConnection: 0,
  headersLengthMax: 64 * 1024,
  handshakeTimeoutMs: CONNECTION_TIMEOUTS.handshakeMs,
  headersTimeoutMs: CONNECTION_TIMEOUTS.headersMs,
  idleTimeoutMs: CONNECTION_TIMEOUTS.idleMs,
  sendTimeoutMs: CONNECTION_TIMEOUTS.sendMs,
};

/** @throws {RangeError} */
export function readLimits(options: Partial<ServeHttpLimits>): ServeHttpLimits {
  return checked(SERVE_HTTP_LIMIT_DEFAULTS, options, "");
}

/**
 * Undefined where there is to be no HTTP/2.
 *
 * @throws {RangeError}
 */
export function readHttp2Limits(http2: boolean | Partial<Http2Limits>): Http2Limits | undefined {
  if (http2 === false) return undefined;
  if (http2 === true) return HTTP2_LIMIT_DEFAULTS;
  // Left out it is that of HTTP/1, so it has no default to be checked with.
  const { headerListMax = Infinity, ...given } = http2;
  const limits = checked(HTTP2_LIMIT_DEFAULTS, given, "http2.");
  requireCount("http2.headerListMax", headerListMax, Infinity);
  return headerListMax === Infinity ? limits : { ...limits, headerListMax };
}

function checked<Limits extends object>(
  defaults: Limits,
  given: Partial<Limits>,
  prefix: string,
): Limits {
  const limits = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Limits & string)[]) {
    const value = given[name] ?? defaults[name];
    requireCount(prefix + name, value as number, defaults[name] as number);
    limits[name] = value;
  }
  return limits;
}

/** Where no bound is the default, 0 means none. */
function requireCount(name: string, value: number, byDefault: number): void {
  const least = byDefault === 0 ? 0 : 1;
  if (typeof value === "number" && value >= least) return;
  throw new RangeError(`Cannot serve HTTP: ${name} "${value}" is not ${least} or more`);
}
