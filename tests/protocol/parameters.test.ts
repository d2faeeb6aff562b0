import { test } from "node:test";
import assert from "node:assert/strict";
import { encodeNameValues } from "../../src/protocol/name_value.ts";
import { Parameters } from "../../src/protocol/parameters.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

test("Parameters keeps names and values in the order in which they came", () => {
  const parameters = Parameters.decode(encodeNameValues([["B", "2"], ["A", ""], ["B", "3"]]), 10);
  assert.equal(parameters.count, 3);
  assert.deepEqual([0, 1, 2].map((index) => parameters.name(index)), ["B", "A", "B"]);
  assert.deepEqual([0, 1, 2].map((index) => parameters.value(index)), ["2", "", "3"]);
});

test("Parameters gives the last of several with one name in its map", () => {
  const parameters = Parameters.decode(encodeNameValues([["A", "1"], ["A", "2"]]), 10);
  assert.deepEqual([...parameters.toMap()], [["A", "2"]]);
});

test("Parameters reads a value of 1, 127, 128 and 70,000 bytes", () => {
  for (const length of [1, 127, 128, 70_000]) {
    const parameters = Parameters.decode(
      encodeNameValues([["A", "v".repeat(length)], ["B", "2"]]),
      2,
    );
    assert.equal(parameters.value(0), "v".repeat(length));
    assert.equal(parameters.value(1), "2");
  }
});

test("Parameters reads UTF-8 as text, and gives headers one character for each byte", () => {
  const parameters = Parameters.decode(encodeNameValues([["Ä", "€"], ["B", "ascii"]]), 10);
  assert.deepEqual([...parameters.toMap()], [["Ä", "€"], ["B", "ascii"]]);
  assert.equal(parameters.valueLatin1(0), "\u00e2\u0082\u00ac");
  assert.equal(parameters.valueLatin1(1), "ascii");
});

test("Parameters loses nothing of a value that is not UTF-8", () => {
  const bytes = Uint8Array.of(0x80, 0x9f, 0xe4, 0x00, 0xff);
  const parameters = Parameters.decode(encodeNameValues([["A", bytes]]), 10);
  assert.equal(parameters.value(0), "\u0080\u009f\u00e4\u0000\u00ff");
  assert.equal(parameters.valueLatin1(0), "\u0080\u009f\u00e4\u0000\u00ff");
});

test("Parameters keeps a byte order mark", () => {
  const parameters = Parameters.decode(encodeNameValues([["A", utf8("\ufeffx")]]), 10);
  assert.equal(parameters.value(0), "\ufeffx");
});

test("Parameters keeps nothing of the bytes that it was decoded from", () => {
  const bytes = encodeNameValues([["NAME", "välue"]]);
  const parameters = Parameters.decode(bytes, 10);
  bytes.fill(0);
  assert.deepEqual([...parameters.toMap()], [["NAME", "välue"]]);
});

test("Parameters keeps UTF-8 beside long names and values", () => {
  const pairs = [["N".repeat(130), "v".repeat(200)], ["A", "ü".repeat(100)], ["B", "x"]] as const;
  const parameters = Parameters.decode(encodeNameValues(pairs), 10);
  assert.deepEqual([...parameters.toMap()], pairs);
});

test("Parameters takes the character U+FFFD for what it is", () => {
  const parameters = Parameters.decode(encodeNameValues([["A", "\ufffd"], ["B", "b"]]), 10);
  assert.deepEqual([...parameters.toMap()], [["A", "\ufffd"], ["B", "b"]]);
});

test("Parameters gives more than 65,535 bytes at the right places", () => {
  const pairs = Array.from({ length: 100 }, (_, index) => [`N${index}`, `${index}`.repeat(500)]);
  const parameters = Parameters.decode(encodeNameValues(pairs as [string, string][]), 100);
  assert.deepEqual([...parameters.toMap()], pairs);
});

test("Parameters knows a name from its start, its end and its length", () => {
  const parameters = Parameters.decode(encodeNameValues([["HTTPS", "on"], ["HTTP", "x"]]), 10);
  const named = (index: number) =>
    ["HTTPS", "HTTP", "HTTPX", "TTPS", ""].filter((name) => parameters.isNamed(index, name));
  assert.deepEqual(named(0), ["HTTPS"]);
  assert.deepEqual(named(1), ["HTTP"]);
});
