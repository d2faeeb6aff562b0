import assert from "node:assert/strict";
import { posix } from "node:path";
import test from "node:test";
import fc from "fast-check";
import { parseTarget, type RequestTarget, TARGET_LENGTH_MAX } from "../../src/http/target.ts";

function accepted(url: string): RequestTarget {
  const target = parseTarget(url);
  assert.equal(target.kind, "target", JSON.stringify(target));
  return target as RequestTarget;
}

function assertRefused(url: string, status: number, reason: RegExp): void {
  const refusal = parseTarget(url);
  assert.ok(refusal.kind === "refused", `${url} was accepted`);
  assert.equal(refusal.status, status);
  assert.match(refusal.reason, reason);
}

test("parseTarget cuts path and query out of an absolute URL", () => {
  assert.deepEqual(accepted("http://example.com:8080/blog/1?page=2&a=b?c"), {
    kind: "target",
    raw: "/blog/1?page=2&a=b?c",
    path: "/blog/1",
    query: "page=2&a=b?c",
  });
});

test("parseTarget reads every form of URL that a runtime hands out", () => {
  for (
    const url of [
      "http://h/p",
      "https://h/p",
      "HTTP://h/p",
      "http://[::1]:80/p",
      "http://a b/p",
      "/p",
    ]
  ) {
    assert.equal(accepted(url).path, "/p", url);
  }
  assert.equal(accepted("http://h/").path, "/");
});

test("parseTarget keeps the raw target as it came", () => {
  for (const raw of ["/a/../b", "//a", "/%7Ea?%zz", "/a?", "/a\\b", "/a?b/../c//d"]) {
    assert.equal(accepted(`http://h${raw}`).raw, raw);
  }
});

test("parseTarget leaves the query undecoded and unmerged", () => {
  assert.equal(accepted("http://h/p?a=%2e%2e//./%zz%00").query, "a=%2e%2e//./%zz%00");
  assert.equal(accepted("http://h/p?").query, "");
  assert.equal(accepted("http://h/p").query, "");
});

test("parseTarget decodes, merges slashes and removes dot segments, in this order", () => {
  const cases: [raw: string, path: string][] = [
    ["/a%20b", "/a b"],
    ["/caf%C3%A9", "/café"],
    ["/%F0%9F%98%80", "/\u{1F600}"],
    ["/a//b///c", "/a/b/c"],
    ["//", "/"],
    ["//host/p", "/host/p"],
    ["/a/./b", "/a/b"],
    ["/a/.", "/a/"],
    ["/a/..", "/"],
    ["/a/b/..", "/a/"],
    ["/a/b/../c", "/a/c"],
    ["/a//../b", "/b"],
    ["/a/%2e%2E/b", "/b"],
    ["/a/.%2e/b", "/b"],
    ["/a%2F..%2fb", "/b"],
    ["/a%2fb", "/a/b"],
    ["/...", "/..."],
    ["/a/..b/.c", "/a/..b/.c"],
    ["/a/b/", "/a/b/"],
    ["/a/..;/b", "/a/..;/b"],
    ["/a;b=c", "/a;b=c"],
  ];
  for (const [raw, path] of cases) assert.equal(accepted(`http://h${raw}`).path, path, raw);
});

test("parseTarget decodes once", () => {
  assert.equal(accepted("http://h/%252e%252e/%2500").path, "/%2e%2e/%00");
});

test("parseTarget takes a backslash for a character of a name", () => {
  assert.equal(accepted("http://h/a\\..\\b").path, "/a\\..\\b");
  assert.equal(accepted("http://h/a%5C..%5Cb/../c").path, "/c");
});

test("parseTarget refuses what leaves the root", () => {
  for (const raw of ["/..", "/../a", "/a/../../b", "/%2e%2e/a", "/a/..%2f..%2fb", "//../a"]) {
    assertRefused(`http://h${raw}`, 400, /leaves the root/);
  }
});

test("parseTarget refuses a NUL in the path", () => {
  assertRefused("http://h/a%00.php", 400, /NUL/);
  assertRefused("http://h/a\0", 400, /character 0x00/);
});

test("parseTarget refuses broken percent-encoding in the path", () => {
  for (const raw of ["/%", "/%2", "/%zz", "/a%2gb", "/%%41"]) {
    assertRefused(`http://h${raw}`, 400, /broken percent-encoding/);
  }
});

test("parseTarget refuses a path that is not UTF-8", () => {
  const cases = ["/%E9", "/%C0%AE%C0%AE/", "/%ED%A0%80", "/%F4%90%80%80", "/%C3", "/%80"];
  for (const raw of cases) assertRefused(`http://h${raw}`, 400, /not UTF-8/);
});

test("parseTarget refuses characters that a target cannot have", () => {
  assertRefused("http://h/a b", 400, /character 0x20/);
  assertRefused("http://h/a?b\nc", 400, /character 0x0a/);
  assertRefused("http://h/a\x7f", 400, /character 0x7f/);
  assertRefused("http://h/é", 400, /not UTF-8/);
  assertRefused("http://h/\u20ac", 400, /character 0x20ac/);
  assertRefused("http://h/a#b", 400, /"#"/);
  assertRefused("http://h/a?b#c", 400, /"#"/);
});

test("parseTarget refuses a target without a path", () => {
  for (const url of ["", "*", "a", "http://", "?a"]) assertRefused(url, 400, /does not begin/);
});

test("parseTarget reads a URL without a path as that of the root, whatever its query holds", () => {
  for (const origin of ["http://h", "https://h", "HTTP://h:80", "http://[::1]:8080"]) {
    assert.equal(accepted(origin).path, "/");
    const { raw, path, query } = accepted(`${origin}?x=/foo/bar`);
    assert.deepEqual([raw, path, query], ["/?x=/foo/bar", "/", "x=/foo/bar"]);
    assertRefused(`${origin}#/foo`, 400, /"#"/);
  }
});

test("parseTarget takes UTF-8 as it is for what it would be encoded", () => {
  const { raw, path, query } = accepted("/caf\u00c3\u00a9?q=\u00c3\u00a9&r=\u00ff");
  assert.deepEqual([raw, path, query], [
    "/caf%C3%A9?q=%C3%A9&r=%FF",
    "/caf\u00e9",
    "q=%C3%A9&r=%FF",
  ]);
  assertRefused(`/${"\u00c3\u00a9".repeat(TARGET_LENGTH_MAX / 4)}`, 414, /characters/);
});

test("parseTarget refuses a target over the limit with 414", () => {
  const longest = `/${"a".repeat(TARGET_LENGTH_MAX - 1)}`;
  assert.equal(accepted(`http://h${longest}`).path, longest);
  assertRefused(`http://h${longest}a`, 414, /16385 characters/);
  assertRefused(`http://h/?${"a".repeat(TARGET_LENGTH_MAX - 1)}`, 414, /16385 characters/);
});

/** Mostly what can be accepted, so that most of the runs get past the refusals. */
const pieces = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom("/", "//", "%2f", "a", "b.php", "%C3%A9", "%3f") },
    { weight: 8, arbitrary: fc.constantFrom("/./", "/../", "%2f.%2e/", ".", "%2E", "%252e", "~") },
    { weight: 4, arbitrary: fc.constantFrom("\\", "%5c", ";", ":", "%0a", "+", "%23", "?") },
    { weight: 1, arbitrary: fc.constantFrom("%00", "%", "%c0%ae", "#") },
  ),
  { maxLength: 12 },
).map((parts) => `/${parts.join("")}`);

test("parseTarget accepts no path with an empty or a dot segment, however it is written", () => {
  fc.assert(
    fc.property(pieces, (raw) => {
      const target = parseTarget(`http://h${raw}`);
      if (target.kind === "refused") return;
      const [first, ...segments] = target.path.split("/");
      assert.equal(first, "");
      for (const [index, segment] of segments.entries()) {
        assert.ok(segment !== "" || index === segments.length - 1, target.path);
        assert.ok(segment !== "." && segment !== "..", target.path);
        assert.ok(!segment.includes("\0"), target.path);
      }
    }),
    { numRuns: 1000 },
  );
});

test("parseTarget reads a path as the file system would", () => {
  const withoutSlash = (path: string) =>
    path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  fc.assert(
    fc.property(pieces, (raw) => {
      const target = parseTarget(`http://h${raw}`);
      if (target.kind === "refused") return;
      const [rawPath = ""] = raw.split("?");
      const expected = posix.normalize(decodeURIComponent(rawPath));
      assert.equal(withoutSlash(target.path), withoutSlash(expected));
    }),
    { numRuns: 1000 },
  );
});

test("parseTarget reads the encoded form of a path it made as the same path", () => {
  fc.assert(fc.property(pieces, (raw) => {
    const target = parseTarget(`http://h${raw}`);
    if (target.kind === "refused") return;
    const encoded = target.path.split("/").map(encodeURIComponent).join("/");
    assert.equal(accepted(`http://h${encoded}`).path, target.path);
  }));
});

test("parseTarget reads any text without an exception", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.ok(["target", "refused"].includes(parseTarget(text).kind));
  }));
});
