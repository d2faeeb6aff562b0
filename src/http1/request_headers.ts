/**
 * The header section of an HTTP/1.1 request (RFC 9112): its line, its fields, and how its body is
 * framed. It is strict where two servers could read a request differently, because that is how
 * requests are smuggled: every line ends with CRLF, no line is folded, no name has a space behind
 * it, one length or chunks but not both. What is refused is refused with a reason; nothing is
 * mended.
 *
 * Pure: it knows no connection, and nothing of what a target or a host may be.
 */
import { type FieldNames, isToken } from "./field_names.ts";
import type { FieldsMemory } from "./fields_memory.ts";
import { RequestFields } from "./request_fields.ts";

export type BodyFraming =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" };

export interface RequestHeaders {
  readonly method: string;
  /** As it was sent. */
  readonly target: string;
  readonly protocol: "HTTP/1.0" | "HTTP/1.1";
  readonly fields: RequestFields;
  readonly framing: BodyFraming;
  /** Whether the client wants to send another request on the connection. */
  readonly keepsAlive: boolean;
  /** Whether the client waits for a 100 before it sends the body. */
  readonly expectsContinue: boolean;
}

/** The fields of a header section, and what they say of the request. */
export interface ReadFields extends Omit<RequestHeaders, "method" | "target"> {
  readonly host: string | null;
}

/** Why a request was not understood. The connection ends with this response. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly status: 400 | 408 | 417 | 431 | 501 | 505;
  /** Whether it was a HEAD, whose response has no body. */
  isHeadRequest = false;

  constructor(status: RequestError["status"], message: string) {
    super(message);
    this.status = status;
  }
}

/** Most fields of a request. */
export const REQUEST_FIELDS_MAX = 256;

/**
 * Fields of which there can be one, and which somebody decides by: two of them are two requests, one
 * for who reads the first and another for who reads the last (RFC 9110 section 5.3).
 */
export const SINGLE_FIELDS: ReadonlySet<string> = new Set([
  "authorization",
  "content-length",
  "content-range",
  "content-type",
  "host",
  "if-modified-since",
  "if-unmodified-since",
]);

const CRLF = "\r\n";
const NO_BODY: BodyFraming = { kind: "none" };
const CHUNKED: BodyFraming = { kind: "chunked" };

/** Never well meant: in a line, and in lines whose ends are looked at by `splitFields`. */
// deno-lint-ignore no-control-regex
const LINE_CONTROLS = /[\0-\x08\x0a-\x1f\x7f]/;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** Those that need no closer look; any other may come as well. */
const KNOWN_METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
]);

const VERSION = /^HTTP\/(\d)\.(\d)$/;
/** A target in absolute form, with its scheme and authority. */
const ABSOLUTE = /^(https?):\/\/([^/?#]*)/i;
/** A port that goes without saying, by scheme; an empty one does as well (RFC 3986 section 6.2.3). */
const DEFAULT_PORT: Readonly<Record<string, RegExp>> = { http: /:(?:80)?$/, https: /:(?:443)?$/ };
/** What a host and its port are made of; what they are is for the gateway to say. */
const HOST_CHARACTERS = /^[A-Za-z0-9._~:[\]-]+$/;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * Reads a header section; `text` has a character for each byte and ends with the CRLF of its last
 * line, the empty one left out.
 *
 * @throws {RequestError}
 */
export function readRequestHeaders(
  text: string,
  names: FieldNames,
  memory: FieldsMemory<ReadFields>,
): RequestHeaders {
  const lineEnd = text.indexOf(CRLF);
  const line = text.slice(0, lineEnd);
  if (LINE_CONTROLS.test(line)) throw malformed();
  const { method, target, protocol } = readRequestLine(line);
  const fieldsText = text.slice(lineEnd + CRLF.length);
  const known = memory.find(fieldsText, protocol);
  const read = known ?? readFields(fieldsText, protocol, names);
  const { host, framing, keepsAlive, expectsContinue } = read;
  const named = namedHost(target, host, protocol);
  const fields = named === undefined || host === null
    ? read.fields
    : read.fields.with("host", named);
  if (known === undefined) memory.keep(fieldsText, read);
  return { method, target, protocol, fields, framing, keepsAlive, expectsContinue };
}

function readFields(
  text: string,
  protocol: RequestHeaders["protocol"],
  names: FieldNames,
): ReadFields {
  if (CONTROLS.test(text)) throw malformed();
  const fields = splitFields(text, names);
  return {
    protocol,
    fields,
    host: fields.get("host"),
    framing: readFraming(fields, protocol),
    keepsAlive: readKeepAlive(fields, protocol),
    expectsContinue: readExpect(fields, protocol),
  };
}

/** Reads the first line, in which no control character is left. @throws {RequestError} */
export function readRequestLine(
  line: string,
): Pick<RequestHeaders, "method" | "target" | "protocol"> {
  const methodEnd = line.indexOf(" ");
  const targetEnd = line.indexOf(" ", methodEnd + 1);
  if (methodEnd <= 0 || targetEnd < 0 || targetEnd === methodEnd + 1) {
    throw new RequestError(400, "The request's line is no method, target and version");
  }
  const method = line.slice(0, methodEnd);
  if (!KNOWN_METHODS.has(method) && !isToken(method)) {
    throw new RequestError(400, "The method is no token");
  }
  const target = line.slice(methodEnd + 1, targetEnd);
  const protocol = readVersion(line.slice(targetEnd + 1));
  checkForm(method, target);
  return { method, target, protocol };
}

function malformed(): RequestError {
  return new RequestError(400, "The header section has a control character or half a line's end");
}

function readVersion(text: string): RequestHeaders["protocol"] {
  if (text === "HTTP/1.1" || text === "HTTP/1.0") return text;
  const match = VERSION.exec(text);
  if (match === null) throw new RequestError(400, "The request's line does not end with a version");
  // A later 1.x is spoken to as 1.1 (RFC 9110 section 2.5).
  if (match[1] === "1") return "HTTP/1.1";
  throw new RequestError(505, `HTTP/${match[1]}.${match[2]} is not spoken here`);
}

function splitFields(text: string, names: FieldNames): RequestFields {
  const fields = new RequestFields();
  let count = 0;
  for (let position = 0; position < text.length;) {
    const end = text.indexOf("\r", position);
    // Each half of a line's end stands beside the other one, or the line is two for somebody else.
    if (end < 0 || text.indexOf("\n", position) !== end + 1) throw malformed();
    const colon = text.indexOf(":", position);
    const name = colon < 0 || colon > end ? undefined : names.read(text.slice(position, colon));
    if (name === undefined) throw new RequestError(400, "A line of the header section is no field");
    if (++count > REQUEST_FIELDS_MAX) {
      throw new RequestError(431, `There are more than ${REQUEST_FIELDS_MAX} fields`);
    }
    if (!fields.add(name, trimmed(text, colon + 1, end)) && SINGLE_FIELDS.has(name)) {
      throw new RequestError(400, `There are two fields "${name}", and there can be one`);
    }
    position = end + CRLF.length;
  }
  return fields;
}

/** Without the white space around it (RFC 9110 section 5.5). */
function trimmed(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isWhite(text.charCodeAt(from))) from++;
  while (to > from && isWhite(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isWhite(code: number): boolean {
  return code === SPACE || code === TAB;
}

/**
 * RFC 9112 section 3.2: a path, a URL, `*` for OPTIONS or an address for CONNECT. Anything else would
 * become part of the host when a URL is made of both.
 */
function checkForm(method: string, target: string): void {
  if (target.startsWith("/") || ABSOLUTE.test(target)) return;
  if (method === "CONNECT" || (method === "OPTIONS" && target === "*")) return;
  throw new RequestError(400, "The target is neither a path nor a URL");
}

/**
 * The host that stands in the place of the Host field: RFC 9112 section 3.2.2 has it that the target's
 * counts, whatever the field says. Undefined where they agree, but for a port that goes without
 * saying, and where the target names none.
 */
function namedHost(
  target: string,
  host: string | null,
  protocol: RequestHeaders["protocol"],
): string | undefined {
  if (host === null && protocol === "HTTP/1.1") {
    throw new RequestError(400, "There is no Host field");
  }
  if (target.startsWith("/")) return undefined;
  const [, scheme, named] = ABSOLUTE.exec(target) ?? [];
  if (scheme === undefined || named === undefined) return undefined;
  if (named === "") throw new RequestError(400, "The target names no host");
  if (host === null || isSameHost(scheme, named, host)) return undefined;
  // A field that is malformed is an error even where it does not count (section 3.2).
  if (!HOST_CHARACTERS.test(host)) throw new RequestError(400, "The Host field is malformed");
  if (!HOST_CHARACTERS.test(named)) throw new RequestError(400, "The target's host is malformed");
  return named;
}

/** Whether two name the same host, but for a port that goes without saying. */
export function isSameHost(scheme: string, named: string, host: string): boolean {
  const port = DEFAULT_PORT[scheme.toLowerCase()]!;
  return named.toLowerCase().replace(port, "") === host.toLowerCase().replace(port, "");
}

/** RFC 9112 section 6.3. */
function readFraming(fields: RequestFields, protocol: RequestHeaders["protocol"]): BodyFraming {
  const coding = fields.get("transfer-encoding");
  const length = fields.get("content-length");
  if (coding === null) {
    if (length === null) return NO_BODY;
    // Two of them are joined by a comma.
    if (!/^\d{1,15}$/.test(length)) throw new RequestError(400, "Content-Length is no number");
    const bytes = Number(length);
    return bytes === 0 ? NO_BODY : { kind: "length", length: bytes };
  }
  if (length !== null) {
    throw new RequestError(400, "There are both Content-Length and Transfer-Encoding");
  }
  if (protocol === "HTTP/1.0") {
    throw new RequestError(400, "HTTP/1.0 has no Transfer-Encoding");
  }
  if (coding.toLowerCase() !== "chunked") {
    throw new RequestError(501, "Of the transfer codings only chunked is known");
  }
  return CHUNKED;
}

/** RFC 9112 section 9.3. */
function readKeepAlive(fields: RequestFields, protocol: RequestHeaders["protocol"]): boolean {
  const connection = fields.get("connection");
  if (connection === null) return protocol === "HTTP/1.1";
  const options = connection.toLowerCase().split(",").map((option) => option.trim());
  if (options.includes("close")) return false;
  return protocol === "HTTP/1.1" || options.includes("keep-alive");
}

/** RFC 9110 section 10.1.1. @throws {RequestError} for an expectation that nobody knows */
export function readExpect(fields: RequestFields, protocol: RequestHeaders["protocol"]): boolean {
  const expect = fields.get("expect");
  if (expect === null || protocol === "HTTP/1.0") return false;
  if (expect.toLowerCase() === "100-continue") return true;
  throw new RequestError(417, "Of the expectations only 100-continue is known");
}
