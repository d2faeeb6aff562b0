/** What goes on to an HTTP server of what others say: neither how a request is framed, nor who it is from. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyFields } from "../../src/http/proxy_fields.ts";
import { targetText } from "../../src/http/proxy_request.ts";
import type { RequestContext } from "../../src/http/request_context.ts";
import { parseTarget } from "../../src/http/target.ts";

/** As they are written on the wire; each frames a request, belongs to one hop, or is ours to say. */
const OURS = [
  "connection",
  "content-length",
  "expect",
  "forwarded",
  "host",
  "keep-alive",
  "proxy",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
];

function fieldsWith(extra: readonly (readonly [string, string])[], own: HeadersInit = {}) {
  const context = {
    peer: { host: "192.0.2.7", port: 4711 },
    proxy: undefined,
    listener: { scheme: "http", port: 80 },
    host: { name: "a.test", port: undefined },
    extra: new Map(extra),
  } as unknown as RequestContext;
  return proxyFields(context, new Headers(own));
}

test("What an authorizer says frames no request, and tells no server who its client is", () => {
  const plain = fieldsWith([]);
  for (const name of OURS) {
    const parameter = `HTTP_${name.toUpperCase().replaceAll("-", "_")}`;
    for (const value of ["4", "chunked", ""]) {
      assert.deepEqual(fieldsWith([[parameter, value]]), plain, `${name}: ${value}`);
    }
  }
});

test("What an authorizer says in a field of its own goes on, in the place of the client's", () => {
  const own = { "x-user": "root", "x-none": "a" };
  const fields = fieldsWith([["HTTP_X_USER", "anna"], ["HTTP_X_NONE", ""], ["OTHER", "b"]], own);
  assert.deepEqual([fields.get("x-user"), fields.has("x-none"), fields.has("other")], [
    "anna",
    false,
    false,
  ]);
});

test("Bytes beyond ASCII go on as they are encoded, in path and query", () => {
  for (
    const [raw, wanted] of [
      ["/\xff?a=\xfe", "/%FF?a=%FE"],
      ["/\xc3\xa4", "/%C3%A4"],
      ["/%ff?%FE", "/%ff?%FE"],
    ] as const
  ) {
    const target = parseTarget(raw, true);
    assert.ok(target.kind === "target", raw);
    assert.equal(targetText(target, undefined), wanted);
  }
});
