/**
 * CgiResponseParser against exact header sections, whole and in pieces. A header section is fed in
 * every fragmentation, so what is said here holds for any way in which STDOUT arrives.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { latin1 } from "../../src/protocol/byte_buffer.ts";
import {
  CGI_HEADERS_MAX,
  CgiHeaderCache,
  type CgiHeaderSection,
  CgiResponseParser,
  type CgiResponseStart,
  RESPONSE_FIELDS_MAX,
} from "../../src/protocol/cgi_response.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { cut, fragmentations, join, offsetsIn, poison } from "../support/fragments.ts";

const LENGTH_MAX = 1_000;

/** The header section, and all bytes behind it. */
function parse(
  pieces: readonly Uint8Array[],
  lengthMax = LENGTH_MAX,
): CgiResponseStart | undefined {
  const parser = new CgiResponseParser(lengthMax);
  let start: CgiResponseStart | undefined;
  const behind: Uint8Array[] = [];
  for (const piece of pieces) {
    if (start !== undefined) behind.push(piece);
    else start = parser.push(piece);
    if (start === undefined) poison(piece);
  }
  return start && { section: start.section, rest: join([start.rest, ...behind]) };
}

/** The header section of a text, the same however it is cut. */
function headOf(text: string, body = ""): CgiHeaderSection {
  const bytes = latin1(text + body);
  const whole = parse([bytes.slice()]);
  assert.ok(whole, "the header section is complete");
  for (const { how, pieces } of fragmentations(bytes)) {
    assert.deepEqual(parse(pieces), whole, how);
  }
  assert.deepEqual(whole.rest, latin1(body));
  return whole.section;
}

/** The code of the error, the same however the text is cut. */
function codeOf(text: string, lengthMax = LENGTH_MAX): string {
  const bytes = latin1(text);
  const codes = new Set<string>();
  for (const { pieces } of fragmentations(bytes)) {
    try {
      parse(pieces, lengthMax);
      codes.add("none");
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error));
      assert.equal(error.scope, "request");
      assert.equal(error.fault, "application");
      codes.add(error.code);
    }
  }
  return [...codes].join();
}

function headerOf(line: string): string {
  return `A: 1\n${line}\nB: 2\n\n`;
}

test("CgiResponseParser reads lines ended by LF, by CRLF and by both", () => {
  const expected = {
    status: 200,
    headers: [["Content-Type", "text/plain"], ["X-One", "1"]],
    contentLength: undefined,
  };
  assert.deepEqual(headOf("Content-Type: text/plain\nX-One: 1\n\n", "body"), expected);
  assert.deepEqual(headOf("Content-Type: text/plain\r\nX-One: 1\r\n\r\n", "\r\n\n"), expected);
  assert.deepEqual(headOf("Content-Type: text/plain\r\nX-One: 1\n\r\n", "\n"), expected);
  assert.deepEqual(headOf("Content-Type: text/plain\nX-One: 1\r\n\n"), expected);
});

test("CgiResponseParser takes the number of Status and leaves the header out", () => {
  for (const value of ["404", "404 Not Found", "404\tNot Found", " 404  "]) {
    assert.deepEqual(headOf(`status:${value}\nA: 1\n\n`), {
      status: 404,
      headers: [["A", "1"]],
      contentLength: undefined,
    });
  }
  assert.equal(headOf("Status: 204\n\n").status, 204, "a status alone is a header section");
});

test("CgiResponseParser keeps a phrase of Status that is not the usual one, in plain characters", () => {
  const reasonOf = (value: string) => headOf(`Status: ${value}\n\n`).reason;
  assert.equal(reasonOf("404 No such page"), "No such page");
  assert.equal(reasonOf("404\t Not: Found "), "Not: Found");
  assert.equal(reasonOf("999 Odd"), "Odd");
  for (const value of ["404", "404 ", "404 Not Found", "404 caf\u00e9", `404 ${"x".repeat(129)}`]) {
    assert.equal(reasonOf(value), undefined, value);
  }
  assert.equal(codeOf("Status: 200 a\rb\n\n"), "bad_cgi_header");
});

test("CgiResponseParser keeps the first Location and Content-Type, and names those behind it", () => {
  const section = headOf(
    "Location: /a\nContent-Type: a/b\nlocation: /b\nCONTENT-TYPE: c/d\nlocation:\n\n",
  );
  assert.deepEqual(section.headers, [["Location", "/a"], ["Content-Type", "a/b"]]);
  assert.deepEqual(section.repeated, ["location", "CONTENT-TYPE", "location"]);
  assert.equal(section.localRedirect, "/a");
  assert.equal(headOf("Expires: a\nExpires: b\n\n").repeated, undefined);
});

test("CgiResponseParser takes 512 fields of a header section and no more, the repeated ones counted", () => {
  const fields = (count: number, line = "a: b\n") => line.repeat(count) + "\n";
  const parsed = (text: string) => parse([latin1(text)], 100_000);
  const whole = parsed(fields(RESPONSE_FIELDS_MAX));
  assert.equal(whole?.section.headers.length, RESPONSE_FIELDS_MAX);
  const tooMany = { name: "ProtocolError", code: "cgi_header_too_large" };
  assert.throws(() => parsed(fields(RESPONSE_FIELDS_MAX + 1)), tooMany);
  assert.throws(() => parsed(fields(RESPONSE_FIELDS_MAX + 2, "Location: /\n")), tooMany);
});

test("CgiResponseParser makes a Location without Status a 302, and keeps a given Status", () => {
  const headers = [["Location", "/there"]];
  assert.deepEqual(headOf("Location: /there\n\n"), {
    status: 302,
    headers,
    contentLength: undefined,
    localRedirect: "/there",
  });
  assert.equal(headOf("Status: 201\nLocation: /there\n\n").status, 201);
});

test("CgiResponseParser tells a Location that is a path of our own, without Status", () => {
  assert.equal(headOf("Location: /a?b\n\n").localRedirect, "/a?b");
  for (const headers of ["Location: //h/a", "Location: http://h/a", "Location: a", "Location:"]) {
    assert.equal(headOf(`${headers}\n\n`).localRedirect, undefined, headers);
  }
  assert.equal(headOf("Status: 302\nLocation: /a\n\n").localRedirect, undefined);
});

test("CgiResponseParser tells the fields that speak to the gateway, and keeps them in order", () => {
  const section = headOf("X-Accel-Redirect: /a\nX-Other: 1\nx-sendfile: /b\n\n");
  assert.deepEqual([...section.directives ?? []], [["x-accel-redirect", "/a"], [
    "x-sendfile",
    "/b",
  ]]);
  assert.deepEqual(section.headers.map(([name]) => name), [
    "X-Accel-Redirect",
    "X-Other",
    "x-sendfile",
  ]);
  assert.equal(headOf("X-Accel-Other: 1\n\n").directives, undefined);
  assert.throws(() => headOf("X-Sendfile: /a\nX-SENDFILE: /a\n\n"), /"X-SENDFILE" is there twice/);
});

test("CgiResponseParser takes interim responses out, with or without headers, and reads on", () => {
  const section = headOf(
    "Status: 103\nLink: </a>\n\nStatus: 100\r\n\r\nStatus: 200\nA: 1\n\n",
    "body",
  );
  assert.deepEqual(section, { status: 200, headers: [["A", "1"]], contentLength: undefined });
});

test("CgiResponseParser counts the limit for each block of its own", () => {
  const interim = `Status: 103\nLink: ${"x".repeat(60)}\n\n`;
  assert.equal(parse([latin1(interim.repeat(50) + "A: 1\n\n")], 100)?.section.status, 200);
  assert.equal(parse([latin1(interim.repeat(50)), latin1("A: 1\n\n")], 100)?.section.status, 200);
});

test("CgiResponseParser reads Content-Length and keeps the header", () => {
  const section = headOf("Content-Length: 0012\nA: 1\n\n");
  assert.equal(section.contentLength, 12);
  assert.deepEqual(section.headers[0], ["Content-Length", "0012"]);
});

test("CgiResponseParser refuses a Content-Length that can be read in two ways", () => {
  const values = ["", "-1", "+1", "1.5", "0x10", "1e3", "1 2", "1,1", "1234567890123456", "1\t2"];
  for (const value of values) {
    assert.equal(codeOf(`Content-Length: ${value}\n\n`), "bad_cgi_header", value);
  }
  assert.equal(codeOf("Content-Length: 5\ncontent-length: 5\n\n"), "bad_cgi_header");
});

test("CgiResponseParser refuses a Status that is repeated or no number of three digits", () => {
  for (const value of ["", "99", "1000", "2xx", "099", "200OK", "OK", "-200"]) {
    assert.equal(codeOf(`Status: ${value}\n\n`), "bad_cgi_header", value);
  }
  assert.equal(codeOf("Status: 200\nStatus: 200\n\n"), "bad_cgi_header");
});

test("CgiResponseParser refuses NUL, control bytes, a bare CR and a continued line", () => {
  for (let byte = 0; byte <= 0xff; byte++) {
    const isControl = (byte < 0x20 && byte !== 0x09 && byte !== 0x0a) || byte === 0x7f;
    if (!isControl) continue;
    const line = `X: a${String.fromCharCode(byte)}b`;
    assert.equal(codeOf(headerOf(line)), "bad_cgi_header", `byte ${byte}`);
  }
  assert.equal(codeOf(headerOf(" folded")), "bad_cgi_header");
  assert.equal(codeOf(headerOf("\tfolded: x")), "bad_cgi_header");
});

test("CgiResponseParser finds ends and control bytes in lines of any length", () => {
  for (const length of [100, 124, 125, 126, 127, 128, 129, 200, 5_000]) {
    const value = "v".repeat(length);
    const text = `A: ${value}\r\nB: ${value}\n\r\n`;
    for (const tail of ["", "body", "\n", "\r\n\r\n"]) {
      const start = parse([latin1(text + tail)], 20_000);
      assert.deepEqual(start?.section.headers, [["A", value], ["B", value]]);
      assert.deepEqual(start?.rest, latin1(tail));
    }
    for (const byte of ["\r", "\0", "\x7f", "\x1f"]) {
      const bad = latin1(`A: ${value}${byte}${value}\r\n\r\n`);
      assert.throws(() => parse([bad], 20_000), ProtocolError);
    }
    const beyond = latin1(`A: ${value}\xe9${value}\r\n\r\n`);
    assert.deepEqual(parse([beyond], 20_000)?.section.headers, [["A", `${value}\xe9${value}`]]);
  }
});

test("CgiResponseParser refuses a line without a name, without a colon, or with a bad name", () => {
  const lines = [
    "no colon",
    ": value",
    "two words: x",
    "a : x",
    "HTTP/1.1 200 OK",
    'a"b: c',
    "é: x",
  ];
  for (const line of lines) {
    assert.equal(codeOf(headerOf(line)), "bad_cgi_header", line);
  }
});

test("CgiResponseParser takes an empty header section as 200 without a field", () => {
  for (const empty of ["\n", "\r\n"]) {
    const headers = { status: 200, headers: [], contentLength: undefined };
    assert.deepEqual(headOf(empty), { ...headers, isEmpty: true });
    assert.deepEqual(headOf(`Status: 200${empty}${empty}`), headers);
    assert.equal(headOf(empty, "\nbody").status, 200);
  }
});

test("CgiResponseParser keeps bytes above 127 and blanks within a value as they are", () => {
  const value = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join(
    "",
  );
  const section = headOf(`X: \t ${value} a\t b \t\nEmpty:\n\n`);
  assert.deepEqual(section.headers, [["X", `${value} a\t b`], ["Empty", ""]]);
});

test("CgiResponseParser keeps repeated headers in their order", () => {
  const section = headOf("Set-Cookie: a=1\nX: 1\nSet-Cookie: b=2\n\n");
  assert.deepEqual(section.headers, [["Set-Cookie", "a=1"], ["X", "1"], ["Set-Cookie", "b=2"]]);
});

test("CgiResponseParser takes a header section of exactly the limit and refuses one byte more", () => {
  const headers = `X: ${"v".repeat(95)}\n\n`;
  assert.equal(headers.length, 100);
  assert.ok(parse([latin1(`${headers}body`)], 100));
  assert.equal(codeOf(headers, 99), "cgi_header_too_large");
  assert.equal(codeOf("X: " + "v".repeat(200), 100), "cgi_header_too_large");
});

test("CgiResponseParser says whether anything has come", () => {
  const parser = new CgiResponseParser(100);
  assert.equal(parser.hasBegun, false);
  parser.push(new Uint8Array(0));
  assert.equal(parser.hasBegun, false);
  parser.push(latin1("A"));
  assert.equal(parser.hasBegun, true);
});

/** A header section as a cache gives it. */
function cached(cache: CgiHeaderCache, text: string): CgiHeaderSection | undefined {
  return new CgiResponseParser(LENGTH_MAX, cache).push(latin1(text))?.section;
}

test("CgiHeaderCache gives the same header section for the same text, as it would be read without it", () => {
  const cache = new CgiHeaderCache();
  const text = "Status: 404\r\nSet-Cookie: a=1\r\nContent-Length: 3\r\n\r\n";
  const first = cached(cache, text);
  assert.deepEqual(first, headOf(text));
  assert.equal(cached(cache, text + "body"), first);
  assert.notEqual(cached(cache, text.replace("a=1", "a=2")), first);
  assert.equal(cache.size, 2);
});

test("CgiHeaderCache tells bytes above 127 apart, and remembers no long header sections and bad ones", () => {
  const cache = new CgiHeaderCache();
  for (const value of ["\u00e9", "\u00c3\u00a9", "\u00ef\u00bf\u00bd", "x".repeat(600)]) {
    for (let count = 0; count < 2; count++) {
      assert.deepEqual(cached(cache, `X: ${value}\n\n`)?.headers, [["X", value]]);
    }
  }
  assert.throws(() => cached(cache, "bad\n\n"), ProtocolError);
  assert.throws(() => cached(cache, "bad\n\n"), ProtocolError);
  assert.equal(cache.size, 3);
});

test("CgiHeaderCache tells two header sections apart that have the same hash", () => {
  const cache = new CgiHeaderCache();
  // Found by trying; the size shows that their hashes are still the same.
  for (const value of ["1rnw", "ipba", "1rnw"]) {
    assert.deepEqual(cached(cache, `X: ${value}\n\n`)?.headers, [["X", value]]);
  }
  assert.equal(cache.size, 1);
});

test("CgiHeaderCache holds a bounded number of heads", () => {
  const cache = new CgiHeaderCache();
  for (let count = 0; count < 3 * CGI_HEADERS_MAX; count++) {
    assert.deepEqual(cached(cache, `X: ${count}\n\n`)?.headers, [["X", `${count}`]]);
    assert.ok(cache.size <= CGI_HEADERS_MAX);
  }
});

test("CgiResponseParser gives a header section or a ProtocolError for any bytes, cut anywhere", () => {
  const text = fc.array(
    fc.oneof(
      fc.constantFrom("Status: 200", "Content-Length: 3", "A: b", "\n", "\r\n", "\n\n", ":", "\r"),
      fc.string({ maxLength: 8 }),
    ),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(text, fc.uint8Array({ maxLength: 20 }), fc.nat(), (parts, noise, seed) => {
      const bytes = join([new TextEncoder().encode(parts.join("")), noise]);
      const offsets = fc.sample(offsetsIn(bytes), { numRuns: 1, seed })[0]!;
      const outcome = (pieces: Uint8Array[]): unknown => {
        try {
          return parse(pieces, 200);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
          return error.code;
        }
      };
      assert.deepEqual(outcome(cut(bytes, offsets)), outcome([bytes.slice()]));
    }),
    { numRuns: 500 },
  );
});
