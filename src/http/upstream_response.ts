/**
 * An upstream's answer as a Fetch Response. Headers that belong to one hop stay here (RFC 9110
 * section 7.6.1): the application never frames what the client gets.
 */
import { type ExchangePhase, UpstreamError } from "../upstream/errors.ts";
import type { UpstreamResponse } from "../upstream/request.ts";

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** The lengths of names in {@link HOP_BY_HOP}: most headers need no look at the set. */
const HOP_BY_HOP_LENGTHS: ReadonlySet<number> = new Set(
  [...HOP_BY_HOP].map((name) => name.length),
);

const STATUS_MAX = 599;

/** Statuses that have no body (the Fetch standard's null body statuses). */
function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/** @throws {UpstreamError} when the answer cannot be an HTTP one */
export function toResponse(answer: UpstreamResponse, method: string): Response {
  const { status } = answer.head;
  if (status > STATUS_MAX) {
    throw new UpstreamError("bad_answer", `Cannot pass on the answer: status ${status} is none`, {
      phase: "body" satisfies ExchangePhase,
      sent: true,
    });
  }
  const withoutBody = hasNoBody(status) || method === "HEAD";
  const headers: [string, string][] = [];
  for (const [name, value] of answer.head.headers) {
    if (isDropped(name, answer.body instanceof Uint8Array && !withoutBody)) continue;
    headers.push([name, value]);
  }
  const body = withoutBody ? null : answer.body as Uint8Array<ArrayBuffer> | ReadableStream | null;
  return new Response(body, { status, headers });
}

/** With the whole body at hand the runtime writes the length itself. */
function isDropped(name: string, isWhole: boolean): boolean {
  const isLength = isWhole && name.length === "content-length".length;
  if (!isLength && !HOP_BY_HOP_LENGTHS.has(name.length)) return false;
  const lower = name.toLowerCase();
  return HOP_BY_HOP.has(lower) || (isLength && lower === "content-length");
}
