import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { normalizeHost } from "../../src/gemini/host.ts";
import { RequestLineReader, URI_LENGTH_MAX } from "../../src/gemini/request_line.ts";
import { type GeminiUri, parseUri } from "../../src/gemini/uri.ts";

function uriOf(text: string): GeminiUri {
  const uri = parseUri(text);
  assert.ok(uri.kind === "uri", `${text}: ${uri.kind === "refused" && uri.reason}`);
  return uri;
}

test("parseUri brings a URI into its one form", () => {
  const table: readonly (readonly [text: string, url: string])[] = [
    ["gemini://example.com", "gemini://example.com/"],
    ["gemini://example.com/", "gemini://example.com/"],
    ["GEMINI://EXAMPLE.com/A", "gemini://example.com/A"],
    ["gemini://example.com:1965/", "gemini://example.com/"],
    ["gemini://example.com:/", "gemini://example.com/"],
    ["gemini://example.com.:1966/", "gemini://example.com:1966/"],
    ["gemini://example.com/%7euser/%c3%bc", "gemini://example.com/~user/%C3%BC"],
    ["gemini://example.com/ü", "gemini://example.com/%C3%BC"],
    ["gemini://example.com/a/./b/../c", "gemini://example.com/a/c"],
    ["gemini://example.com/a/%2e%2e/b", "gemini://example.com/b"],
    ["gemini://example.com/a/..", "gemini://example.com/"],
    ["gemini://example.com/a/b/.", "gemini://example.com/a/b/"],
    ["gemini://example.com//a//b", "gemini://example.com//a//b"],
    ["gemini://example.com/a%2Fb", "gemini://example.com/a%2Fb"],
    ["gemini://example.com?q", "gemini://example.com/?q"],
    ["gemini://example.com/?%41%20b", "gemini://example.com/?A%20b"],
    ["gemini://ex%61mple.com/", "gemini://example.com/"],
    ["gemini://bücher.example/", "gemini://xn--bcher-kva.example/"],
    ["gemini://b%C3%BCcher.example/", "gemini://xn--bcher-kva.example/"],
    ["gemini://[2001:DB8:0:0::1]:1966/", "gemini://[2001:db8::1]:1966/"],
    ["gemini://127.0.0.1/", "gemini://127.0.0.1/"],
    ["http://example.com:80/", "http://example.com:80/"],
  ];
  for (const [text, url] of table) assert.equal(uriOf(text).url, url, text);
});

test("parseUri gives path and query to match and to pass on", () => {
  const uri = uriOf("gemini://Example.com:1966//a/%2e%2e/b%20c/?x%3dy&z");
  assert.equal(uri.host, "example.com");
  assert.equal(uri.port, 1966);
  assert.equal(uri.path, "/b c/");
  assert.equal(uri.encodedPath, "//b%20c/");
  assert.equal(uri.query, "x%3Dy&z");
  assert.equal(uriOf("gemini://a/").query, undefined);
  assert.equal(uriOf("gemini://a/?").query, "");
});

test("parseUri refuses with 59 what is no URI, or none for a server", () => {
  const table: readonly (readonly [text: string, reason: RegExp])[] = [
    ["", /no scheme/],
    ["/path", /no scheme/],
    ["example.com/", /no scheme/],
    ["//example.com/", /no scheme/],
    ["1gemini://example.com/", /no scheme/],
    ["gemini:/path", /no host/],
    ["gemini:", /no host/],
    ["gemini:///path", /no host/],
    ["gemini://:1965/", /no host/],
    ["gemini://user@example.com/", /userinfo/],
    ["gemini://user:secret@example.com/", /userinfo/],
    ["gemini://@example.com/", /userinfo/],
    ["gemini://example.com/#top", /fragment/],
    ["gemini://example.com/#", /fragment/],
    ["gemini://example.com/a b", /0x20/],
    ["gemini://example.com/a\tb", /0x09/],
    ["gemini://example.com/a\0b", /0x00/],
    ["gemini://example.com/a\\b", /0x5c/],
    ["gemini://example.com/<a>", /0x3c/],
    ["gemini://example.com/%", /broken percent/],
    ["gemini://example.com/%4", /broken percent/],
    ["gemini://example.com/%zz", /broken percent/],
    ["gemini://example.com/%00", /NUL/],
    ["gemini://example.com/%ff", /not UTF-8/],
    ["gemini://example.com/%c0%ae", /not UTF-8/],
    ["gemini://example.com/../a", /leaves the root/],
    ["gemini://example.com/?%zz", /query/],
    ["gemini://example.com/?%00", /query/],
    ["gemini://example.com/?%ff", /query/],
    ["gemini://example.com:65536/", /Port/],
    ["gemini://example.com:-1/", /no host/],
    ["gemini://example.com:x/", /no host/],
    ["gemini://a..b/", /no name/],
    ["gemini://.a/", /no name/],
    ["gemini://a%2fb/", /no name/],
    ["gemini://ü%2fb/", /no name/],
    ["gemini://ü%40b/", /no name/],
    ["gemini://a%00b/", /no name/],
    ["gemini://[::1/", /no host/],
    ["gemini://[::g]/", /no name/],
    ["gemini://[::1%25lo]/", /no name/],
    ["gemini://::1/", /no host/],
    ["\ufeffgemini://example.com/", /no scheme/],
  ];
  for (const [text, reason] of table) {
    const uri = parseUri(text);
    assert.equal(uri.kind, "refused", text);
    if (uri.kind !== "refused") continue;
    assert.equal(uri.code, 59);
    assert.match(uri.reason, reason, text);
  }
});

test("The form of a URI is its own form, and says the same", () => {
  const segment = fc.string({ unit: "grapheme", maxLength: 6 })
    .filter((text) => text.isWellFormed() && !text.includes("\0"))
    .map(encodeURIComponent);
  const uri = fc.record({
    host: fc.domain(),
    port: fc.integer({ min: 0, max: 65_535 }),
    segments: fc.array(fc.oneof(segment, fc.constantFrom(".", "", "%7e", "%2f")), { maxLength: 6 }),
    query: fc.option(segment),
  });
  fc.assert(fc.property(uri, ({ host, port, segments, query }) => {
    const text = `gemini://${host}:${port}/${segments.join("/")}${
      query === null ? "" : `?${query}`
    }`;
    const first = uriOf(text);
    const second = uriOf(first.url);
    assert.deepEqual({ ...second }, { ...first });
    assert.equal(first.host, host.toLowerCase());
    assert.equal(first.port, port);
    assert.match(first.path, /^\//);
    assert.doesNotMatch(first.path, /\/\/|\/\.{1,2}(?:\/|$)|\0/);
    if (query !== null) assert.equal(decodeURIComponent(first.query!), decodeURIComponent(query));
  }));
});

test("parseUri takes any text without harm, and what it takes is safe to print", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
    for (const candidate of [text, `gemini://a/${text}`, `gemini://${text}/`]) {
      const uri = parseUri(candidate);
      if (uri.kind === "refused") continue;
      assert.match(uri.url, /^[\x21-\x7e]+$/);
    }
  }));
});

test("normalizeHost never takes a name for a number", () => {
  assert.equal(normalizeHost("0x7f.1"), "0x7f.1");
  assert.equal(normalizeHost("2130706433"), "2130706433");
  assert.equal(normalizeHost("127.1"), "127.1");
});

const bytesOf = (text: string) => new TextEncoder().encode(text);

test("RequestLineReader takes a URI of 1,024 bytes, and not one more", () => {
  const longest = `gemini://a/${"x".repeat(URI_LENGTH_MAX - 11)}`;
  assert.deepEqual(new RequestLineReader().push(bytesOf(`${longest}\r\n`)), {
    kind: "line",
    uri: longest,
  });
  for (const text of [`${longest}x\r\n`, `${longest}x\r`, `${longest}xx`, "x".repeat(100_000)]) {
    assert.equal(new RequestLineReader().push(bytesOf(text))?.kind, "refused");
  }
  assert.equal(new RequestLineReader().push(bytesOf(longest)), undefined);
});

test("RequestLineReader finds the line in whatever pieces it comes", () => {
  const uri = "gemini://bücher.example/ü?q";
  const bytes = bytesOf(`${uri}\r\nmore`);
  const end = bytes.indexOf(0x0a);
  for (let cut = 0; cut <= end; cut++) {
    const reader = new RequestLineReader();
    assert.equal(reader.push(bytes.subarray(0, cut)), undefined);
    assert.deepEqual(reader.push(bytes.subarray(cut)), { kind: "line", uri });
  }
});

test("RequestLineReader refuses LF alone and bytes that are not UTF-8", () => {
  const refused = (bytes: Uint8Array) => {
    const line = new RequestLineReader().push(bytes);
    return line?.kind === "refused" ? line.reason : "";
  };
  assert.match(refused(bytesOf("gemini://a/\n")), /LF alone/);
  assert.match(refused(bytesOf("\n")), /LF alone/);
  assert.match(refused(Uint8Array.of(0x67, 0xff, 0x0d, 0x0a)), /not UTF-8/);
});
