/**
 * What to say of an exchange that ran out of time, was refused by the application, or has a
 * response that cannot be used.
 */
import { ProtocolStatus, type Role, roleName } from "../protocol/constants.ts";
import type { ProtocolError } from "../protocol/errors.ts";
import { errorText, type ExchangePhase, UpstreamError, type UpstreamErrorCode } from "./errors.ts";
import type { UpstreamOptions } from "./options.ts";
import type { BodyState } from "./stream_handler.ts";

/** How far the exchange had come. */
export interface ExchangeReport {
  readonly phase: ExchangePhase;
  readonly role: Role;
  /** Undefined while no server was picked. */
  readonly server: string | undefined;
  readonly options: UpstreamOptions;
  /** Part of the application's response has come. */
  readonly responseHasBegun: boolean;
  /** All of the header section that is no interim response. */
  readonly headersAreComplete: boolean;
  readonly isTunnel: boolean;
  readonly bodyState: BodyState;
  /** The time for the whole request is over, not that of a phase. */
  readonly isTotal: boolean;
}

export function exchangeError(
  state: ExchangeReport,
  code: UpstreamErrorCode,
  message: string,
  options: { readonly fault?: "client"; readonly cause?: unknown } = {},
): UpstreamError {
  const { phase } = state;
  const sent = phase !== "queue" && phase !== "connect";
  return new UpstreamError(code, message, { phase, sent, ...options });
}

/** A time limit has passed. */
export function timeoutError(state: ExchangeReport): UpstreamError {
  const { timeouts, queue, name } = state.options;
  const server = state.server ?? `upstream "${name}"`;
  const fail = (code: UpstreamErrorCode, message: string) => exchangeError(state, code, message);
  if (state.isTotal) {
    return fail("total_timeout", `Not done with ${server} within ${timeouts.totalMs} ms`);
  }
  if (state.phase === "queue") {
    return fail("queue_timeout", `No room at ${server} within ${queue.timeoutMs} ms`);
  }
  if (state.isTunnel) {
    const forMs = `for ${state.options.tunnels.idleMs} ms`;
    return fail("idle_timeout", `Nothing went through the tunnel with ${server} ${forMs}`);
  }
  if (state.headersAreComplete) {
    return fail("idle_timeout", `Nothing more from ${server} for ${timeouts.idleMs} ms`);
  }
  const forMs = `for ${timeouts.firstByteMs} ms`;
  switch (state.bodyState) {
    case "from_client": {
      const message = `Nothing more of the request's body from the client ${forMs}`;
      return exchangeError(state, "request_body_timeout", message, { fault: "client" });
    }
    case "to_application":
      return fail("send_timeout", `${server} took nothing more of the request's body ${forMs}`);
    case "sent":
      return fail("first_byte_timeout", `No response from ${server} ${forMs}`);
  }
}

/** END_REQUEST with another status than REQUEST_COMPLETE (section 5.5). */
export function statusError(state: ExchangeReport, protocolStatus: number): UpstreamError {
  const { server } = state;
  const fail = (code: UpstreamErrorCode, message: string) => exchangeError(state, code, message);
  // Only before its response does an application say that it has not looked at the request.
  if (state.responseHasBegun) return fail("bad_answer", `${server} gave up its response halfway`);
  switch (protocolStatus) {
    case ProtocolStatus.CANT_MPX_CONN:
      return fail("cannot_multiplex", `${server} does not take requests side by side`);
    case ProtocolStatus.OVERLOADED:
      return fail("overloaded", `${server} is overloaded`);
    case ProtocolStatus.UNKNOWN_ROLE:
      return fail("unknown_role", `${server} does not know the role ${roleName(state.role)}`);
    default:
      return fail(
        "bad_answer",
        `${server} ended the request with unknown status ${protocolStatus}`,
      );
  }
}

/** The header section of the response cannot be read. */
export function headersError(state: ExchangeReport, cause: ProtocolError): UpstreamError {
  const code = cause.code === "cgi_header_too_large" ? "answer_too_large" : "bad_answer";
  return exchangeError(state, code, cause.message, { cause });
}

/** The application has finished without a whole header section. */
export function noHeadersError(state: ExchangeReport, appStatus: number): UpstreamError {
  const what = state.responseHasBegun
    ? "the header section of its response is unfinished"
    : "it said nothing";
  const status = appStatus === 0 ? "" : ` (application status ${appStatus})`;
  const message = `Cannot use the response of ${state.server}: ${what}${status}`;
  return exchangeError(state, "bad_answer", message);
}

/** The body has not the length that the header section declares. */
export function lengthError(state: ExchangeReport, cause: string): UpstreamError {
  const message = `Cannot pass on the response of ${state.server}: ${cause}`;
  return exchangeError(state, "bad_answer", message);
}

export function excessFlaw(declared: number | undefined): string {
  return `The response is longer than its Content-Length of ${declared}: the rest is dropped`;
}

/** Fields came again of which a client can only take one. */
export function repeatedFlaw(names: readonly string[]): string {
  const shown = [...new Set(names)].map((name) => `"${name}"`).join(", ");
  return `The response has ${shown} more than once: the first counts`;
}

/** The client has left; `sent` says whether the application may know of its request. */
export function clientGone(phase: ExchangePhase, sent: boolean): UpstreamError {
  return new UpstreamError("client_gone", "The client left before its response was complete", {
    phase,
    fault: "client",
    sent,
  });
}

/** The client's body stopped short or broke a rule; a body that is not a client's says it itself. */
export function bodyFailed(cause: unknown): UpstreamError {
  if (cause instanceof UpstreamError) return cause;
  return new UpstreamError("request_body_failed", "Cannot read the request's body", {
    phase: "send",
    fault: "client",
    sent: true,
    cause,
  });
}

/** Something went wrong on our side. */
export function slipError(phase: ExchangePhase, cause: unknown): UpstreamError {
  const message = `Lost the request: ${errorText(cause)}`;
  return new UpstreamError("connection_lost", message, {
    phase,
    fault: "local",
    sent: true,
    cause,
  });
}

/** The connection was lost, and a request with it that had come so far. */
export function lossIn(phase: ExchangePhase, loss: UpstreamError): UpstreamError {
  const { code, message, fault, byHabit, cause } = loss;
  const connected = loss.phase !== "connect";
  return new UpstreamError(code, message, {
    phase: connected ? phase : "connect",
    fault,
    sent: connected && loss.sent,
    byHabit,
    cause,
  });
}
