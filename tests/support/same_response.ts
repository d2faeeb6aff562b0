/**
 * Whether a response over HTTP/2 is the one over HTTP/1: status, fields and body. What differs is how
 * a version says where a body ends, what time it is, and which request it was.
 */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { Http2Response } from "./http2_client.ts";
import type { HttpResponse } from "./raw_http.ts";

/** What no two responses have in common, or what is about a connection. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "date",
  "x-request-id",
  "connection",
  "transfer-encoding",
  ":status",
]);

/** Of several ranges, made up for each response. */
const BOUNDARY = /boundary=[\w-]+/;

/** @throws {assert.AssertionError} */
export function assertSameResponse(
  second: Http2Response,
  first: HttpResponse,
  what = "the response",
): void {
  const headers = joinedFields(second.fields);
  assert.equal(second.status, first.status, what);
  assert.deepEqual(comparable(headers, first.headers), comparable(first.headers, headers), what);
  const coding = first.headers.get("content-encoding");
  assert.equal(withoutIds(second.body, coding), withoutIds(first.body, coding), what);
  assert.equal(second.isWhole, first.complete, what);
}

function comparable(
  headers: ReadonlyMap<string, string>,
  other: ReadonlyMap<string, string>,
): [string, string][] {
  // A length may be left out where a version can do without it; with an id in a body it varies.
  const hasLength = other.has("content-length") && headers.get("cache-control") !== "no-store";
  return [...headers].filter(([name]) =>
    !OWN_FIELDS.has(name) && (name !== "content-length" || hasLength)
  ).map(([name, value]): [string, string] => [name, value.replace(BOUNDARY, "boundary=ID")]).sort();
}

/** A field that came twice as HTTP/1's client tells it. */
function joinedFields(fields: readonly (readonly [string, string])[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of fields) {
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

/** Ids are in the bodies of responses of our own, too. */
function withoutIds(body: Uint8Array, coding: string | undefined): string {
  // How a stream is cut into deflate's blocks is a matter of time.
  const plain = coding === "gzip" && isGzip(body) ? gunzipSync(body) : body;
  return new TextDecoder("latin1").decode(plain).replace(/[0-9a-f]{8,}(?:-\w+)*/g, "ID");
}

/** Some only say that they are. */
function isGzip(body: Uint8Array): boolean {
  return body[0] === 0x1f && body[1] === 0x8b;
}
