/**
 * Requests that our HTTP server could not read. Each gets a short body and an id as every response
 * of our own, is counted, and leaves one log line with a stable code; there is no access line, for
 * there was no request. Where it was the body that could not be read, the request has both already.
 */
import type { Logger } from "../observe/logger.ts";
import type { BytesResponse } from "../runtime/http_response.ts";
import type { HttpPeer } from "../runtime/connection.ts";
import { ownBytesResponse } from "./own_responses.ts";
import type { ErrorCode } from "./request_context.ts";
import type { HttpMetrics } from "./http_metrics.ts";
import type { RequestIdSource } from "./request_id.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

const CODES = {
  400: "bad_request",
  408: "request_header_timeout",
  417: "unknown_expectation",
  431: "request_header_too_large",
  501: "unknown_transfer_coding",
  505: "unknown_http_version",
} as const satisfies Readonly<Record<number, ErrorCode>>;

export interface UnreadDeps {
  readonly requestIds: RequestIdSource;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
}

interface ReadError {
  readonly status: keyof typeof CODES;
  readonly message: string;
}

/** Makes the responses; `request` is there when its header section could be read. */
export function createRefusals(
  { requestIds, metrics, log }: UnreadDeps,
): (error: ReadError, peer: HttpPeer, request?: HttpRequest) => BytesResponse {
  return ({ status, message }, peer, request) => {
    const id = requestIds.next();
    const code = CODES[status];
    log.info(message, { request_id: id, method: request?.method, client: peer.host, status, code });
    if (request === undefined) metrics.onUnread(status);
    return ownBytesResponse(id, request?.headers.get("accept") ?? null, { status, code });
  };
}
