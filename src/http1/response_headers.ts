/**
 * The header section of a response as bytes (RFC 9112 sections 4 and 6). What an application says
 * of framing and of the connection is not its to say: this file writes both. Responses of an
 * application have the same few sets of fields repeatedly, so their bytes are kept with the
 * set.
 */
import { type ByteBuffer, latin1 } from "../protocol/byte_buffer.ts";
import { STATUS_PHRASES } from "../protocol/status_phrases.ts";
import type { ResponseFields } from "../runtime/http_response.ts";

export interface ResponseFraming {
  /** Undefined: chunks, or for HTTP/1.0 everything up to the connection's end. */
  readonly length: number | undefined;
  readonly isChunked: boolean;
  /** What the client is told of the connection; nothing where it goes without saying. */
  readonly connection: "close" | "keep-alive" | "upgrade" | undefined;
}

/** The status line; a status that nobody registered has no phrase but one of its own. */
export function statusLine(status: number, reason?: string): string {
  return `HTTP/1.1 ${status} ${reason ?? STATUS_PHRASES[status] ?? ""}\r\n`;
}

const CRLF = "\r\n";

const CONNECTION_LINES = {
  close: "connection: close\r\n",
  "keep-alive": "connection: keep-alive\r\n",
  upgrade: "connection: upgrade\r\n",
} as const;

interface ReadyFields {
  readonly status: number;
  readonly reason: string | undefined;
  /** The status line and the fields. */
  readonly bytes: Uint8Array;
  readonly hasDate: boolean;
}

const READY = new WeakMap<ResponseFields, ReadyFields>();

/**
 * Appends a header section; `date` is for a response that says none itself, `reason` what stands
 * behind the status in the place of the usual phrase.
 */
export function appendResponseHeaders(
  buffer: ByteBuffer,
  status: number,
  fields: ResponseFields,
  { length, isChunked, connection }: ResponseFraming,
  date: string,
  reason?: string,
): void {
  let ready = READY.get(fields);
  if (ready === undefined || ready.status !== status || ready.reason !== reason) {
    ready = encodeFields(status, reason, fields);
    READY.set(fields, ready);
  }
  buffer.append(ready.bytes);
  // Piece by piece: to put a text together and to take it apart again costs more than all of this.
  if (!ready.hasDate) buffer.appendAscii(dateLine(date));
  if (length !== undefined) {
    buffer.appendAscii("content-length: ");
    buffer.appendDecimal(length);
    buffer.appendAscii(CRLF);
  } else if (isChunked) {
    buffer.appendAscii("transfer-encoding: chunked\r\n");
  }
  if (connection !== undefined) buffer.appendAscii(CONNECTION_LINES[connection]);
  buffer.appendAscii(CRLF);
}

/** The line of the last date, which is that of many responses. */
let lastDate = "";
let lastDateLine = "";

function dateLine(date: string): string {
  if (date !== lastDate) {
    lastDate = date;
    lastDateLine = `date: ${date}\r\n`;
  }
  return lastDateLine;
}

function encodeFields(
  status: number,
  reason: string | undefined,
  fields: ResponseFields,
): ReadyFields {
  let text = statusLine(status, reason);
  let hasDate = false;
  for (const [name, value] of fields) {
    text += `${name}: ${value}\r\n`;
    hasDate ||= name.length === 4 && name.toLowerCase() === "date";
  }
  return { status, reason, bytes: latin1(text), hasDate };
}
