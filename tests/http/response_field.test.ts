/** A response of any kind with one field more, and with what browsers are told of the scheme. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withField } from "../../src/http/response_field.ts";
import { answerPlainHttp, hstsValue, withHsts } from "../../src/http/scheme.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import {
  BytesResponse,
  FileResponse,
  type HttpResponse,
  type ResponseFields,
  StreamResponse,
  UpgradeResponse,
} from "../../src/runtime/http_response.ts";
import type { OpenFile } from "../../src/runtime/open_file.ts";

const FILE = { path: "/file" } as unknown as OpenFile;
const onSwitched = (): void => {};

/** Each kind with these fields. */
const KINDS: Readonly<Record<string, (fields: ResponseFields) => HttpResponse>> = {
  fetch: (fields) => new Response("body", { status: 201, headers: fields as [string, string][] }),
  bytes: (fields) => new BytesResponse(202, fields, new Uint8Array(3), "Odd"),
  stream: (fields) => new StreamResponse(203, fields, null, { length: 7, reason: "Odd" }),
  upgrade: (fields) => new UpgradeResponse(fields, new ReadableStream(), onSwitched),
  file: (fields) => new FileResponse(206, fields, { file: FILE, start: 1, end: 4 }),
};

function fieldsOf(response: HttpResponse): [string, string][] {
  if (!(response instanceof Response)) return response.fields.map(([name, value]) => [name, value]);
  return [...response.headers].filter(([name]) => name !== "content-type");
}

/** All but its fields. */
function restOf(response: HttpResponse): unknown {
  if (response instanceof Response) return [response.status, response.body !== null];
  const { fields: _, ...rest } = response;
  return { ...rest, kind: response.constructor.name };
}

for (const [kind, make] of Object.entries(KINDS)) {
  test(`A field is added to a response of kind ${kind}, and one that is there stays`, () => {
    const before = make([["x-other", "1"]]);
    const added = withField(before, "x-new", "2");
    assert.deepEqual(
      fieldsOf(added),
      [["x-new", "2"], ["x-other", "1"]].toSorted(
        kind === "fetch" ? undefined : (a, b) => b[0]!.localeCompare(a[0]!),
      ),
    );
    if (kind === "upgrade") {
      assert.equal((added as UpgradeResponse).body, (before as UpgradeResponse).body);
    }
    assert.deepEqual(restOf(added), restOf(before));
    for (const name of ["x-new", "X-New"]) {
      const there = make([[name, "first"]]);
      const kept = withField(there, "x-new", "second");
      assert.equal(kept, there);
      assert.deepEqual(fieldsOf(kept).map(([, value]) => value), ["first"]);
    }
  });

  test(`What browsers shall remember replaces what a response of kind ${kind} said of it`, () => {
    const before = make([["Strict-Transport-Security", "max-age=1"], ["x-other", "1"]]);
    const after = withHsts(before, hstsValue(60, true));
    assert.deepEqual(
      fieldsOf(after).toSorted(([a], [b]) => a.localeCompare(b)),
      [["strict-transport-security", "max-age=60; includeSubDomains"], ["x-other", "1"]],
    );
    assert.deepEqual(restOf(after), restOf(before));
  });
}

test("Over plain HTTP a request is led to TLS, refused, or taken", () => {
  const contextOf = (scheme: "http" | "https", proxy?: string): RequestContext => {
    const context = {
      listener: { scheme, host: "", port: 80 },
      host: { name: "a.example", port: 8080 },
      target: { kind: "target", raw: "/b?c", path: "/b", query: "c" },
      proxy,
    };
    return context as unknown as RequestContext;
  };
  assert.equal(answerPlainHttp("allow"), undefined);
  for (const plain of ["only", "redirect"] as const) {
    assert.equal(answerPlainHttp(plain)!(contextOf("https"), 443), undefined);
  }
  assert.deepEqual(answerPlainHttp("only")!(contextOf("http"), 443), {
    status: 403,
    code: "https_only",
  });
  const led = (tlsPort: number | undefined, proxy?: string) => {
    const response = answerPlainHttp("redirect")!(contextOf("http", proxy), tlsPort);
    assert.ok(response instanceof BytesResponse);
    assert.deepEqual([response.status, response.body.length], [308, 0]);
    return response.fields[0]![1];
  };
  assert.equal(led(443), "https://a.example/b?c");
  assert.equal(led(undefined), "https://a.example/b?c");
  assert.equal(led(8443), "https://a.example:8443/b?c");
  assert.equal(led(8443, "10.0.0.1"), "https://a.example/b?c");
  assert.equal(hstsValue(5, false), "max-age=5");
});
