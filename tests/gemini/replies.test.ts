/** What becomes of an application's response and of errors in Gemini: every status, every code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { convertHeaders } from "../../src/gemini/cgi_conversion.ts";
import { isAddress, normalizeHost } from "../../src/gemini/host.ts";
import { errorReply, plainHeader } from "../../src/gemini/own_replies.ts";
import type { GeminiRequest } from "../../src/gemini/request.ts";
import { FileError } from "../../src/runtime/file_error.ts";
import { UpstreamError, type UpstreamErrorCode } from "../../src/upstream/errors.ts";

type Headers = readonly (readonly [name: string, value: string])[];

function convert(status: number, headers: Headers = []) {
  return convertHeaders({ status, headers, contentLength: undefined });
}

test("Every status of CGI is one code of Gemini", () => {
  const location = [["Location", "/next"]] as const;
  const cases: readonly (readonly [status: number, code: number, meta: string])[] = [
    [200, 20, "text/gemini"],
    [299, 20, "text/gemini"],
    [300, 30, "/next"],
    [301, 31, "/next"],
    [302, 30, "/next"],
    [303, 30, "/next"],
    [307, 30, "/next"],
    [308, 31, "/next"],
    [399, 30, "/next"],
    [400, 50, "Status 400"],
    [401, 60, "Status 401"],
    [403, 61, "Status 403"],
    [404, 51, "Status 404"],
    [405, 50, "Status 405"],
    [410, 52, "Status 410"],
    [429, 44, "1"],
    [499, 50, "Status 499"],
    [500, 42, "Status 500"],
    [503, 42, "Status 503"],
    [599, 42, "Status 599"],
    [199, 50, "Status 199"],
  ];
  for (const [status, code, meta] of cases) {
    assert.deepEqual(convert(status, location), { code, meta }, `${status}`);
  }
});

test("A header of Gemini says what the application's fields do, in whatever case", () => {
  assert.deepEqual(convert(200, [["content-TYPE", "text/plain"]]), {
    code: 20,
    meta: "text/plain",
  });
  // Bytes of UTF-8, as a header section has them.
  assert.deepEqual(convert(200, [["Content-Type", "a\tb\u00c3\u00a9"]]), {
    code: 20,
    meta: "a b\u00e9",
  });
  assert.deepEqual(convert(302), { error: "status 302 has no Location" });
  for (const [value, meta] of [["7", "7"], ["999999999", "999999999"], ["soon", "1"], ["", "1"]]) {
    assert.deepEqual(convert(429, [["Retry-After", value!]]), { code: 44, meta });
  }
  const typeOf = (length: number) => convert(200, [["Content-Type", "x".repeat(length)]]);
  assert.ok("code" in typeOf(1_024));
  assert.deepEqual(typeOf(1_025), { error: "its header is too long for META" });
});

/** What the application's failures are: 40 and 41 pass, 42 is its own fault, 43 nobody reached it. */
const CODES: Readonly<Record<UpstreamErrorCode, number>> = {
  connect_failed: 43,
  connect_timeout: 43,
  local_limit: 40,
  lookup_failed: 43,
  servers_down: 41,
  queue_full: 41,
  queue_timeout: 41,
  tunnels_full: 41,
  send_timeout: 42,
  request_body_timeout: 40,
  request_body_failed: 40,
  first_byte_timeout: 42,
  idle_timeout: 42,
  total_timeout: 42,
  connection_lost: 42,
  bad_record: 43,
  bad_answer: 42,
  answer_too_large: 42,
  spill_failed: 41,
  memory_full: 41,
  overloaded: 41,
  cannot_multiplex: 43,
  unknown_role: 43,
  client_gone: 40,
  slow_client: 40,
  draining: 41,
};

function reply(error: unknown) {
  const request = { trace: {} } as Pick<GeminiRequest, "trace">;
  const { header, body } = errorReply(request, error);
  assert.equal(body, null);
  return { ...header, trace: request.trace.code };
}

test("Every error on the way to an application is one code, and its name stands in the log", () => {
  const words = new Map([
    [40, "Temporary failure"],
    [41, "Server unavailable"],
    [42, "Application failed"],
    [43, "Application not reached"],
  ]);
  for (const [name, code] of Object.entries(CODES) as [UpstreamErrorCode, number][]) {
    const error = Object.assign(Object.create(UpstreamError.prototype), { code: name });
    assert.deepEqual(reply(error), { code, meta: words.get(code), trace: name });
  }
  const own = (error: unknown) => {
    const { code, trace } = reply(error);
    return [code, trace];
  };
  assert.deepEqual(own(new FileError("open", "/a", "EMFILE")), [40, "local_limit"]);
  assert.deepEqual(own(new FileError("open", "/a", "EIO")), [40, "file_error"]);
  assert.deepEqual(own(new Error("/home/secret")), [40, "internal_error"]);
  assert.equal(reply(new Error("/home/secret")).meta, "Temporary failure");
  const reasons = [51, 53, 59, 70].map((code) => plainHeader(code).meta);
  assert.deepEqual(reasons, ["Not found", "Proxy request refused", "Bad request", "Error"]);
});

test("A host has one form, and what would be another one in a URL has none", () => {
  const cases: readonly (readonly [text: string, host: string | undefined])[] = [
    ["A.Test.", "a.test"],
    ["a_b-c.test", "a_b-c.test"],
    ["%61.test", "a.test"],
    ["b\u00fccher.test", "xn--bcher-kva.test"],
    ["192.0.2.1", "192.0.2.1"],
    ["0x7f.1", "0x7f.1"],
    ["[2001:DB8::0:1]", "[2001:db8::1]"],
    ["[::ffff:192.0.2.1]", "[::ffff:c000:201]"],
    ["[::1", undefined],
    ["[::1]x", undefined],
    ["[]", undefined],
    ["[::1]@evil.test/[::1]", undefined],
    ["[a.test]", undefined],
    ["[::g]", undefined],
    ["[fe80::1%25eth0]", undefined],
    ["", undefined],
    [".", undefined],
    ["a..b", undefined],
    ["a b", undefined],
    ["a%2fb", undefined],
    ["%", undefined],
    ["b\u00fccher.test%2f", undefined],
    ["b\u00fccher@evil.test", undefined],
    [`${"x".repeat(253)}`, "x".repeat(253)],
    [`${"x".repeat(254)}`, undefined],
  ];
  for (const [text, host] of cases) assert.equal(normalizeHost(text), host, text);
  const addresses = ["192.0.2.1", "[::1]", "a.test", "1.2.3", "1.2.3.4.test"].map(isAddress);
  assert.deepEqual(addresses, [true, true, false, false, false]);
});
