/**
 * Reads what a server of HTTP/1 sent on one connection, strictly, and holds it against what was
 * planned: responses in the order of their requests, each with its own bytes, none after the one that
 * ends the connection. A response may be cut; that it is must then show.
 */
import { fromLatin1 } from "../../src/protocol/byte_buffer.ts";
import { expectedBytes, type RequestPlan } from "./http1_plan.ts";

export interface ReadResponses {
  /** Responses that a client takes for whole. */
  readonly whole: number;
  /** Whether another one has begun and is not whole. */
  readonly isCut: boolean;
  /** Whether the last whole one says that the connection ends. */
  readonly isLast: boolean;
}

/**
 * `hasEnded`: the server has ended the connection in the regular way, which is how a body without a
 * length ends.
 *
 * @throws {Error} that says what does not hold
 */
export function readResponses(
  text: string,
  plans: readonly RequestPlan[],
  hasEnded: boolean,
): ReadResponses {
  let offset = 0;
  let whole = 0;
  let isLast = false;
  while (offset < text.length) {
    const plan = plans[whole];
    if (plan === undefined) throw new Error(`Bytes behind the last response: ${cut(text, offset)}`);
    if (isLast) throw new Error(`A response behind "Connection: close": ${cut(text, offset)}`);
    const read = readResponse(text, offset, plan, hasEnded);
    if (read === undefined) return { whole, isCut: true, isLast };
    offset = read.end;
    if (read.isInterim) continue;
    isLast = read.isLast;
    whole++;
  }
  return { whole, isCut: false, isLast };
}

interface ReadResponse {
  readonly end: number;
  readonly isInterim: boolean;
  readonly isLast: boolean;
}

/** Undefined for one that has not come whole. */
function readResponse(
  text: string,
  start: number,
  plan: RequestPlan,
  hasEnded: boolean,
): ReadResponse | undefined {
  const headersEnd = text.indexOf("\r\n\r\n", start);
  if (headersEnd === -1) return undefined;
  const [statusLine = "", ...lines] = text.slice(start, headersEnd).split("\r\n");
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1];
  if (status === undefined) throw new Error(`No status line: ${cut(text, start)}`);
  const bodyStart = headersEnd + 4;
  if (status === "100") {
    if (!plan.expectsContinue) {
      throw new Error(`/${plan.key} was told to continue, and did not ask`);
    }
    return { end: bodyStart, isInterim: true, isLast: false };
  }
  const fields = new Map(lines.map((line) => line.split(": ") as [string, string]));
  const expected = status === "200" ? expectedBytes(plan) : new Uint8Array(0);
  if (status === "200" ? fields.get("x-key") !== String(plan.key) : plan.reply !== "throws") {
    throw new Error(`/${plan.key} was responded to with ${status}, key ${fields.get("x-key")}`);
  }
  const body = plan.method === "HEAD"
    ? { end: bodyStart, bytes: undefined }
    : readBody(text, bodyStart, fields, hasEnded);
  if (body === undefined) return undefined;
  if (body.bytes !== undefined && body.bytes !== fromLatin1(expected)) {
    throw new Error(
      `/${plan.key} has ${body.bytes.length} bytes that are not its ${expected.length}`,
    );
  }
  const connection = fields.get("connection");
  return { end: body.end, isInterim: false, isLast: connection === "close" };
}

function readBody(
  text: string,
  start: number,
  fields: ReadonlyMap<string, string>,
  hasEnded: boolean,
): { readonly end: number; readonly bytes: string } | undefined {
  const length = fields.get("content-length");
  if (fields.get("transfer-encoding") === "chunked") return readChunks(text, start);
  if (length === undefined) {
    return hasEnded ? { end: text.length, bytes: text.slice(start) } : undefined;
  }
  const end = start + Number(length);
  return end > text.length ? undefined : { end, bytes: text.slice(start, end) };
}

function readChunks(text: string, start: number) {
  let bytes = "";
  for (let offset = start;;) {
    const lineEnd = text.indexOf("\r\n", offset);
    if (lineEnd === -1) return undefined;
    const size = text.slice(offset, lineEnd);
    if (!/^[0-9a-f]+$/.test(size)) throw new Error(`No chunk size: ${cut(text, offset)}`);
    const length = parseInt(size, 16);
    const end = lineEnd + 2 + length;
    if (text.length < end + 2) return undefined;
    if (text.slice(end, end + 2) !== "\r\n") {
      throw new Error(`No end of a chunk: ${cut(text, end)}`);
    }
    if (length === 0) return { end: end + 2, bytes };
    bytes += text.slice(lineEnd + 2, end);
    offset = end + 2;
  }
}

function cut(text: string, offset: number): string {
  return JSON.stringify(text.slice(offset, offset + 60));
}
