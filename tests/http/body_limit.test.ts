/** What is taken for a request's body, also where the runtimes would refuse it before us. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { takeBody } from "../../src/http/body_limit.ts";
import { HTTP_LIMIT_DEFAULTS } from "../../src/http/options.ts";

const LENGTH_MAX = 10;

function take(headers: Record<string, string>, text: string | null) {
  const body = text === null ? null : new Response(text).body;
  const request = { headers: new Headers(headers), body } as Request;
  const lengths: number[] = [];
  const limits = { ...HTTP_LIMIT_DEFAULTS, requestBodyMax: LENGTH_MAX };
  const taken = takeBody(request, limits, (length) => lengths.push(length));
  return { taken, lengths };
}

/** The code and status of a refusal. */
function refusal(headers: Record<string, string>, text: string | null): string {
  const { taken } = take(headers, text);
  assert.equal(taken.kind, "refused");
  return taken.kind === "refused" ? `${taken.status} ${taken.code}` : "";
}

test("Without a length and without chunks there is no body", () => {
  const { taken } = take({}, null);
  assert.deepEqual(taken, { kind: "none", contentLength: undefined });
  assert.deepEqual(take({ "content-length": "0" }, null).taken, {
    kind: "none",
    contentLength: 0,
  });
});

test("A body of declared length is passed on as it is", () => {
  const { taken, lengths } = take({ "content-length": "4" }, "body");
  assert.ok(taken.kind === "body");
  assert.equal(taken.body.length, 4);
  assert.deepEqual(lengths, [4]);
});

test("A chunked body has no length, and is counted as it is read", async () => {
  const { taken, lengths } = take({ "transfer-encoding": "chunked" }, "0123456789");
  assert.ok(taken.kind === "body");
  assert.equal(taken.body.length, undefined);
  assert.deepEqual(lengths, []);
  assert.equal(await new Response(taken.body.stream as ReadableStream).text(), "0123456789");
  assert.equal(lengths.at(-1), 10);
});

test("A chunked body fails with the first byte beyond the limit", async () => {
  const { taken } = take({ "transfer-encoding": "chunked" }, "0123456789x");
  assert.ok(taken.kind === "body");
  await assert.rejects(new Response(taken.body.stream as ReadableStream).text(), /over 10 bytes/);
});

test("What could be read in two ways, or not at all, is refused", () => {
  const both = { "content-length": "4", "transfer-encoding": "chunked" };
  assert.equal(refusal(both, "body"), "400 request_body_unreadable");
  for (const length of ["x", "-1", "1, 1", "1e3", "0x1", "9".repeat(16)]) {
    assert.equal(refusal({ "content-length": length }, "b"), "400 request_body_unreadable", length);
  }
  assert.equal(refusal({ "content-length": "4" }, null), "400 request_body_unreadable");
  assert.equal(refusal({ "transfer-encoding": "chunked" }, null), "400 request_body_unreadable");
});

test("A declared length beyond the limit is refused before anything is read", () => {
  assert.equal(refusal({ "content-length": "11" }, "01234567890"), "413 request_body_too_large");
});
