/**
 * Responses that afcgi makes itself, and the one place where an error becomes an HTTP status. Each
 * has a short body as `Accept` asks (text, HTML or JSON) and `X-Request-Id`.
 */
import { utf8 } from "../protocol/byte_buffer.ts";
import { errorPage } from "../pages/error_page.ts";
import { PAGE_POLICY } from "../pages/page.ts";
import { STATUS_PHRASES } from "../protocol/status_phrases.ts";
import { FileError } from "../runtime/file_error.ts";
import { BytesResponse } from "../runtime/http_response.ts";
import { UpstreamError, type UpstreamErrorCode } from "../upstream/errors.ts";
import { RequestBodyTooLargeError } from "./body_limit.ts";
import type { ErrorCode, ErrorTrace, OwnResponse, RequestContext } from "./request_context.ts";

/** Seconds after which a client may try again. */
const RETRY_AFTER_S = 1;

const UPSTREAM_STATUS: Readonly<Record<UpstreamErrorCode, number>> = {
  connect_failed: 502,
  connect_timeout: 504,
  // We are out of descriptors or ports; the application may be well.
  local_limit: 503,
  lookup_failed: 502,
  servers_down: 503,
  queue_full: 503,
  queue_timeout: 503,
  tunnels_full: 503,
  send_timeout: 504,
  request_body_timeout: 408,
  // We could not keep it; a body that its client broke off is "client_gone".
  request_body_failed: 500,
  first_byte_timeout: 504,
  idle_timeout: 504,
  total_timeout: 504,
  connection_lost: 502,
  bad_record: 502,
  bad_answer: 502,
  answer_too_large: 502,
  // No space on the disk, or none left of what it may take: that passes.
  spill_failed: 503,
  memory_full: 503,
  overloaded: 503,
  cannot_multiplex: 502,
  unknown_role: 502,
  // Nobody reads it; the number is nginx's, for the log.
  client_gone: 499,
  // Nobody reads it either: its response had begun.
  slow_client: 499,
  draining: 503,
};

/** The response to an error on the way to the application or back. */
export function responseForError(error: unknown): OwnResponse {
  if (error instanceof FileError) return responseForFileError(error);
  if (!(error instanceof UpstreamError)) return { status: 500, code: "internal_error" };
  if (error.cause instanceof RequestBodyTooLargeError) {
    return { status: 413, code: "request_body_too_large" };
  }
  if (error.cause instanceof FileError) return responseForFileError(error.cause);
  return { status: UPSTREAM_STATUS[error.code], code: error.code };
}

/** Nobody could tell whether the file is there: never a 404, which others may keep. */
function responseForFileError({ isExhausted }: FileError): OwnResponse {
  return isExhausted ? { status: 503, code: "local_limit" } : { status: 500, code: "file_error" };
}

/** The response, and its code in the request's trace. */
export function ownResponse(
  context: Pick<RequestContext, "id" | "trace" | "method">,
  accept: string | null,
  own: OwnResponse,
): Response {
  const { status, code } = own;
  const trace: ErrorTrace = context.trace;
  trace.code = code;
  const { type, text } = render(context.id, accept ?? "", status, code);
  const headers: Record<string, string> = {
    ...own.headers,
    "content-type": type,
    // All of it is ASCII.
    "content-length": String(text.length),
    "cache-control": "no-store",
    "x-request-id": context.id,
  };
  if (type === HTML_TYPE) headers["content-security-policy"] = PAGE_POLICY;
  if (status === 503) headers["retry-after"] = String(RETRY_AFTER_S);
  return new Response(context.method === "HEAD" ? null : text, { status, headers });
}

/** As {@link ownResponse}, in plain values and for what is no request yet. */
export function ownBytesResponse(
  id: string,
  accept: string | null,
  { status, code }: OwnResponse,
): BytesResponse {
  const { type, text } = render(id, accept ?? "", status, code);
  const fields: [string, string][] = [
    ["content-type", type],
    ["cache-control", "no-store"],
    ["x-request-id", id],
  ];
  if (type === HTML_TYPE) fields.push(["content-security-policy", PAGE_POLICY]);
  return new BytesResponse(status, fields, utf8(text));
}

/** The kinds of body that we make, with the media types that ask for them. */
const KINDS: readonly (readonly [kind: BodyKind, asked: RegExp])[] = [
  ["json", /^application\/(?:[\w.-]+\+)?json$/],
  ["html", /^(?:text\/html|application\/xhtml\+xml)$/],
  ["text", /^(?:text\/plain|text\/\*|\*\/\*)$/],
];

const HTML_TYPE = "text/html; charset=utf-8";

type BodyKind = "json" | "html" | "text";

/** The kind that `Accept` prefers (RFC 9110 section 12.5.1), of equals the first; text if none. */
function preferredKind(accept: string): BodyKind {
  let preferred: BodyKind = "text";
  let weightMax = 0;
  for (const item of accept.toLowerCase().split(",")) {
    const [mediaType = "", ...parameters] = item.split(";").map((part) => part.trim());
    const weightText = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const weight = weightText === undefined ? 1 : Number(weightText);
    const kind = KINDS.find(([, asked]) => asked.test(mediaType))?.[0];
    if (kind === undefined || !(weight > weightMax)) continue;
    preferred = kind;
    weightMax = weight;
  }
  return preferred;
}

function render(
  id: string,
  accept: string,
  status: number,
  code: ErrorCode,
): { type: string; text: string } {
  const reason = STATUS_PHRASES[status] ?? "Error";
  switch (preferredKind(accept)) {
    case "json": {
      const text = JSON.stringify({ status, error: reason, code, request_id: id }) + "\n";
      return { type: "application/json", text };
    }
    case "html":
      return { type: HTML_TYPE, text: errorPage(status, reason, code, id) };
    case "text":
      return {
        type: "text/plain; charset=utf-8",
        text: `${status} ${reason} (${code}), request ${id}\n`,
      };
  }
}
