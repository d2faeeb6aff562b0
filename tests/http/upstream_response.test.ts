/** An upstream's response as a Fetch Response, without a runtime's server that mends it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toResponse } from "../../src/http/upstream_response.ts";
import { UpstreamError } from "../../src/upstream/errors.ts";
import type { UpstreamResponse } from "../../src/upstream/request.ts";

type Headers = readonly (readonly [name: string, value: string])[];

const BODY = new TextEncoder().encode("body");

function responseOf(
  status: number,
  headers: Headers,
  body: UpstreamResponse["body"] = BODY,
): UpstreamResponse {
  const length = headers.find(([name]) => name === "Content-Length")?.[1];
  const contentLength = length === undefined ? undefined : Number(length);
  return {
    head: { status, headers, contentLength },
    body,
    source: { server: "unix:/app.sock", connection: 1, stream: 1, headMs: 0 },
    progress: { bytes: 0, ended: false, error: undefined, onEnded: undefined },
  };
}

/** A stream that tells when nobody wants it any more. */
function watchedStream() {
  const cancelled = Promise.withResolvers<void>();
  const stream = new ReadableStream<Uint8Array>({ cancel: () => cancelled.resolve() });
  return { stream, cancelled: cancelled.promise };
}

test("A length passes with a stream, to HEAD and with 304, and not where it would be wrong", () => {
  const headers: Headers = [["Content-Length", "4"]];
  const lengthOf = (status: number, method = "GET", body: UpstreamResponse["body"] = null) =>
    toResponse(responseOf(status, headers, body), method).headers.get("content-length");
  assert.equal(lengthOf(200, "GET", watchedStream().stream), "4");
  assert.equal(lengthOf(200, "HEAD"), "4");
  assert.equal(lengthOf(304), "4");
  assert.equal(lengthOf(204), null);
  assert.equal(lengthOf(205), null);
  // With all bytes at hand the runtime counts them.
  assert.equal(lengthOf(200, "GET", BODY), null);
});

test("A body that is not sent on is given up", async () => {
  for (
    const [status, method] of [[204, "GET"], [205, "GET"], [304, "GET"], [200, "HEAD"]] as const
  ) {
    const { stream, cancelled } = watchedStream();
    assert.equal(toResponse(responseOf(status, [], stream), method).body, null);
    await cancelled;
  }
});

test("A response that HTTP cannot carry is the application's error, and its body is given up", async () => {
  const unusable: readonly [status: number, headers: Headers][] = [
    [200, [["X-Bad", "line\r\nbreak"]]],
    [200, [["X-Bad", "\u20ac"]]],
    [200, [["bad name", "1"]]],
  ];
  for (const [status, headers] of unusable) {
    const { stream, cancelled } = watchedStream();
    assert.throws(
      () => toResponse(responseOf(status, headers, stream), "GET"),
      (error: unknown) => {
        assert.ok(error instanceof UpstreamError);
        assert.equal(error.code, "bad_answer");
        assert.equal(error.server, "unix:/app.sock");
        return true;
      },
    );
    await cancelled;
  }
});

test("An application cannot frame what the client gets", () => {
  const { headers } = toResponse(
    responseOf(200, [
      ["Connection", "X-Hop , close"],
      ["X-HOP", "1"],
      ["Transfer-Encoding", "chunked"],
      ["Keep-Alive", "timeout=5"],
      ["X-Kept", "1"],
    ]),
    "GET",
  );
  assert.deepEqual([...headers], [["x-kept", "1"]]);
});
