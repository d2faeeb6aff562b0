/**
 * Name-value pairs against the bytes of section 3.4. Pieces fed to the decoder are overwritten at
 * once, so a pair that were a view of its piece would give wrong bytes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteBuffer } from "../../src/protocol/byte_buffer.ts";
import { ProtocolError } from "../../src/protocol/errors.ts";
import {
  appendNameValue,
  appendNameValueLatin1,
  cutBetweenPairs,
  decodeNameValues,
  encodeNameValues,
  NameValueDecoder,
} from "../../src/protocol/name_value.ts";
import { fragmentations, join, pieces, poison } from "../support/fragments.ts";

const ROOMY = { lengthMax: 1 << 24, pairsMax: 1 << 16 };
const text = new TextDecoder();

/** The pairs as texts; pieces are overwritten as soon as they were pushed. */
function decode(decoder: NameValueDecoder, run: Uint8Array[]): [string, string][] {
  const pairs: [Uint8Array, Uint8Array][] = [];
  for (const piece of run) {
    pairs.push(...decoder.push(piece));
    poison(piece);
  }
  return pairs.map(([name, value]) => [text.decode(name), text.decode(value)]);
}

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ProtocolError && error.code === code;
}

test("A pair is two lengths, the name, the value", () => {
  assert.deepEqual(
    encodeNameValues([["A", "1"], ["EMPTY", ""], ["", "v"], ["", ""]]),
    Uint8Array.of(1, 1, 65, 49, 5, 0, 69, 77, 80, 84, 89, 0, 1, 118, 0, 0),
  );
});

test("No pairs are no bytes", () => {
  assert.equal(encodeNameValues([]).length, 0);
  assert.deepEqual(decodeNameValues(new Uint8Array(0)), []);
});

test("A length up to 127 takes one byte, from 128 on four with the highest bit set", () => {
  for (
    const [length, bytes] of [
      [127, [127]],
      [128, [0x80, 0, 0, 128]],
      [255, [0x80, 0, 0, 255]],
      [256, [0x80, 0, 1, 0]],
      [65_535, [0x80, 0, 255, 255]],
      [65_536, [0x80, 1, 0, 0]],
      [0x123456, [0x80, 0x12, 0x34, 0x56]],
    ] as const
  ) {
    const long = "x".repeat(length);
    const asValue = encodeNameValues([["N", long]]);
    assert.deepEqual(asValue.subarray(0, bytes.length + 2), Uint8Array.of(1, ...bytes, 78));
    assert.equal(asValue.length, 2 + bytes.length + length);
    const asName = encodeNameValues([[long, "V"]]);
    assert.deepEqual(asName.subarray(0, bytes.length + 2), Uint8Array.of(...bytes, 1, 120));
    assert.equal(asName.at(-1), 86);
    assert.deepEqual(decodeNameValues(asValue), [["N", long]]);
    assert.deepEqual(decodeNameValues(asName), [[long, "V"]]);
  }
});

test("Lengths count bytes, not characters", () => {
  assert.deepEqual(
    encodeNameValues([["é", "€"]]),
    Uint8Array.of(2, 3, 0xc3, 0xa9, 0xe2, 0x82, 0xac),
  );
  const value = "é".repeat(64);
  const bytes = encodeNameValues([["N", value]]);
  assert.deepEqual(bytes.subarray(0, 6), Uint8Array.of(1, 0x80, 0, 0, 128, 78));
  assert.deepEqual(decodeNameValues(bytes), [["N", value]]);
});

test("Names and values may be bytes, alone or beside a text", () => {
  const raw = Uint8Array.of(0, 255);
  const expected = Uint8Array.of(1, 2, 65, 0, 255);
  assert.deepEqual(encodeNameValues([["A", raw]]), expected);
  assert.deepEqual(encodeNameValues([[Uint8Array.of(65), raw]]), expected);
  assert.deepEqual(encodeNameValues([[raw, "A"]]), Uint8Array.of(2, 1, 0, 255, 65));
  assert.deepEqual(
    encodeNameValues([[Uint8Array.of(65), "é"]]),
    Uint8Array.of(1, 2, 65, 0xc3, 0xa9),
  );
});

test("appendNameValue leaves what was there before, also behind a text that is not ASCII", () => {
  const buffer = new ByteBuffer(1);
  buffer.appendByte(9);
  appendNameValue(buffer, "N", "é");
  appendNameValue(buffer, "é", "V");
  appendNameValue(buffer, "A", "B");
  assert.deepEqual(
    buffer.view(),
    Uint8Array.of(9, 1, 2, 78, 0xc3, 0xa9, 2, 1, 0xc3, 0xa9, 86, 1, 1, 65, 66),
  );
});

test("appendNameValueLatin1 writes a byte for each character of the value", () => {
  const buffer = new ByteBuffer();
  appendNameValueLatin1(buffer, "N", "é\u0080\u00ff");
  assert.deepEqual(buffer.take(), Uint8Array.of(1, 3, 78, 0xe9, 0x80, 0xff));
  appendNameValueLatin1(buffer, "N", "abc");
  assert.deepEqual(buffer.take(), Uint8Array.of(1, 3, 78, 97, 98, 99));
  appendNameValueLatin1(buffer, "N", "\u00ff".repeat(128));
  const long = buffer.take();
  assert.deepEqual(long.subarray(0, 6), Uint8Array.of(1, 0x80, 0, 0, 128, 78));
  assert.deepEqual(long.subarray(6), new Uint8Array(128).fill(0xff));
});

test("appendNameValueLatin1 refuses a character above U+00FF and appends nothing", () => {
  const buffer = new ByteBuffer();
  buffer.appendByte(9);
  assert.throws(() => appendNameValueLatin1(buffer, "N", "a\u010ab"), RangeError);
  assert.deepEqual(buffer.view(), Uint8Array.of(9));
});

test("Four-byte lengths are legal for short parts", () => {
  const bytes = Uint8Array.of(0x80, 0, 0, 1, 0x80, 0, 0, 0, 65, 1, 0x80, 0, 0, 1, 66, 67);
  const expected = [["A", ""], ["B", "C"]];
  assert.deepEqual(decodeNameValues(bytes), expected);
  for (const { how, pieces } of fragmentations(bytes)) {
    assert.deepEqual(decode(new NameValueDecoder(ROOMY), pieces), expected, how);
  }
});

test("NameValueDecoder gives the same pairs however their bytes are cut", () => {
  const expected: [string, string][] = [
    ["A", "1"],
    ["", ""],
    ["HTTP_COOKIE", "x".repeat(130)],
    ["", "v"],
    ["n".repeat(128), ""],
    ["QUERY_STRING", ""],
    ["é", "€"],
  ];
  const bytes = encodeNameValues(expected);
  for (const { how, pieces } of fragmentations(bytes)) {
    const decoder = new NameValueDecoder(ROOMY);
    assert.deepEqual(decode(decoder, pieces), expected, how);
    decoder.end();
  }
});

test("NameValueDecoder gives a pair with the very byte that completes it", () => {
  const bytes = encodeNameValues([["AB", "CD"]]);
  const decoder = new NameValueDecoder(ROOMY);
  for (const piece of pieces(bytes.subarray(0, -1), 1)) {
    assert.deepEqual(decoder.push(piece), []);
  }
  assert.equal(decoder.push(bytes.subarray(-1)).length, 1);
});

test("Pairs handed out keep their bytes while more arrive", () => {
  const decoder = new NameValueDecoder(ROOMY);
  const [first] = decoder.push(encodeNameValues([["A", "one"]]));
  decoder.push(encodeNameValues([["B", "two"], ["C", "three"]]));
  assert.deepEqual(first!.map((part) => text.decode(part)), ["A", "one"]);
});

test("NameValueDecoder.end accepts a run that ends between pairs, and none at all", () => {
  const decoder = new NameValueDecoder(ROOMY);
  decoder.end();
  decoder.push(encodeNameValues([["A", "1"]]));
  decoder.push(new Uint8Array(0));
  decoder.end();
});

test("NameValueDecoder.end refuses a run that ends within a pair, wherever that is", () => {
  const bytes = encodeNameValues([["A", "1"], ["N", "x".repeat(128)]]);
  for (let length = 5; length < bytes.length; length++) {
    const decoder = new NameValueDecoder(ROOMY);
    assert.equal(decoder.push(bytes.subarray(0, length)).length, 1);
    assert.throws(() => decoder.end(), (error: unknown) => {
      assert.ok(error instanceof ProtocolError);
      assert.equal(error.code, "bad_name_value");
      assert.equal(error.scope, "request");
      assert.match(error.message, new RegExp(`: ${length - 4} bytes of an unfinished pair`));
      return true;
    });
    assert.throws(() => decodeNameValues(bytes.subarray(0, length)), isCode("bad_name_value"));
  }
});

test("A pair that announces four gigabytes waits for them and is refused at the end", () => {
  const bytes = Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 65);
  assert.throws(() => decodeNameValues(bytes), isCode("bad_name_value"));
});

test("NameValueDecoder takes lengthMax bytes and refuses one more, in whatever pieces", () => {
  const bytes = encodeNameValues([["A", "1"], ["BC", "23"]]);
  for (const { how, pieces } of fragmentations(bytes)) {
    const enough = new NameValueDecoder({ lengthMax: bytes.length, pairsMax: 2 });
    const tooFew = new NameValueDecoder({ lengthMax: bytes.length - 1, pairsMax: 2 });
    const copies = pieces.map((piece) => piece.slice());
    assert.equal(decode(enough, pieces).length, 2, how);
    assert.throws(() => decode(tooFew, copies), isCode("params_too_large"), how);
  }
});

test("NameValueDecoder counts the bytes of finished pairs towards lengthMax", () => {
  const pair = encodeNameValues([["A", "1"]]);
  const decoder = new NameValueDecoder({ lengthMax: 3 * pair.length, pairsMax: 100 });
  for (let count = 0; count < 3; count++) assert.equal(decoder.push(pair).length, 1);
  assert.throws(() => decoder.push(pair.subarray(0, 1)), (error: unknown) => {
    assert.ok(error instanceof ProtocolError);
    assert.equal(error.code, "params_too_large");
    assert.equal(error.scope, "request");
    assert.equal(error.message, "Cannot read name-value pairs: over 12 bytes");
    return true;
  });
});

test("NameValueDecoder takes pairsMax pairs and refuses one more, in one piece and in many", () => {
  const pair = encodeNameValues([["", ""]]);
  const limits = { lengthMax: 1000, pairsMax: 3 };
  assert.equal(new NameValueDecoder(limits).push(join([pair, pair, pair])).length, 3);
  assert.throws(
    () => new NameValueDecoder(limits).push(join([pair, pair, pair, pair])),
    { code: "params_too_large", message: "Cannot read name-value pairs: over 3 names" },
  );
  const decoder = new NameValueDecoder(limits);
  for (let count = 0; count < 3; count++) assert.equal(decoder.push(pair).length, 1);
  assert.throws(() => decoder.push(pair), isCode("params_too_large"));
});

test("NameValueDecoder stays refused once over its limit", () => {
  const decoder = new NameValueDecoder({ lengthMax: 3, pairsMax: 9 });
  const pair = encodeNameValues([["A", "1"]]);
  for (let attempt = 0; attempt < 3; attempt++) {
    assert.throws(() => decoder.push(pair), isCode("params_too_large"));
  }
});

test("A value of 1 MiB arrives whole one byte at a time", () => {
  const value = Uint8Array.from({ length: 1 << 20 }, (_, index) => index % 251);
  const decoder = new NameValueDecoder(ROOMY);
  const bytes = encodeNameValues([["BIG", value], ["NEXT", "1"]]);
  const pairs: [Uint8Array, Uint8Array][] = [];
  for (let offset = 0; offset < bytes.length; offset++) {
    for (const pair of decoder.push(bytes.subarray(offset, offset + 1))) pairs.push(pair);
  }
  decoder.end();
  assert.equal(pairs.length, 2);
  assert.deepEqual(pairs[0]![1], value);
});

test("decodeNameValues keeps the order, repeated names and a leading byte order mark", () => {
  const pairs: [string, string][] = [["B", "1"], ["A", "2"], ["B", "3"], ["\ufeffC", "\ufeff"]];
  assert.deepEqual(decodeNameValues(encodeNameValues(pairs)), pairs);
});

test("decodeNameValues reads bytes that are not UTF-8 as U+FFFD", () => {
  assert.deepEqual(decodeNameValues(Uint8Array.of(1, 2, 65, 66, 0xff)), [["A", "B\ufffd"]]);
});

test("cutBetweenPairs keeps every pair whole, and gives one that is too long a run of its own", () => {
  const pairs = [["A", "x".repeat(20)], ["B", "y".repeat(20)], ["C", "z".repeat(60)], ["D", "1"]]
    .map(([name, value]) => encodeNameValues([[name!, value!]]));
  const all = new Uint8Array(pairs.flatMap((pair) => [...pair]));
  const runs = [...cutBetweenPairs(all, 46)];
  assert.deepEqual(runs.map((run) => run.length), [46, 63, 4]);
  assert.deepEqual(runs.flatMap((run) => decodeNameValues(run)), decodeNameValues(all));
  assert.deepEqual([...cutBetweenPairs(all, all.length)], [all]);
  assert.deepEqual([...cutBetweenPairs(new Uint8Array(0), 46)], []);
});
