/**
 * What to say of a connection that could not be made, or that ended with requests on it.
 */
import { ProtocolError, type ProtocolErrorCode } from "../protocol/errors.ts";
import { ConnectError } from "../runtime/network.ts";
import { errorText, UpstreamError, type UpstreamErrorCode } from "./errors.ts";

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
  let error: UpstreamError;
  if (!end.connected) {
    error = end.timedOut
      ? new UpstreamError("connect_timeout", `Cannot connect to ${address} in time`, {
        phase: "connect",
        cause,
      })
      : connectError(address, cause);
  } else if (cause instanceof ProtocolError && HTTP_CODES[cause.code] !== undefined) {
    error = new UpstreamError(HTTP_CODES[cause.code]!, `${address}: ${cause.message}`, {
      phase: "first_byte",
      sent: true,
      cause,
    });
  } else if (cause instanceof ProtocolError) {
    error = new UpstreamError(
      "bad_record",
      `Cannot understand ${address}: ${cause.message} (does it speak FastCGI?)`,
      { phase: "first_byte", sent: true, cause },
    );
  } else {
    const why = cause === undefined ? "the application closed it" : errorText(cause);
    error = new UpstreamError("connection_lost", `Lost the connection to ${address}: ${why}`, {
      phase: "first_byte",
      sent: true,
      cause,
    });
  }
  error.server = address;
  return error;
}

function connectError(address: string, cause: unknown): UpstreamError {
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

/** A client is so slow that its response held up what others wait for. */
export function slowClientError(address: string): UpstreamError {
  const message = `The client read too slowly, and others waited for its connection to ${address}`;
  return new UpstreamError("slow_client", message, { phase: "body", fault: "client", sent: true });
}

function connectText(address: string, cause: unknown): string {
  const text = errorText(cause);
  return cause instanceof ConnectError && text.includes(address)
    ? text
    : `Cannot connect to ${address}: ${text}`;
}
