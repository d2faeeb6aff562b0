/**
 * An upstream's response as that of our client. Headers that belong to one hop stay here (RFC 9110
 * section 7.6.1): the application never frames what the client gets.
 */
import { HOP_BY_HOP, namedByConnection } from "../cgi/header_names.ts";
import type { CgiHeaderSection } from "../protocol/cgi_response.ts";
import {
  BytesResponse,
  type ResponseFields,
  responseOf,
  StreamResponse,
} from "../runtime/http_response.ts";
import { errorText, UpstreamError } from "../upstream/errors.ts";
import type { UpstreamResponse } from "../upstream/request.ts";

/** The lengths of names in {@link HOP_BY_HOP}: most headers need no look at the set. */
const HOP_BY_HOP_LENGTHS: ReadonlySet<number> = new Set([...HOP_BY_HOP].map((name) => name.length));

const CONTENT_LENGTH = "content-length";

/** Whether a response has no body, whatever its header section says (RFC 9110 section 6.4.1). */
export function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || isBodilessStatus(status);
}

/** The Fetch standard's null body statuses. */
export function isBodilessStatus(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/**
 * The response for the client of a request with `method`, in plain values. Whether its body is
 * whole or a stream depends on how it was written and when; what the header section says does not.
 */
export function toHttpResponse(
  response: UpstreamResponse,
  method: string,
): BytesResponse | StreamResponse {
  const { head, body } = response;
  const { status, reason } = head;
  const fields = passedFields(head);
  if (hasNoBody(method, status)) {
    giveUpBody(response);
    return new StreamResponse(status, fields, null, { length: toldLength(head), reason });
  }
  if (body instanceof Uint8Array) return new BytesResponse(status, fields, body, reason);
  return new StreamResponse(status, fields, body, { length: head.contentLength, reason });
}

/**
 * As {@link toHttpResponse}, as a Response. When it cannot be one its body is given up, and with it the
 * request at the application.
 *
 * @throws {UpstreamError} `bad_answer`
 */
export function toResponse(response: UpstreamResponse, method: string): Response {
  const { head } = response;
  const { status, reason: statusText, contentLength } = head;
  const withoutBody = hasNoBody(method, status);
  if (withoutBody) giveUpBody(response);
  const body = withoutBody
    ? null
    : response.body as Uint8Array<ArrayBuffer> | ReadableStream | null;
  const length = withoutBody
    ? toldLength(head)
    : body instanceof Uint8Array
    ? undefined
    : contentLength;
  try {
    const headers = new Headers(passedFields(head) as [string, string][]);
    if (length !== undefined) headers.set("content-length", String(length));
    return responseOf(body, { status, statusText, headers });
  } catch (cause) {
    throw unusable(response, errorText(cause), cause);
  }
}

/** None with 204 and 205; to HEAD and with 304 of a body that is not sent (RFC 9110, 8.6). */
function toldLength({ status, contentLength }: CgiHeaderSection): number | undefined {
  return status === 204 || status === 205 ? undefined : contentLength;
}

/**
 * The fields that go on, by their header section. Header sections come again (see
 * `CgiHeaderCache`), and what sends a response remembers what it made of the same fields.
 */
const PASSED_FIELDS = new WeakMap<CgiHeaderSection, ResponseFields>();

export function passedFields(section: CgiHeaderSection): ResponseFields {
  let fields = PASSED_FIELDS.get(section);
  if (fields === undefined) {
    fields = passedHeaders(section);
    PASSED_FIELDS.set(section, fields);
  }
  return fields;
}

function unusable(response: UpstreamResponse, what: string, cause?: unknown): UpstreamError {
  giveUpBody(response);
  const error = new UpstreamError("bad_answer", `Cannot pass on the response: ${what}`, {
    phase: "body",
    sent: true,
    cause,
  });
  error.server = response.source.server;
  return error;
}

/** Whoever sends it stops; what was sent is dropped. */
export function giveUpBody({ body }: UpstreamResponse): void {
  if (body instanceof ReadableStream) void body.cancel();
}

/** Without what frames the body: whoever sends it says that. */
function passedHeaders(
  { headers, directives, passed: alsoPassed }: CgiHeaderSection,
): [string, string][] {
  let endHere: ReadonlySet<string> | undefined;
  const passed: [string, string][] = [];
  for (const [name, value] of headers) {
    const isLength = name.length === CONTENT_LENGTH.length;
    if (isLength || HOP_BY_HOP_LENGTHS.has(name.length)) {
      const lower = name.toLowerCase();
      if (lower === "connection") endHere = namedByConnection(value);
      if (HOP_BY_HOP.has(lower) || (isLength && lower === CONTENT_LENGTH)) continue;
    }
    passed.push([name, value]);
  }
  if (endHere === undefined && directives === undefined) return passed;
  return passed.map(([name, value]) => [name.toLowerCase(), value] as [string, string])
    .filter(([name]) => !endHere?.has(name) && (!directives?.has(name) || alsoPassed?.has(name)));
}
