/**
 * The header section of an HTTP/1.1 response (RFC 9112), read where we are the client: its status
 * line, its fields, and how its body is framed. It is as strict as `http1/request_headers.ts` is
 * with requests, for the same reason: where two readers could take a response differently, somebody
 * else's response ends up with our client. Every line ends with CRLF, no line is folded, no name has
 * a space behind it, there is one length or chunks but not both. Nothing is mended.
 *
 * Pure: it knows no connection, and nothing of what becomes of a response.
 */
import {
  type CgiHeaderSection,
  DIRECTIVES,
  REASON_LENGTH_MAX,
  RESPONSE_FIELDS_MAX,
} from "../protocol/cgi_response.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { STATUS_PHRASES } from "../protocol/status_phrases.ts";
import { isToken } from "../http1/field_names.ts";

/** How much of a response's body there is, as its header section says; `end`: up to the close. */
export type ResponseFraming =
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "end" };

export interface ResponseHeaders {
  readonly section: CgiHeaderSection;
  readonly framing: ResponseFraming;
  /** Whether the server takes another request on the connection. */
  readonly keepsAlive: boolean;
  /** The protocol that a 101 switches to, in lower case. */
  readonly upgrade: string | undefined;
}

const CRLF = "\r\n";
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;
const HALF_END = /[\r\n]/;
/** Fields of which a client could only take one: the first counts, as for CGI. */
const FIRST_COUNTS: ReadonlySet<string> = new Set(["location", "content-type"]);

/** What is gathered of the fields while they are read. */
interface Gathered {
  readonly headers: [name: string, value: string][];
  readonly connection: Set<string>;
  readonly seen: Set<string>;
  length: string | undefined;
  coding: string | undefined;
  upgrade: string | undefined;
  repeated: string[] | undefined;
  directives: Map<string, string> | undefined;
}

/**
 * Reads a header section; `text` has a character for each byte and ends with the CRLF of its last
 * line, the empty one left out.
 *
 * @throws {ProtocolError} `bad_http_response`, `http_header_too_large`
 */
export function readResponseHeaders(text: string): ResponseHeaders {
  const lineEnd = text.indexOf(CRLF);
  const line = text.slice(0, lineEnd);
  if (CONTROLS.test(text) || HALF_END.test(line)) hasControl();
  const match = STATUS_LINE.exec(line);
  if (match === null) bad(`${shown(line)} is no status line of HTTP/1.1`);
  const isLatest = match[1] === "1";
  const status = Number(match[2]);
  const fields = readFields(text, lineEnd + CRLF.length);
  const { headers, repeated, directives } = fields;
  const framing = readFraming(fields, isLatest);
  const reason = ownReason(status, match[3]);
  return {
    section: {
      status,
      ...(reason !== undefined && { reason }),
      headers,
      contentLength: framing.kind === "length" ? framing.length : undefined,
      ...(directives && { directives }),
      ...(repeated && { repeated }),
    },
    framing,
    keepsAlive: isLatest ? !fields.connection.has("close") : fields.connection.has("keep-alive"),
    upgrade: fields.connection.has("upgrade") ? fields.upgrade?.toLowerCase() : undefined,
  };
}

function readFields(text: string, start: number): Gathered {
  const fields: Gathered = {
    headers: [],
    connection: new Set(),
    seen: new Set(),
    length: undefined,
    coding: undefined,
    upgrade: undefined,
    repeated: undefined,
    directives: undefined,
  };
  let count = 0;
  for (let position = start; position < text.length;) {
    const end = text.indexOf("\r", position);
    if (end < 0 || text.indexOf("\n", position) !== end + 1) hasControl();
    const colon = text.indexOf(":", position);
    const name = text.slice(position, colon < 0 || colon > end ? position : colon);
    if (!isToken(name)) bad(`line ${shown(text.slice(position, end))} is no field`);
    if (++count > RESPONSE_FIELDS_MAX) tooLarge(`has more than ${RESPONSE_FIELDS_MAX} fields`);
    take(fields, name, trimmed(text, colon + 1, end));
    position = end + CRLF.length;
  }
  return fields;
}

function take(fields: Gathered, name: string, value: string): void {
  const lower = name.toLowerCase();
  switch (lower) {
    case "content-length":
      if (fields.length !== undefined) bad('"Content-Length" is there twice');
      fields.length = value;
      break;
    case "transfer-encoding":
      if (fields.coding !== undefined) bad('"Transfer-Encoding" is there twice');
      fields.coding = value;
      break;
    case "connection":
      for (const option of value.toLowerCase().split(",")) fields.connection.add(option.trim());
      break;
    case "upgrade":
      fields.upgrade = fields.upgrade === undefined ? value : `${fields.upgrade}, ${value}`;
      break;
  }
  if (FIRST_COUNTS.has(lower)) {
    if (fields.seen.has(lower)) {
      (fields.repeated ??= []).push(name);
      return;
    }
    fields.seen.add(lower);
  }
  if (DIRECTIVES.has(lower)) {
    fields.directives ??= new Map();
    if (fields.directives.has(lower)) bad(`"${name}" is there twice`);
    fields.directives.set(lower, value);
  }
  fields.headers.push([name, value]);
}

/** RFC 9112 section 6.3, without what it lets a client mend. */
function readFraming({ length, coding }: Gathered, isLatest: boolean): ResponseFraming {
  if (coding !== undefined) {
    if (length !== undefined) bad('it has both "Transfer-Encoding" and "Content-Length"');
    if (!isLatest) bad('it has "Transfer-Encoding", which HTTP/1.0 does not know');
    if (coding.toLowerCase() !== "chunked") bad(`transfer coding ${shown(coding)} is not known`);
    return { kind: "chunked" };
  }
  if (length === undefined) return { kind: "end" };
  if (!/^\d{1,15}$/.test(length)) bad(`Content-Length ${shown(length)} is not a number`);
  return { kind: "length", length: Number(length) };
}

/** The phrase goes on where it says something of its own in plain characters. */
function ownReason(status: number, phrase: string | undefined): string | undefined {
  const isPassed = phrase !== undefined && phrase !== "" && phrase !== STATUS_PHRASES[status] &&
    phrase.length <= REASON_LENGTH_MAX && /^[ -~]+$/.test(phrase);
  return isPassed ? phrase : undefined;
}

/** Without the white space around it (RFC 9110 section 5.5). */
function trimmed(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}

function hasControl(): never {
  bad("it has a control character or half a line's end");
}

export function bad(what: string): never {
  throw new ProtocolError("bad_http_response", `Cannot read the response: ${what}`, {
    scope: "request",
  });
}

export function tooLarge(what: string): never {
  throw new ProtocolError(
    "http_header_too_large",
    `Cannot take the response: its header section ${what}`,
    { scope: "request" },
  );
}
