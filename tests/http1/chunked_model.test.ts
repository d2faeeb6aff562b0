/**
 * The decoder of chunks against its grammar (RFC 9112 section 7.1), written as patterns: bodies that
 * are well formed, with each of their bytes replaced by every other one, or one put before it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkedDecoder } from "../../src/http1/chunked_decoder.ts";
import { RequestError } from "../../src/http1/request_headers.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const BLANK = "[ \\t]*";
/** Tab, and all that is no control character. */
const TEXT = "\\t\\x20-\\x7e\\x80-\\xff";
const QUOTED = `"(?:(?!["\\\\])[${TEXT}]|\\\\[${TEXT}])*"`;
const VALUE = `${BLANK}=${BLANK}(?:${TOKEN}|${QUOTED})`;
const EXTENSION = `;${BLANK}${TOKEN}(?:${VALUE}|[ \\t]+(?=;))?`;
const SIZE = new RegExp(`([0-9A-Fa-f]{1,13})(?:${EXTENSION})*\\r\\n`, "y");
const TRAILER = new RegExp(`(?:${TOKEN}:[${TEXT}]*\\r\\n)*\\r\\n`, "y");

interface Read {
  readonly body: string;
  readonly rest: string;
}

/** Undefined for what is malformed, or goes on. */
function modelOf(text: string): Read | undefined {
  let body = "";
  for (let at = 0;;) {
    SIZE.lastIndex = at;
    const [line, digits] = SIZE.exec(text) ?? [];
    if (line === undefined) return undefined;
    at += line.length;
    const size = parseInt(digits!, 16);
    if (size === 0) {
      TRAILER.lastIndex = at;
      const trailer = TRAILER.exec(text)?.[0];
      return trailer === undefined ? undefined : { body, rest: text.slice(at + trailer.length) };
    }
    body += text.slice(at, at + size);
    at += size;
    if (text.slice(at, at + 2) !== "\r\n") return undefined;
    at += 2;
  }
}

function decoded(text: string): Read | undefined {
  const decoder = new ChunkedDecoder();
  let body = "";
  try {
    const bytes = latin1(text);
    const count = decoder.read(bytes, 0, (piece) => body += fromLatin1(piece));
    return decoder.isDone ? { body, rest: text.slice(count) } : undefined;
  } catch (error) {
    assert.ok(error instanceof RequestError);
    assert.equal(error.status, 400);
    return undefined;
  }
}

const BODIES: readonly string[] = [
  "3\r\nabc\r\n0\r\n\r\nrest",
  "02F\r\n" + "x".repeat(0x2f) + "\r\n00\r\nA: b\r\n!z:\tc\r\n\r\n",
  '1;a\r\nx\r\n1; b=c;d = "e\\"\xe9";f ;g\r\ny\r\n0;h="";i=\t j\r\n\r\n',
];

for (const [index, text] of BODIES.entries()) {
  test(`Body ${index + 1} is read as the grammar says, whatever byte of it is another one`, () => {
    assert.notEqual(modelOf(text), undefined);
    for (let at = 0; at < text.length; at++) {
      // One byte of many that are the same says as much as all of them.
      if (at > 0 && text[at] === "x" && text[at - 1] === "x") continue;
      for (let byte = 0; byte < 256; byte++) {
        for (const left of [0, 1]) {
          const other = text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + left);
          assert.deepEqual(decoded(other), modelOf(other), JSON.stringify(other));
        }
      }
    }
  });
}
