/**
 * A Web `Response` to the header section of a CGI response (RFC 3875, section 6.3): `Status`, the
 * headers, an empty line. Several Set-Cookie stay several. It does not know the body.
 */
import { STATUS_PHRASES } from "../protocol/status_phrases.ts";

/**
 * Left out: they belong to the web server's connection with its client (RFC 9110, section 7.6.1),
 * and `Status` would be taken for the response's.
 */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "status",
  "transfer-encoding",
]);

const VARIABLE_PREFIX = "variable-";

/**
 * A body must have a type (RFC 3875, section 6.3.1). Fetch gives this one to texts, but Bun (1.4)
 * only when it serves the response itself, so there nobody can tell a text from bytes.
 */
const DEFAULT_TYPE = "content-type: text/plain;charset=utf-8\r\n";

/** Statuses whose responses have no body (RFC 9110, section 6.4.1). */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

export function hasBody(response: Response): boolean {
  return !WITHOUT_BODY.has(response.status) && response.body !== null;
}

/** Whether there is none where there could be one. */
export function lacksBody(response: Response): boolean {
  return !WITHOUT_BODY.has(response.status) && response.body === null;
}

/** What the walk over a response's headers gives. */
export interface CgiHeaderText {
  /** Without the empty line that ends it, so that a length can be added. */
  readonly text: string;
  /** Content-Length as it is written; undefined where there is none. */
  readonly contentLength: string | undefined;
}

/** @throws {RangeError} for an interim response, and for `Response.error()` */
export function cgiHeaders(response: Response): CgiHeaderText {
  const { status } = response;
  if (status < 200 || status > 999) {
    throw new RangeError(`Cannot answer: status "${status}" is not a final one`);
  }
  let text = `Status: ${status} ${reasonPhrase(response)}\r\n`;
  let isTyped = false;
  let contentLength: string | undefined;
  response.headers.forEach((value, name) => {
    if (name === "content-type") isTyped = true;
    else if (name === "content-length") contentLength = value;
    if (!LEFT_OUT.has(name)) text += `${fieldName(name)}: ${value}\r\n`;
  });
  // The body is looked at last: on Bun a type that comes from the body is gone once it was touched.
  if (!isTyped && response.body !== null && !WITHOUT_BODY.has(status)) text += DEFAULT_TYPE;
  return { text, contentLength };
}

/**
 * An authorizer sets variables of the web server's with `Variable-NAME` (section 6.3). `Headers`
 * makes every name lower case, where that of a variable is upper case.
 */
function fieldName(name: string): string {
  if (!name.startsWith(VARIABLE_PREFIX)) return name;
  return `Variable-${name.slice(VARIABLE_PREFIX.length).toUpperCase()}`;
}

function reasonPhrase({ status, statusText }: Response): string {
  // Not every runtime refuses a line end in it.
  if (statusText !== "" && /^[\t -~]+$/.test(statusText)) return statusText;
  return STATUS_PHRASES[status] ?? "Unknown";
}

/** What Content-Length says; undefined where there is none. */
export function declaredLength({ contentLength }: CgiHeaderText): number | undefined {
  if (contentLength === undefined) return undefined;
  const length = /^\d{1,15}$/.test(contentLength) ? Number(contentLength) : NaN;
  if (Number.isNaN(length)) {
    throw new TypeError(`Cannot answer: Content-Length "${contentLength}" is not a number`);
  }
  return length;
}
