import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { parseRange } from "../../src/static/range.ts";

test("parseRange reads one range", () => {
  const cases: [text: string, start: number, end: number][] = [
    ["bytes=0-0", 0, 1],
    ["bytes=2-4", 2, 5],
    ["bytes=5-", 5, 10],
    ["bytes=5-99", 5, 10],
    ["bytes=-3", 7, 10],
    ["bytes=-99", 0, 10],
    ["Bytes=0-9", 0, 10],
    ["bytes=9-99999999999999999999", 9, 10],
  ];
  for (const [text, start, end] of cases) assert.deepEqual(parseRange(text, 10), { start, end });
});

test("parseRange says when a range lies behind the end", () => {
  for (const text of ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"]) {
    assert.equal(parseRange(text, 10), "unsatisfiable", text);
  }
});

test("parseRange takes what it cannot read, and several ranges, for no range", () => {
  const texts = [
    ...["bytes=", "bytes=-", "bytes=a-b", "bytes=4-2", "lines=1-2", "1-2", "bytes=0-1,3-4"],
    ...["bytes=0x1-2", "bytes=+1-2", "bytes=1.5-2", "bytes 1-2", ""],
  ];
  for (const text of texts) assert.equal(parseRange(text, 10), undefined, text);
  assert.equal(parseRange(null, 10), undefined);
});

test("parseRange sends an empty file as a whole", () => {
  for (const text of ["bytes=0-", "bytes=-1", "bytes=5-6"]) {
    assert.equal(parseRange(text, 0), undefined, text);
  }
});

test("parseRange yields only ranges that lie within the file and hold something", () => {
  const number = fc.option(fc.nat(30), { nil: "" });
  fc.assert(fc.property(number, number, fc.nat(20), (first, last, size) => {
    const range = parseRange(`bytes=${first}-${last}`, size);
    if (range === undefined || range === "unsatisfiable") return;
    assert.ok(range.start >= 0 && range.start < range.end && range.end <= size);
  }));
});
