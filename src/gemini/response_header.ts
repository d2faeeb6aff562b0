/**
 * The header of a Gemini response: two digits, a space, META, CRLF. Written for responses of our
 * own, read from what an application writes and, as a client, from what a server sends. What could
 * be read in two ways (a line that ends with LF alone, a tab, a control character) is refused, not
 * mended. It does not know sockets.
 */
import { ByteBuffer } from "../protocol/byte_buffer.ts";
import type {
  CgiHeaderSection,
  CgiResponseStart,
  ResponseHeaderParser,
} from "../protocol/cgi_response.ts";
import { ProtocolError } from "../protocol/errors.ts";

export const META_LENGTH_MAX = 1024;

/** Digits, space and CRLF around META. */
const FRAME_LENGTH = 5;
const HEADER_LENGTH_MAX = META_LENGTH_MAX + FRAME_LENGTH;

const LF = 0x0a;
const CR = 0x0d;

/** Under this name META is among a header section's fields, where CGI has its header fields. */
const META_FIELD = "meta";

export interface GeminiHeader {
  /** 10 to 69. */
  readonly code: number;
  readonly meta: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The header as bytes. @throws {RangeError} when META is too long or has a control character */
export function encodeHeader({ code, meta }: GeminiHeader): Uint8Array<ArrayBuffer> {
  if (!isHeader({ code, meta })) {
    const what = `it has a control character, or more than ${META_LENGTH_MAX} bytes`;
    throw new RangeError(`Cannot write META: ${what}`);
  }
  return encoder.encode(`${code} ${meta}\r\n`);
}

/** Whether {@link encodeHeader} can write it. */
export function isHeader({ meta }: GeminiHeader): boolean {
  return !hasControl(meta) && encoder.encode(meta).length <= META_LENGTH_MAX;
}

/** Reads a header's line without its CRLF. @throws {ProtocolError} `bad_answer_head` */
export function parseHeader(line: Uint8Array): GeminiHeader {
  if (line.length > HEADER_LENGTH_MAX - 2) bad(`it is longer than ${HEADER_LENGTH_MAX} bytes`);
  let text: string;
  try {
    text = decoder.decode(line);
  } catch {
    bad("it is not UTF-8");
  }
  const match = /^([1-6]\d)(?: (.*))?$/s.exec(text);
  if (match === null) bad(`${JSON.stringify(text.slice(0, 60))} is no code and META`);
  const [, digits, meta = ""] = match;
  const code = Number(digits);
  if (hasControl(meta)) bad("META has a control character");
  if (meta === "" && code >= 20 && code < 40) bad(`code ${code} wants a META`);
  return { code, meta };
}

/** Takes STDOUT until the Gemini header is complete; its section is in CGI's terms. */
export class GeminiHeaderParser implements ResponseHeaderParser {
  readonly #gathered = new ByteBuffer(64);

  get hasBegun(): boolean {
    return this.#gathered.length > 0;
  }

  /** @throws {ProtocolError} `bad_answer_head` */
  push(piece: Uint8Array): CgiResponseStart | undefined {
    const lineFeed = piece.indexOf(LF);
    const taken = lineFeed < 0 ? piece : piece.subarray(0, lineFeed + 1);
    if (this.#gathered.length + taken.length > HEADER_LENGTH_MAX) {
      bad(`it is longer than ${HEADER_LENGTH_MAX} bytes`);
    }
    this.#gathered.append(taken);
    if (lineFeed < 0) return undefined;
    const line = this.#gathered.view();
    if (line[line.length - 2] !== CR) bad("it ends with LF alone");
    return {
      section: toCgiHeaders(parseHeader(line.subarray(0, -2))),
      rest: piece.subarray(lineFeed + 1),
    };
  }
}

/** A header in an upstream's terms: no Content-Length, so its body ends with the request. */
function toCgiHeaders({ code, meta }: GeminiHeader): CgiHeaderSection {
  return { status: code, headers: [[META_FIELD, meta]], contentLength: undefined };
}

/** The header that {@link GeminiHeaderParser} has put into a header section. */
export function headerOf(section: CgiHeaderSection): GeminiHeader {
  return { code: section.status, meta: section.headers[0]?.[1] ?? "" };
}

function hasControl(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f]/.test(text);
}

function bad(what: string): never {
  const message = `Cannot read the Gemini header of the response: ${what}`;
  throw new ProtocolError("bad_answer_head", message, { scope: "request" });
}
