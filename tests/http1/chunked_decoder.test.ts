import { test } from "node:test";
import assert from "node:assert/strict";
import {
  ChunkedDecoder,
  EXTENSIONS_EXCESS_MAX,
  TRAILER_LENGTH_MAX,
} from "../../src/http1/chunked_decoder.ts";
import { RequestError } from "../../src/http1/request_headers.ts";
import { fromLatin1, latin1 } from "../../src/protocol/byte_buffer.ts";
import { fragmentations } from "../support/fragments.ts";

/** The body, and what was behind it. */
function decode(pieces: readonly Uint8Array[]): { body: string; rest: string; isDone: boolean } {
  const decoder = new ChunkedDecoder();
  let body = "";
  let rest = "";
  for (const piece of pieces) {
    const count = decoder.read(piece, 0, (bytes) => body += fromLatin1(bytes));
    rest += fromLatin1(piece.subarray(count));
  }
  return { body, rest, isDone: decoder.isDone };
}

const whole = (text: string) => decode([latin1(text)]);

test("Chunks are read however they are cut, and not a byte behind their end", () => {
  const text = '5\r\nHello\r\n00a;x="y"\r\n, wonderfu\r\n1\r\n' +
    "l\r\n0;last\r\nA: b\r\nc:\r\n\r\nGET /";
  for (const { how, pieces } of fragmentations(latin1(text))) {
    assert.deepEqual(
      decode(pieces),
      { body: "Hello, wonderful", rest: "GET /", isDone: true },
      how,
    );
  }
});

test("Malformed chunks are refused, however they are cut", () => {
  const texts = [
    "\r\n",
    "g\r\n",
    "-1\r\n",
    "+1\r\n",
    "0x1\r\n",
    " 1\r\n",
    "1 \r\n",
    "1\t;a\r\n",
    "1\n",
    "1\r1",
    "1\r\nab",
    "1\r\na\n",
    "1\r\na\rb",
    "1;a\nb",
    "1;\r\n",
    "1; \r\n",
    "1;;a\r\n",
    "1;a;\r\n",
    "1;=a\r\n",
    "1;a=\r\n",
    "1;a=;b\r\n",
    '1;a="b\r\n',
    '1;a="b\\"\r\n',
    '1;a="b"c\r\n',
    '1;a="b" \r\n',
    "1;a b\r\n",
    "1;a \r\n",
    "1;a=b c\r\n",
    "1;(\r\n",
    "1;\u00e9\r\n",
    "0\r\nA\r\n",
    "0\r\n: b\r\n",
    "0\r\n A: b\r\n",
    "0\r\nA : b\r\n",
    "0\r\nA: b\r\n c\r\n",
    "0\r\n\u00e9: b\r\n",
    "1;a\0\r\n",
    "1;a\r\r\n",
    "10000000000000\r\n",
    "00000000000000\r\n",
    "0\r\n\n",
    "0\r\nA: b\n",
    "0\r\nA: b\x01\r\n",
    "0\r\nA: b\r\r\n",
    "0\r\n\rx",
  ];
  for (const text of texts) {
    for (const { how, pieces } of fragmentations(latin1(text))) {
      assert.throws(() => decode(pieces), (error) => {
        assert.ok(error instanceof RequestError, how);
        return error.status === 400;
      }, `${JSON.stringify(text)} ${how}`);
    }
  }
});

test("Extensions may have names, values, quoted texts, and white space where it may stand", () => {
  const extensions = ["a", " a", "\ta = b", 'a="b;c\\"\\\\ \u00e9"', "a;b;c=d", 'a="" ;b'];
  for (const extension of extensions.filter((one) => !one.includes('" ;'))) {
    assert.equal(whole(`1;${extension}\r\nx\r\n0;${extension}\r\n\r\n`).body, "x", extension);
  }
});

test("The largest size is that of 13 digits, and is exact", () => {
  const decoder = new ChunkedDecoder();
  decoder.read(latin1("fffffffffffff\r\n"), 0, () => {});
  assert.equal(decoder.isDone, false);
});

test("Extensions may be longer than their chunks by so much, and no more, in all", () => {
  const chunk = (extension: number, length: number) =>
    `${length.toString(16)}${extension > 0 ? `;${"x".repeat(extension)}` : ""}\r\n` +
    `${"y".repeat(length)}\r\n`;
  const half = EXTENSIONS_EXCESS_MAX / 2;
  assert.equal(whole(chunk(half, 1) + chunk(half, 1)).body, "yy");
  assert.equal(whole(chunk(half, 1).repeat(2) + chunk(0, 5000) + chunk(half, 1)).isDone, false);
  assert.equal(whole(chunk(100, 100).repeat(1000)).body.length, 100_000);
  for (const text of [chunk(half, 1).repeat(3), chunk(EXTENSIONS_EXCESS_MAX + 1, 0)]) {
    assert.throws(() => whole(text), (error) => (error as RequestError).status === 431);
  }
});

test("What comes behind the body has a limit", () => {
  const trailer = (length: number) => `0\r\nx:${"x".repeat(length - 2)}\r\n\r\n`;
  assert.equal(whole(trailer(TRAILER_LENGTH_MAX - 2)).isDone, true);
  for (const text of [trailer(TRAILER_LENGTH_MAX), "0\r\n" + "a: b\r\n".repeat(10_000)]) {
    assert.throws(() => whole(text), (error) => (error as RequestError).status === 431);
  }
});
