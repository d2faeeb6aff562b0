/**
 * Header sections in which one byte is another one, or one more: each is read or refused the same, and
 * with the same words, whether it comes whole, in two pieces or byte by byte. So the judge of what has
 * come so far and the reader of the whole are one rule.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FieldNames } from "../../src/http1/field_names.ts";
import { HeaderReader } from "../../src/http1/header_reader.ts";
import { RequestError } from "../../src/http1/request_headers.ts";
import { latin1 } from "../../src/protocol/byte_buffer.ts";

/** Each with the most that a header section may be long. */
const TEXTS: readonly (readonly [text: string, lengthMax: number])[] = [
  ["GET / HTTP/1.1\r\nHost: a\r\nB:\tc \r\n\r\n", 90],
  ["\r\nHEAD http://a:80/?b HTTP/1.0\r\nhost:a\r\nx-c:\xe9\r\n\r\n", 90],
  ["PUT /a HTTP/1.1\r\nHost: b:1\r\nContent-Length: 3\r\n\r\n", 90],
  ["OPTIONS * HTTP/1.9\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n", 90],
  ["GET / HTTP/1.1\r\nHost: a\r\nC: dd\r\n\r\n", 32],
];

/** Those at the edges of what may stand somewhere, and some that stand for all between. */
const BYTES: readonly number[] = [
  ...[0x00, 0x09, 0x0a, 0x0d, 0x16, 0x1f, 0x20, 0x21, 0x2c, 0x30, 0x3a, 0x40, 0x41],
  ...[0x7e, 0x7f, 0x80, 0xff],
];

/** What becomes of the first header section. */
function outcomeOf(pieces: readonly Uint8Array[], lengthMax = 90): string {
  const reader = new HeaderReader({
    names: new FieldNames(),
    headersLengthMax: lengthMax,
    requestsMax: 0,
  });
  try {
    for (const piece of pieces) {
      const read = reader.push(piece);
      if (read === undefined) continue;
      const { fields, ...others } = read.headers;
      return JSON.stringify([[...fields], others]);
    }
    return "more is to come";
  } catch (error) {
    assert.ok(error instanceof RequestError);
    return `${error.status} ${error.message}${error.isHeadRequest ? ", of HEAD" : ""}`;
  }
}

for (const [index, [text, lengthMax]] of TEXTS.entries()) {
  test(`Header section ${index + 1} with another byte means one thing, however it is cut`, () => {
    for (let at = 0; at < text.length; at++) {
      for (const byte of BYTES) {
        for (const left of [0, 1]) {
          const other = text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + left);
          const bytes = latin1(other);
          const whole = outcomeOf([bytes.slice()], lengthMax);
          const one = Array.from(bytes, (each) => Uint8Array.of(each));
          assert.equal(outcomeOf(one, lengthMax), whole, `byte by byte: ${JSON.stringify(other)}`);
          const cut = Math.min(at + 1, bytes.length);
          const two = [bytes.slice(0, cut), bytes.slice(cut)];
          assert.equal(outcomeOf(two, lengthMax), whole, `cut behind it: ${JSON.stringify(other)}`);
        }
      }
    }
  });
}

test("As many empty lines as may be, and a byte more, are read over however they are cut", () => {
  const section = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (let count = 0; count < 6; count++) {
    for (const more of ["", "\r", "\n", "x", " "]) {
      const bytes = latin1(`${"\r\n".repeat(count)}${more}${section}`);
      const whole = outcomeOf([bytes.slice()]);
      assert.equal(outcomeOf(Array.from(bytes, (each) => Uint8Array.of(each))), whole);
      for (let cut = 0; cut <= bytes.length; cut++) {
        assert.equal(outcomeOf([bytes.slice(0, cut), bytes.slice(cut)]), whole, `${count}, ${cut}`);
      }
    }
  }
});
