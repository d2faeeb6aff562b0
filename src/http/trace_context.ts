/**
 * W3C Trace Context: a `traceparent` that a client sends is passed on as it is, and one is started
 * where it sends none, or one that cannot be read (then its `tracestate` means nothing and stays
 * here). afcgi records no spans of its own, so it does not put itself between the two.
 */
import { learnParameter, type RequestContext, type TraceIds } from "./request_context.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";

/** Version 00; others are longer, and begin like it (section 4.3). */
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;
const TRACE_ID_LENGTH = 16;
const SPAN_ID_LENGTH = 8;
/** Who starts a trace says whether it is recorded; we leave that to those behind us. */
const SAMPLED = "01";

/** Sees to it that the application gets a valid trace, whose id the log names. */
export function traced(context: RequestContext, headers: HttpHeaders): RequestContext {
  const ids: TraceIds = context.trace;
  const sent = headers.get("traceparent") ?? "";
  const match = TRACEPARENT.exec(sent);
  const isValid = match !== null && (match[2] === undefined || !sent.startsWith("00"));
  if (isValid) {
    ids.traceId = match[1]!;
    return context;
  }
  const traceId = randomHex(TRACE_ID_LENGTH);
  ids.traceId = traceId;
  const parent = `00-${traceId}-${randomHex(SPAN_ID_LENGTH)}-${SAMPLED}`;
  learnParameter(context, "HTTP_TRACEPARENT", parent);
  if (headers.has("tracestate")) learnParameter(context, "HTTP_TRACESTATE", "");
  return context;
}

/** Random bytes, not all zero: that would be no id. */
function randomHex(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  if (bytes.every((byte) => byte === 0)) bytes[0] = 1;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
