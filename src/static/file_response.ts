/**
 * A file as an HTTP response (RFC 9110): its type and length, validators, conditions, ranges. The
 * entity tag is strong and made of time and size, as nginx makes it: two versions of one size within
 * a millisecond look alike.
 *
 * Which file may be served is decided before, and it is open by then; this file only sends.
 */
import type { Encoding } from "../compression/accept_encoding.ts";
import {
  BytesResponse,
  FileResponse,
  type HttpResponse,
  type ResponseFields,
} from "../runtime/http_response.ts";
import type { FilePiece } from "../runtime/file_info.ts";
import type { OpenFile } from "../runtime/open_file.ts";
import type { FoundFile } from "./below_root.ts";
import { checkConditions, rangeApplies, type Validators } from "./conditions.ts";
import { contentTypeOf, encodingOf } from "./content_type.ts";
import { formatHttpDate } from "./http_date.ts";
import { multipartBody } from "./multipart.ts";
import { type ByteRange, parseRanges } from "./range.ts";
import { refuse, type StaticRefusal } from "./refusal.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/** The part of a Fetch `Request` that is looked at. */
export type FileRequest = Pick<HttpRequest, "method" | "headers">;

/** What is said of a file beside what it says itself. */
export interface FileFields {
  /** In the place of the one that its name tells. */
  readonly contentType?: string | undefined;
  readonly cacheControl?: string | undefined;
  /** The coding that its content has. */
  readonly encoding?: Encoding | undefined;
  /** Whether another Accept-Encoding would get other bytes. */
  readonly varies?: boolean;
}

/** A file with everything that is said of it; made once, it can be sent many times. */
export interface ReadyFile {
  readonly found: FoundFile;
  readonly validators: Validators;
  readonly contentType: string;
  /** Of a response without a body. */
  readonly fields: Headers;
  /** Of a response with the whole file. */
  readonly wholeFields: Headers;
  /** The same as a list, without the length. */
  readonly wholeList: ResponseFields;
  /** Its content, where it is at hand. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
}

export function readyFile(found: FoundFile, said: FileFields = {}): ReadyFile {
  const validators = validatorsOf(found, said.encoding);
  const fields = new Headers({
    "accept-ranges": "bytes",
    etag: validators.etag,
    "last-modified": formatHttpDate(validators.modifiedMs),
  });
  if (said.cacheControl !== undefined) fields.set("cache-control", said.cacheControl);
  if (said.varies) fields.set("vary", "accept-encoding");
  const contentType = said.contentType ?? contentTypeOf(found.path);
  const encoding = said.encoding ?? encodingOf(found.path, contentType);
  const wholeFields = new Headers(fields);
  wholeFields.set("content-type", contentType);
  if (encoding !== undefined) wholeFields.set("content-encoding", encoding);
  const wholeList = [...wholeFields];
  wholeFields.set("content-length", String(found.info.size));
  return { found, validators, contentType, fields, wholeFields, wholeList };
}

/** Answers a GET or HEAD with a file, of which `opened` is closed; left out: its bytes are at hand. */
export function sendFile(
  file: ReadyFile,
  request: FileRequest,
  opened?: OpenFile,
): HttpResponse | StaticRefusal {
  const response = respondWith(file, request, opened);
  // Who sends its bytes closes it behind them, as a stream does.
  if (!(response instanceof FileResponse)) opened?.close();
  return response;
}

function respondWith(
  file: ReadyFile,
  { method, headers: asked }: FileRequest,
  opened: OpenFile | undefined,
): HttpResponse | StaticRefusal {
  if (method !== "GET" && method !== "HEAD") return refuse("method_not_allowed");
  const { validators, fields, wholeFields, wholeList, bytes } = file;
  const { size } = file.found.info;
  const verdict = checkConditions(asked, validators);
  if (verdict === "failed") return refuse("precondition_failed");
  if (verdict === "not_modified") return new Response(null, { status: 304, headers: fields });
  if (method === "HEAD") return new Response(null, { headers: wholeFields });

  // Ranges are defined for GET alone (section 14.2).
  const rangeText = asked.get("range");
  const ranges = rangeText !== null && rangeApplies(asked, validators)
    ? parseRanges(rangeText, size)
    : undefined;
  if (ranges === "unsatisfiable") {
    return refuse("range_not_satisfiable", { "content-range": `bytes */${size}` });
  }
  if (ranges !== undefined) return sendRanges(file, ranges, opened);
  if (bytes !== undefined) return new BytesResponse(200, wholeList, bytes);
  return new FileResponse(200, wholeList, { file: opened!, start: 0, end: size });
}

function sendRanges(
  file: ReadyFile,
  ranges: readonly ByteRange[],
  opened: OpenFile | undefined,
): HttpResponse {
  const { found: { info }, bytes } = file;
  const [first, second] = ranges;
  if (first !== undefined && second === undefined) {
    const { start, end } = first;
    const range: [string, string] = ["content-range", `bytes ${start}-${end - 1}/${info.size}`];
    const list = [...file.wholeList, range];
    return bytes === undefined
      ? new FileResponse(206, list, { file: opened!, start, end })
      : new BytesResponse(206, list, bytes.subarray(start, end));
  }
  const { type, length, pieces } = multipartBody(ranges, info.size, file.contentType);
  const headers = new Headers(file.wholeFields);
  headers.set("content-type", type);
  headers.set("content-length", String(length));
  const body = bytes === undefined ? opened!.stream(pieces) : cutOf(bytes, pieces, length);
  return new Response(body, { status: 206, headers });
}

function cutOf(
  bytes: Uint8Array,
  pieces: readonly FilePiece[],
  length: number,
): Uint8Array<ArrayBuffer> {
  const cut = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    const part = piece instanceof Uint8Array ? piece : bytes.subarray(piece.start, piece.end);
    cut.set(part, offset);
    offset += part.length;
  }
  return cut;
}

function validatorsOf({ info }: FoundFile, encoding: Encoding | undefined): Validators {
  const modifiedMs = Math.floor(info.modifiedMs);
  const version = `${modifiedMs.toString(16)}-${info.size.toString(16)}`;
  // Another coding is another representation, and wants a tag of its own (section 8.8.3.3).
  return { etag: encoding === undefined ? `"${version}"` : `"${version}-${encoding}"`, modifiedMs };
}
