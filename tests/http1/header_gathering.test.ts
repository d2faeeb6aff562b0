import { test } from "node:test";
import assert from "node:assert/strict";
import { EMPTY_LINES_MAX, HeaderGathering } from "../../src/http1/header_gathering.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { fragmentations } from "../support/fragments.ts";

/** Every header section in the pieces, and what was left behind the last one. */
function gather(pieces: readonly Uint8Array[]): { headers: string[]; waiting: number } {
  const gathering = new HeaderGathering();
  const headers: string[] = [];
  for (const piece of pieces) {
    let rest = piece;
    while (rest.length > 0) {
      const found = gathering.push(rest);
      if (found === undefined) break;
      headers.push(found.text);
      rest = found.rest;
    }
  }
  return { headers, waiting: gathering.length };
}

test("Header sections are found however they are cut", () => {
  const first = "GET / HTTP/1.1\r\nHost: a\r\n";
  const second = "GET /\u00e9 HTTP/1.1\r\nA: \r\r\nB: \n\n\r\n";
  const bytes = latin1(`${first}\r\n${second}\r\nGET`);
  for (const { how, pieces } of fragmentations(bytes)) {
    assert.deepEqual(gather(pieces), { headers: [first, second], waiting: 3 }, how);
  }
});

test("Empty lines before a header section are read over up to a limit, however they are cut", () => {
  const section = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (let count = 1; count <= EMPTY_LINES_MAX + 2; count++) {
    const text = `${"\r\n".repeat(count)}${section}\r\n`;
    // One too many is part of the header section; two are a header section of their own. Both are
    // malformed.
    const headers = count <= EMPTY_LINES_MAX
      ? [section]
      : count === EMPTY_LINES_MAX + 1
      ? [`\r\n${section}`]
      : ["\r\n", section];
    for (const { how, pieces } of fragmentations(latin1(text))) {
      assert.deepEqual(gather(pieces), { headers, waiting: 0 }, `${count} lines, ${how}`);
    }
  }
});

test("The body behind a header section is left as it is, of any length and any bytes", () => {
  const headers = "POST / HTTP/1.1\r\nHost: a\r\n";
  for (const length of [0, 1, 100, 20_000, 100_000]) {
    const body = Uint8Array.from({ length }, (_, index) => index & 0xff);
    const bytes = latin1(`${headers}\r\n${fromLatin1(body)}`);
    const found = new HeaderGathering().push(bytes);
    assert.equal(found?.text, headers);
    assert.deepEqual(found?.rest, body);
  }
});

test("Text that is not ASCII stays a character for each byte", () => {
  const utf8 = new TextEncoder().encode("GET / HTTP/1.1\r\nA: \u00e9\ufeff\u{1f600}\r\n\r\n");
  for (const { how, pieces } of fragmentations(utf8)) {
    assert.deepEqual(gather(pieces).headers, [fromLatin1(utf8.subarray(0, -2))], how);
  }
  const replacement = new TextEncoder().encode("\ufeffA: \ufffd\r\n\r\n");
  assert.deepEqual(gather([replacement]).headers, [fromLatin1(replacement.subarray(0, -2))]);
});

test("A long header section that comes byte by byte is looked at once", () => {
  const gathering = new HeaderGathering();
  const length = 1_000_000;
  const byte = new Uint8Array([0x0d]);
  for (let count = 0; count < length; count++) gathering.push(byte);
  assert.equal(gathering.length, length);
  gathering.clear();
  assert.equal(gathering.length, 0);
});
