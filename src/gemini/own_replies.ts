/** Responses that afcgi makes itself, and the one place where an error becomes a Gemini code. */
import { FileError } from "../runtime/file_error.ts";
import { UpstreamError, type UpstreamErrorCode } from "../upstream/errors.ts";
import type { GeminiHeader } from "./response_header.ts";
import type { GeminiReply, GeminiReplyCode, GeminiRequest } from "./request.ts";

const UPSTREAM_CODE: Readonly<Record<UpstreamErrorCode, number>> = {
  connect_failed: 43,
  connect_timeout: 43,
  local_limit: 40,
  lookup_failed: 43,
  servers_down: 41,
  queue_full: 41,
  queue_timeout: 41,
  // Gemini has no tunnels.
  tunnels_full: 41,
  send_timeout: 42,
  // A Gemini request has no body.
  request_body_timeout: 40,
  request_body_failed: 40,
  first_byte_timeout: 42,
  idle_timeout: 42,
  total_timeout: 42,
  connection_lost: 42,
  bad_record: 43,
  bad_answer: 42,
  answer_too_large: 42,
  spill_failed: 41,
  memory_full: 41,
  overloaded: 41,
  cannot_multiplex: 43,
  unknown_role: 43,
  // Nobody reads it.
  client_gone: 40,
  slow_client: 40,
  draining: 41,
};

const REASONS: Readonly<Record<number, string>> = {
  40: "Temporary failure",
  41: "Server unavailable",
  42: "Application failed",
  43: "Application not reached",
  51: "Not found",
  53: "Proxy request refused",
  59: "Bad request",
};

/** A response without a body, and its code in the request's trace. */
export function ownReply(
  request: Pick<GeminiRequest, "trace">,
  code: GeminiReplyCode,
  header: GeminiHeader,
): GeminiReply {
  request.trace.code = code;
  return { header, body: null };
}

/** The header for a code in words that say nothing of the machine. */
export function plainHeader(code: number): GeminiHeader {
  return { code, meta: REASONS[code] ?? "Error" };
}

/** The response to an error on the way to the application or back. */
export function errorReply(request: Pick<GeminiRequest, "trace">, error: unknown): GeminiReply {
  if (error instanceof FileError) {
    return ownReply(request, error.isExhausted ? "local_limit" : "file_error", plainHeader(40));
  }
  if (!(error instanceof UpstreamError)) {
    return ownReply(request, "internal_error", plainHeader(40));
  }
  return ownReply(request, error.code, plainHeader(UPSTREAM_CODE[error.code]));
}
