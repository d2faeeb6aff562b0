/**
 * What to say of a connection that could not be made, or that ended with requests on it.
 */
import { ProtocolError, type ProtocolErrorCode } from "../protocol/errors.ts";
import { ConnectError } from "../runtime/network.ts";
import { errorText, UpstreamError, type UpstreamErrorCode } from "./errors.ts";
import type { UpstreamFlaw } from "./observer.ts";

/** What HTTP's errors are for an upstream. */
const HTTP_CODES: { readonly [code in ProtocolErrorCode]?: UpstreamErrorCode } = {
  bad_http_response: "bad_answer",
  http_header_too_large: "answer_too_large",
};

export interface ConnectionEnd {
  readonly address: string;
  /** Whether the connection ever stood. */
  readonly connected: boolean;
  readonly timedOut?: boolean;
  /** What broke; undefined when the application closed it. */
  readonly cause: unknown;
}

export function connectionError(end: ConnectionEnd): UpstreamError {
  const { address, cause } = end;
  const error = end.connected ? brokenError(address, cause) : connectError(end);
  error.server = address;
  return error;
}

function brokenError(address: string, cause: unknown): UpstreamError {
  const options = { phase: "first_byte", sent: true, cause } as const;
  if (!(cause instanceof ProtocolError)) {
    const why = cause === undefined ? "the application closed it" : errorText(cause);
    const text = `Lost the connection to ${address}: ${why}`;
    return new UpstreamError("connection_lost", text, options);
  }
  const code = HTTP_CODES[cause.code];
  if (code !== undefined) return new UpstreamError(code, `${address}: ${cause.message}`, options);
  const text = `Cannot understand ${address}: ${cause.message} (does it speak FastCGI?)`;
  return new UpstreamError("bad_record", text, options);
}

function connectError({ address, timedOut, cause }: ConnectionEnd): UpstreamError {
  if (timedOut) {
    const text = `Cannot connect to ${address} in time`;
    return new UpstreamError("connect_timeout", text, { phase: "connect", cause });
  }
  const text = connectText(address, cause);
  return isLocal(cause)
    ? new UpstreamError("local_limit", text, { phase: "connect", fault: "local", cause })
    : new UpstreamError("connect_failed", text, { phase: "connect", cause });
}

/** Whether it failed for want of something of our own: that says nothing of the server. */
export function isLocal(cause: unknown): boolean {
  return cause instanceof ConnectError && cause.failure === "local";
}

/** Alive, but without room for another connection: no reason to pass the server over. */
export function isFull({ cause }: UpstreamError): boolean {
  return cause instanceof ConnectError && cause.failure === "full";
}

/** The same loss for a request of which nothing was given to the system, or that broke nothing. */
export function lossError(
  loss: UpstreamError,
  { sent, byHabit }: { readonly sent: boolean; readonly byHabit: boolean },
): UpstreamError {
  if (sent && !byHabit) return loss;
  const { code, message, phase, cause, server } = loss;
  const error = new UpstreamError(code, message, { phase, sent, byHabit, cause });
  error.server = server;
  return error;
}

export function slowClientError(address: string): UpstreamError {
  const message = `The client read too slowly, and others waited for its connection to ${address}`;
  return new UpstreamError("slow_client", message, { phase: "body", fault: "client", sent: true });
}

export function unknownRecord(upstream: string, server: string, type: number): UpstreamFlaw {
  const message = `Skipped a record of unknown type ${type}`;
  return { upstream, server, code: "unknown_record", message };
}

function connectText(address: string, cause: unknown): string {
  const text = errorText(cause);
  return cause instanceof ConnectError && text.includes(address)
    ? text
    : `Cannot connect to ${address}: ${text}`;
}
