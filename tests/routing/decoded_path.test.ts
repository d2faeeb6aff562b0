import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePath } from "../../src/routing/decoded_path.ts";

test("decodePath decodes once, merges slashes and removes dot segments", () => {
  const table: readonly (readonly [raw: string, path: string])[] = [
    ["/", "/"],
    ["/a%20b", "/a b"],
    ["/%2561", "/%61"],
    ["//a///b/", "/a/b/"],
    ["/a/./b/../c", "/a/c"],
    ["/a/%2e%2e%2fb", "/b"],
    ["/a/..", "/"],
    ["/a/b/.", "/a/b/"],
    ["/a\\..\\b", "/a\\..\\b"],
    ["/%C3%BC", "/ü"],
  ];
  for (const [raw, path] of table) assert.deepEqual(decodePath(raw), { path }, raw);
});

test("decodePath says why a path is none", () => {
  const table: readonly (readonly [raw: string, reason: RegExp])[] = [
    ["/%zz", /broken percent-encoding/],
    ["/%c3", /not UTF-8/],
    ["/a%00b", /NUL/],
    ["/a/../../b", /leaves the root/],
  ];
  for (const [raw, reason] of table) {
    const decoded = decodePath(raw);
    assert.ok("reason" in decoded, raw);
    assert.match(decoded.reason, reason);
  }
});
