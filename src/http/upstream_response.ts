/**
 * An upstream's answer as a Fetch Response. Headers that belong to one hop stay here (RFC 9110
 * section 7.6.1): the application never frames what the client gets.
 */
import { HOP_BY_HOP, namedByConnection } from "../cgi/header_names.ts";
import type { CgiHead } from "../protocol/cgi_response.ts";
import { type AnswerFields, WholeAnswer } from "../runtime/http_answer.ts";
import { errorText, UpstreamError } from "../upstream/errors.ts";
import type { UpstreamResponse } from "../upstream/request.ts";

/** The lengths of names in {@link HOP_BY_HOP}: most headers need no look at the set. */
const HOP_BY_HOP_LENGTHS: ReadonlySet<number> = new Set(
  [...HOP_BY_HOP].map((name) => name.length),
);

const STATUS_MAX = 599;

const CONTENT_LENGTH = "content-length";

/** Whether an answer has no body, whatever its head says (RFC 9110 section 6.4.1). */
export function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || isBodilessStatus(status);
}

/** The Fetch standard's null body statuses. */
export function isBodilessStatus(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/**
 * The answer for the client of a request with `method`: in plain values where the body is whole, else
 * as a Response. When it cannot be an HTTP answer its body is given up, and with it the request at
 * the application.
 *
 * @throws {UpstreamError} `bad_answer`
 */
export function toAnswer(answer: UpstreamResponse, method: string): Response | WholeAnswer {
  const { head, body } = answer;
  if (!(body instanceof Uint8Array) || hasNoBody(method, head.status)) {
    return toResponse(answer, method);
  }
  if (head.status > STATUS_MAX) throw noStatus(answer);
  return new WholeAnswer(head.status, wholeFields(answer), body);
}

/**
 * As {@link toAnswer}, always as a Response.
 *
 * @throws {UpstreamError} `bad_answer`
 */
export function toResponse(answer: UpstreamResponse, method: string): Response {
  const { status } = answer.head;
  if (status > STATUS_MAX) throw noStatus(answer);
  const withoutBody = hasNoBody(method, status);
  if (withoutBody) giveUpBody(answer);
  const body = withoutBody ? null : answer.body as Uint8Array<ArrayBuffer> | ReadableStream | null;
  try {
    return new Response(body, { status, headers: passedHeaders(answer, withoutBody) });
  } catch (cause) {
    throw unusable(answer, errorText(cause), cause);
  }
}

/**
 * The fields of whole answers, by their head. Heads come again (see `CgiHeadCache`), and what sends
 * an answer remembers what it made of the same fields.
 */
const WHOLE_FIELDS = new WeakMap<CgiHead, AnswerFields>();

function wholeFields(answer: UpstreamResponse): AnswerFields {
  let fields = WHOLE_FIELDS.get(answer.head);
  if (fields === undefined) {
    fields = passedHeaders(answer, false);
    WHOLE_FIELDS.set(answer.head, fields);
  }
  return fields;
}

function noStatus(answer: UpstreamResponse): UpstreamError {
  return unusable(answer, `status ${answer.head.status} is none of HTTP`);
}

function unusable(answer: UpstreamResponse, what: string, cause?: unknown): UpstreamError {
  giveUpBody(answer);
  const error = new UpstreamError("bad_answer", `Cannot pass on the answer: ${what}`, {
    phase: "body",
    sent: true,
    cause,
  });
  error.server = answer.source.server;
  return error;
}

/** Whoever sends it stops; what was sent is dropped. */
export function giveUpBody({ body }: UpstreamResponse): void {
  if (body instanceof ReadableStream) void body.cancel();
}

function passedHeaders(answer: UpstreamResponse, withoutBody: boolean): [string, string][] {
  const { headers, status, directives } = answer.head;
  // With the whole body at hand the runtime writes the length itself. To HEAD and with 304 it is
  // the length of a body that is not sent; 204 has none, 205 none but 0 (RFC 9110 section 8.6).
  const withoutLength = withoutBody
    ? status === 204 || status === 205
    : answer.body instanceof Uint8Array;
  let endHere: ReadonlySet<string> | undefined;
  const passed: [string, string][] = [];
  for (const [name, value] of headers) {
    const isLength = withoutLength && name.length === CONTENT_LENGTH.length;
    if (isLength || HOP_BY_HOP_LENGTHS.has(name.length)) {
      const lower = name.toLowerCase();
      if (lower === "connection") endHere = namedByConnection(value);
      if (HOP_BY_HOP.has(lower) || (isLength && lower === CONTENT_LENGTH)) continue;
    }
    passed.push([name, value]);
  }
  if (endHere === undefined && directives === undefined) return passed;
  return passed.map(([name, value]) => [name.toLowerCase(), value] as [string, string])
    .filter(([name]) => !endHere?.has(name) && !directives?.has(name));
}
