import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  encodeHeader,
  GeminiHeaderParser,
  headerOf,
  META_LENGTH_MAX,
  parseHeader,
} from "../../src/gemini/response_header.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import { errorOf, textOf, UpstreamWorld } from "../support/upstream_world.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

test("parseHeader reads code and META", () => {
  const table: readonly (readonly [line: string, code: number, meta: string])[] = [
    ["20 text/gemini", 20, "text/gemini"],
    ["20 text/gemini; charset=utf-8; lang=de", 20, "text/gemini; charset=utf-8; lang=de"],
    ["10 Wie heißt du?", 10, "Wie heißt du?"],
    ["10 ", 10, ""],
    ["31 gemini://a/b", 31, "gemini://a/b"],
    ["51", 51, ""],
    ["51 ", 51, ""],
    ["69 last", 69, "last"],
  ];
  for (const [line, code, meta] of table) {
    assert.deepEqual(parseHeader(bytesOf(line)), { code, meta }, line);
  }
});

test("parseHeader refuses what is no header", () => {
  const lines = [
    "",
    "2 text/gemini",
    "200 OK",
    "70 x",
    "09 x",
    "20",
    "20 ",
    "31 ",
    "20\ttext/gemini",
    "20text/gemini",
    " 20 text/gemini",
    "20 text/\x00gemini",
    "20 text/gemini\r",
    "Content-Type: text/gemini",
  ];
  for (const line of lines) {
    assert.throws(() => parseHeader(bytesOf(line)), ProtocolError, JSON.stringify(line));
  }
  assert.throws(() => parseHeader(new Uint8Array([0x32, 0x30, 0x20, 0xff])), /not UTF-8/);
});

test("A header's META has up to 1,024 bytes, and not one more", () => {
  const longest = "ü".repeat(META_LENGTH_MAX / 2);
  const bytes = encodeHeader({ code: 10, meta: longest });
  assert.deepEqual(parseHeader(bytes.subarray(0, -2)), { code: 10, meta: longest });
  const start = new GeminiHeaderParser().push(bytes);
  assert.deepEqual(start && headerOf(start.section), { code: 10, meta: longest });
  assert.throws(() => encodeHeader({ code: 10, meta: `${longest}x` }), RangeError);
  assert.throws(() => parseHeader(bytesOf(`10 ${longest}x`)), /longer than/);
  assert.throws(() => new GeminiHeaderParser().push(bytesOf(`10 ${longest}x\r\n`)), /longer than/);
});

test("encodeHeader writes no control character", () => {
  for (const meta of ["a\r\nb", "a\nb", "a\0b", "a\x7fb"]) {
    assert.throws(() => encodeHeader({ code: 31, meta }), RangeError);
  }
});

test("A header that was written is read as the same, in whatever pieces it comes", () => {
  const header = fc.record({
    code: fc.integer({ min: 10, max: 69 }),
    meta: fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 })
      .filter((text) => !/\p{Cc}/u.test(text) && text.isWellFormed()),
  });
  fc.assert(fc.property(header, fc.string(), fc.nat(), (given, body, cut) => {
    const all = new Uint8Array([...encodeHeader(given), ...bytesOf(body)]);
    const at = cut % (all.length + 1);
    const parser = new GeminiHeaderParser();
    const first = parser.push(all.subarray(0, at));
    const start = first ?? parser.push(all.subarray(at))!;
    const rest = first === undefined ? [] : [...all.subarray(at)];
    assert.deepEqual(headerOf(start.section), { ...given });
    assert.deepEqual([...start.rest, ...rest], [...bytesOf(body)]);
  }));
});

test("GeminiHeadParser refuses any bytes but a header, and never reads on for ever", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
    const parser = new GeminiHeaderParser();
    let start;
    try {
      start = parser.push(bytes);
    } catch (error) {
      assert.ok(error instanceof ProtocolError);
      return;
    }
    if (start === undefined) assert.ok(bytes.length <= META_LENGTH_MAX + 5);
    else assert.match(new TextDecoder().decode(bytes), /^[1-6]\d/);
  }));
});

test("An application's Gemini header is the header section of its response, and the rest the body", async () => {
  const world = new UpstreamWorld({ multiplex: "on" });
  const application = await world.application();
  const next = world.send({ headerParser: () => new GeminiHeaderParser() });
  const request = await application.next();
  request.stdout("20 text/ge");
  request.stdout("mini\r\n# Hello\n");
  const response = await next;
  assert.deepEqual(headerOf(response.head), { code: 20, meta: "text/gemini" });
  request.stdout("more\n");
  request.end();
  assert.equal(await textOf(response), "# Hello\nmore\n");
  await world.close();
});

test("An application whose Gemini header is unfinished has given no response", async () => {
  const world = new UpstreamWorld({ multiplex: "on", retry: { attemptsMax: 0 } });
  const application = await world.application();
  const response = world.send({ headerParser: () => new GeminiHeaderParser() });
  const request = await application.next();
  request.stdout("20 text/gem");
  request.end();
  const error = await errorOf(response);
  assert.equal(error.code, "bad_answer");
  assert.match(error.message, /unfinished/);
  await world.close();
});
