/**
 * The body of a request as it goes on to an upstream: refused by its declared length, or counted
 * while it is read. Nothing of it is cut in silence: one byte over the limit fails the whole.
 */
import type { BodyMode, RequestBody } from "../upstream/request_body.ts";
import type { OwnResponse } from "./request_context.ts";
import type { HttpLimits } from "./options.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

/** A body without a declared length turned out to be over the limit. */
export class RequestBodyTooLargeError extends Error {
  override readonly name = "RequestBodyTooLargeError";
}

/** A body to send, none, or the response to give instead. */
export type TakenBody =
  | { readonly kind: "body"; readonly body: RequestBody }
  | { readonly kind: "none"; readonly contentLength: number | undefined }
  | ({ readonly kind: "refused" } & OwnResponse);

const NONE = { kind: "none", contentLength: undefined } as const;

const UNREADABLE = { kind: "refused", status: 400, code: "request_body_unreadable" } as const;

/** Takes the body of a request under the limits; tells its length, of a chunked one as it grows. */
export function takeBody(
  request: HttpRequest,
  limits: HttpLimits,
  onLength: (length: number) => void,
  mode: BodyMode = "auto",
): TakenBody {
  const { headers } = request;
  const declared = headers.get("content-length");
  const coding = headers.get("transfer-encoding");
  const isChunked = coding !== null;
  // Over HTTP/2, or made by a program, a request has a body without telling it in a header.
  if (declared === null && !isChunked && request.body === null) return NONE;
  if (isChunked && coding.toLowerCase() !== "chunked") return UNREADABLE;
  // Whoever stands before us may have gone by the other one (RFC 9112 section 6.3).
  if (declared !== null && isChunked) return UNREADABLE;
  const length = declared === null ? undefined : parseLength(declared);
  if (Number.isNaN(length)) return UNREADABLE;
  if (length === 0) return { kind: "none", contentLength: 0 };
  const { requestBodyMax, requestBodyChunkedMax = requestBodyMax } = limits;
  const lengthMax = (length === undefined ? requestBodyChunkedMax : requestBodyMax) || Infinity;
  if (length !== undefined && length > lengthMax) {
    return { kind: "refused", status: 413, code: "request_body_too_large" };
  }
  const stream = request.body as ReadableStream<Uint8Array> | null;
  // A server of somebody else's may hide the body of GET: better an open refusal than a silent loss.
  if (stream === null) return UNREADABLE;
  if (length !== undefined) onLength(length);
  return {
    kind: "body",
    body: {
      stream: length === undefined ? stream.pipeThrough(lengthGuard(lengthMax, onLength)) : stream,
      length,
      memoryMax: limits.requestBufferMax,
      mode,
      rateMin: limits.requestRateMin,
    },
  };
}

function parseLength(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : NaN;
}

function lengthGuard(
  lengthMax: number,
  onLength: (length: number) => void,
): TransformStream<Uint8Array, Uint8Array> {
  let length = 0;
  return new TransformStream({
    transform(bytes, controller) {
      length += bytes.length;
      onLength(length);
      if (length > lengthMax) {
        throw new RequestBodyTooLargeError(`The request's body is over ${lengthMax} bytes`);
      }
      controller.enqueue(bytes);
    },
  });
}
