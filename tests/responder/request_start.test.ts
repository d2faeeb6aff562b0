import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeNameValues, type NameValuePart } from "../../src/protocol/name_value.ts";
import { Parameters } from "../../src/protocol/parameters.ts";
import { BadRequestError, readRequestStart } from "../../src/responder/request_start.ts";

function headOf(params: Record<string, NameValuePart>) {
  const all = { REQUEST_METHOD: "GET", ...params };
  return readRequestStart(Parameters.decode(encodeNameValues(Object.entries(all)), 1000));
}

/** The URL as a `Request` has it. */
function urlOf(params: Record<string, NameValuePart>): string {
  return new Request(headOf(params).url).url;
}

const URLS: readonly [what: string, params: Record<string, NameValuePart>, url: string][] = [
  ["host and target", { HTTP_HOST: "a.test", REQUEST_URI: "/p?q=1" }, "http://a.test/p?q=1"],
  ["a port in the host", { HTTP_HOST: "a.test:81", REQUEST_URI: "/" }, "http://a.test:81/"],
  ["an IPv6 host", { HTTP_HOST: "[::1]:81", REQUEST_URI: "/" }, "http://[::1]:81/"],
  ["REQUEST_SCHEME", { HTTP_HOST: "a", REQUEST_URI: "/", REQUEST_SCHEME: "https" }, "https://a/"],
  ["HTTPS", { HTTP_HOST: "a", REQUEST_URI: "/", HTTPS: "on" }, "https://a/"],
  ["HTTPS off", { HTTP_HOST: "a", REQUEST_URI: "/", HTTPS: "off" }, "http://a/"],
  ["HTTPS empty", { HTTP_HOST: "a", REQUEST_URI: "/", HTTPS: "" }, "http://a/"],
  ["no host", { REQUEST_URI: "/", SERVER_NAME: "s", SERVER_PORT: "8080" }, "http://s:8080/"],
  ["no host, default port", { REQUEST_URI: "/", SERVER_NAME: "s", SERVER_PORT: "80" }, "http://s/"],
  [
    "no host, the other scheme's port",
    { REQUEST_URI: "/", SERVER_NAME: "s", SERVER_PORT: "80", HTTPS: "on" },
    "https://s:80/",
  ],
  ["an IPv6 server name", { REQUEST_URI: "/", SERVER_NAME: "::1" }, "http://[::1]/"],
  ["no name at all", { REQUEST_URI: "/" }, "http://localhost/"],
  [
    "no REQUEST_URI",
    { HTTP_HOST: "a", SCRIPT_NAME: "/s", PATH_INFO: "/p", QUERY_STRING: "q=1" },
    "http://a/s/p?q=1",
  ],
  [
    "decoded bytes in PATH_INFO",
    { HTTP_HOST: "a", SCRIPT_NAME: "", PATH_INFO: "/a b/?#%/ü" },
    "http://a/a%20b/%3F%23%25/%C3%BC",
  ],
  ["no path at all", { HTTP_HOST: "a" }, "http://a/"],
  ["a path that would go on with the host", { HTTP_HOST: "a", SCRIPT_NAME: ".b" }, "http://a/.b"],
  ["a path that would be a host", { HTTP_HOST: "a", PATH_INFO: "@b/c" }, "http://a/@b/c"],
  ["a path that would be a port", { HTTP_HOST: "a", SCRIPT_NAME: ":81" }, "http://a/:81"],
  ["a query alone", { HTTP_HOST: "a", QUERY_STRING: "q=ü#x" }, "http://a/?q=%C3%BC%23x"],
  ["a target that would go on with the host", { HTTP_HOST: "a", REQUEST_URI: ".b" }, "http://a/.b"],
  ["a target that would be a host", { HTTP_HOST: "a", REQUEST_URI: "@b" }, "http://a/@b"],
  ["a target of a host alone", { HTTP_HOST: "a", REQUEST_URI: "HTTPS://b?c" }, "http://a/?c"],
  ["a scheme that is none of HTTP", {
    HTTP_HOST: "a",
    REQUEST_URI: "/",
    REQUEST_SCHEME: "ftp",
    HTTPS: "1",
  }, "https://a/"],
  ["an absolute target", { HTTP_HOST: "a", REQUEST_URI: "http://b/p?q" }, "http://a/p?q"],
  ["an asterisk target", { HTTP_HOST: "a", REQUEST_URI: "*" }, "http://a/*"],
  ["two slashes", { HTTP_HOST: "a", REQUEST_URI: "//b/p" }, "http://a//b/p"],
  ["raw bytes", { HTTP_HOST: "a", REQUEST_URI: "/ü\\#x" }, "http://a/%C3%BC%5C%23x"],
  [
    "bytes that are not UTF-8",
    { HTTP_HOST: "a", REQUEST_URI: Uint8Array.of(0x2f, 0xff) },
    "http://a/%FF",
  ],
  ["percent-encoding", { HTTP_HOST: "a", REQUEST_URI: "/%2e%2F?%20" }, "http://a/%2e%2F?%20"],
];

for (const [what, params, url] of URLS) {
  test(`A request's URL is right with ${what}`, () => assert.equal(urlOf(params), url));
}

test("Whatever a path says, the host is the one that was named, and the scheme too", () => {
  const text = fc.string({ unit: fc.constantFrom(..."/.@:?#\\%a\t \u00fc[]"), maxLength: 6 });
  fc.assert(fc.property(text, text, text, text, (uri, script, info, query) => {
    const url = urlOf({
      HTTP_HOST: "host.test:81",
      HTTPS: "on",
      REQUEST_URI: uri,
      SCRIPT_NAME: script,
      PATH_INFO: info,
      QUERY_STRING: query,
    });
    assert.equal(new URL(url).origin, "https://host.test:81");
  }));
});

test("HTTP_ parameters become headers, and CONTENT_ ones those two", () => {
  const { headers, contentLength } = headOf({
    HTTP_X_LONG_NAME: "a",
    HTTP_ACCEPT: "*/*",
    CONTENT_TYPE: "text/plain",
    CONTENT_LENGTH: "12",
    SERVER_SOFTWARE: "not a header",
  });
  assert.deepEqual(headers, {
    "x-long-name": "a",
    "accept": "*/*",
    "content-type": "text/plain",
    "content-length": "12",
  });
  assert.equal(contentLength, 12);
});

test("Empty CONTENT_TYPE and CONTENT_LENGTH are as good as none", () => {
  const start = headOf({ CONTENT_TYPE: "", CONTENT_LENGTH: "" });
  assert.deepEqual(start.headers, {});
  assert.equal(start.contentLength, undefined);
});

test("CONTENT_LENGTH -1, as Caddy sends it, is as good as none", () => {
  const { headers, contentLength } = headOf({ CONTENT_LENGTH: "-1" });
  assert.equal(contentLength, undefined);
  assert.equal(headers["content-length"], undefined);
});

test("A header's bytes stay what they are, as Fetch has them", () => {
  assert.equal(headOf({ HTTP_X_NAME: "ü" }).headers["x-name"], "\u00c3\u00bc");
});

test("Headers come out the same when there are more names, or longer ones, than are remembered", () => {
  const names = Array.from({ length: 1_200 }, (_, index) => `X_${index}`);
  names.push("X_".repeat(100));
  for (const name of [...names, ...names]) {
    const header = name.toLowerCase().replaceAll("_", "-");
    assert.equal(headOf({ HTTP_HOST: "a", [`HTTP_${name}`]: name }).headers[header], name);
  }
});

test("A header named after a property of objects is a header like any other", () => {
  assert.equal(headOf({ HTTP_CONSTRUCTOR: "a" }).headers["constructor"], "a");
  assert.equal(new Headers(headOf({ HTTP___PROTO__: "a" }).headers).get("--proto--"), "a");
});

const MALFORMED: readonly [what: string, params: Record<string, string>][] = [
  ["no method", { REQUEST_METHOD: "" }],
  ["a host that moves the path", { HTTP_HOST: "a/b" }],
  ["a host with a user", { HTTP_HOST: "user@a" }],
  ["a host that is none", { HTTP_HOST: "a b" }],
  ["a CONTENT_LENGTH that is no number", { CONTENT_LENGTH: "-2" }],
  ["a CONTENT_LENGTH too large to count", { CONTENT_LENGTH: "9".repeat(16) }],
];

for (const [what, params] of MALFORMED) {
  test(`A request with ${what} is malformed`, () => {
    assert.throws(() => headOf(params), BadRequestError);
  });
}
