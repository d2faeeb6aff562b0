/**
 * The head of an answer as bytes (RFC 9112 sections 4 and 6). What an application says of framing and
 * of the connection is not its to say: this file writes both. Answers of an application have the
 * same few sets of fields again and again, so their bytes are kept with the set.
 */
import { type ByteBuffer, latin1 } from "../protocol/byte_buffer.ts";
import type { AnswerFields } from "../runtime/http_answer.ts";

export interface AnswerFraming {
  /** Undefined: chunks, or for HTTP/1.0 everything up to the connection's end. */
  readonly length: number | undefined;
  readonly isChunked: boolean;
  /** What the client is told of the connection; nothing where it goes without saying. */
  readonly connection: "close" | "keep-alive" | undefined;
}

/** RFC 9110 section 15, and what is in use beside it; a status without a phrase has none. */
const PHRASES: Readonly<Record<number, string>> = {
  100: "Continue",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  208: "Already Reported",
  226: "IM Used",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  305: "Use Proxy",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  418: "I'm a teapot",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  423: "Locked",
  424: "Failed Dependency",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  506: "Variant Also Negotiates",
  507: "Insufficient Storage",
  508: "Loop Detected",
  510: "Not Extended",
  511: "Network Authentication Required",
};

/** The status line. */
export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${PHRASES[status] ?? ""}\r\n`;
}

interface ReadyFields {
  readonly status: number;
  /** The status line and the fields. */
  readonly bytes: Uint8Array;
  readonly hasDate: boolean;
}

const READY = new WeakMap<AnswerFields, ReadyFields>();

/** Appends a head; `date` is for an answer that says none itself. */
export function appendAnswerHead(
  buffer: ByteBuffer,
  status: number,
  fields: AnswerFields,
  { length, isChunked, connection }: AnswerFraming,
  date: string,
): void {
  let ready = READY.get(fields);
  if (ready === undefined || ready.status !== status) {
    ready = encodeFields(status, fields);
    READY.set(fields, ready);
  }
  buffer.append(ready.bytes);
  let rest = ready.hasDate ? "" : `date: ${date}\r\n`;
  if (length !== undefined) rest += `content-length: ${length}\r\n`;
  else if (isChunked) rest += "transfer-encoding: chunked\r\n";
  if (connection !== undefined) rest += `connection: ${connection}\r\n`;
  buffer.appendAscii(`${rest}\r\n`);
}

function encodeFields(status: number, fields: AnswerFields): ReadyFields {
  let text = statusLine(status);
  let hasDate = false;
  for (const [name, value] of fields) {
    text += `${name}: ${value}\r\n`;
    hasDate ||= name.length === 4 && name.toLowerCase() === "date";
  }
  return { status, bytes: latin1(text), hasDate };
}
