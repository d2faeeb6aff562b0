/** The path and the query that a rewrite makes, however its text begins and ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileRewrite } from "../../src/http/rewrite.ts";
import type { RequestContext } from "../../src/http/request_context.ts";

test("A rewrite's path begins with a slash, and its query stands before the client's", () => {
  const context = {
    method: "a",
    target: { kind: "target", raw: "/old?q=1", path: "/old", query: "q=1" },
  } as unknown as RequestContext;
  const table: [to: string, path: string, query: string][] = [
    ["/new", "/new", "q=1"],
    ["new", "/new", "q=1"],
    ["${request.method}/b", "/a/b", "q=1"],
    ["/new?r=2", "/new", "r=2&q=1"],
    ["?r=2", "/", "r=2&q=1"],
    ["?", "/", ""],
    ["/new?", "/new", ""],
    ["/new?r=2?", "/new", "r=2"],
    ["//new/../b", "/b", "q=1"],
  ];
  for (const [to, path, query] of table) {
    const target = compileRewrite({ to } as Parameters<typeof compileRewrite>[0], {})(
      context,
      new Headers(),
    );
    assert.deepEqual(target, { kind: "target", raw: "/old?q=1", path, query }, to);
  }
});
