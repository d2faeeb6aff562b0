import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { parseRanges, RANGES_MAX } from "../../src/static/range.ts";

test("parseRanges reads one range", () => {
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
  for (const [text, start, end] of cases) {
    assert.deepEqual(parseRanges(text, 10), [{ start, end }], text);
  }
});

test("parseRanges reads several ranges in the order in which they were asked for", () => {
  assert.deepEqual(parseRanges("bytes=8-8, 0-1,\t4-5", 10), [
    { start: 8, end: 9 },
    { start: 0, end: 2 },
    { start: 4, end: 6 },
  ]);
  assert.deepEqual(parseRanges("bytes=0-1,20-30,-1", 10), [
    { start: 0, end: 2 },
    { start: 9, end: 10 },
  ]);
});

test("parseRanges makes ranges that overlap one", () => {
  const cases: [text: string, ranges: [start: number, end: number][]][] = [
    ["bytes=0-3,2-5", [[0, 6]]],
    ["bytes=5-9,0-3,2-6", [[0, 10]]],
    ["bytes=0-,0-,0-", [[0, 10]]],
    ["bytes=6-7,0-4,1-2", [[0, 5], [6, 8]]],
    ["bytes=0-1,2-3", [[0, 2], [2, 4]]],
  ];
  for (const [text, ranges] of cases) {
    assert.deepEqual(parseRanges(text, 10), ranges.map(([start, end]) => ({ start, end })), text);
  }
});

test("parseRanges takes no more ranges than its limit", () => {
  const ranges = (count: number) =>
    "bytes=" + Array.from({ length: count }, (_, index) => `${index * 2}-${index * 2}`).join(",");
  assert.equal(parseRanges(ranges(RANGES_MAX), 100)?.length, RANGES_MAX);
  assert.equal(parseRanges(ranges(RANGES_MAX + 1), 100), undefined);
});

test("parseRanges says when every range lies behind the end", () => {
  const texts = ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"];
  for (const text of [...texts, "bytes=10-,-0"]) {
    assert.equal(parseRanges(text, 10), "unsatisfiable", text);
  }
});

test("parseRanges takes what it cannot read for no range", () => {
  const texts = [
    ...["bytes=", "bytes=-", "bytes=a-b", "bytes=4-2", "lines=1-2", "1-2", "bytes=0-1,x"],
    ...["bytes=0x1-2", "bytes=+1-2", "bytes=1.5-2", "bytes 1-2", "", "bytes=0-1,,3-4"],
  ];
  for (const text of texts) assert.equal(parseRanges(text, 10), undefined, text);
  assert.equal(parseRanges(null, 10), undefined);
});

test("parseRanges sends an empty file as a whole", () => {
  for (const text of ["bytes=0-", "bytes=-1", "bytes=5-6"]) {
    assert.equal(parseRanges(text, 0), undefined, text);
  }
});

test("parseRanges reads a range of a file of one byte", () => {
  for (const text of ["bytes=0-0", "bytes=0-", "bytes=-1"]) {
    assert.deepEqual(parseRanges(text, 1), [{ start: 0, end: 1 }], text);
  }
});

test("parseRanges yields ranges within the file that hold something and never overlap", () => {
  const number = fc.option(fc.nat(30), { nil: "" });
  const range = fc.tuple(number, number).map(([first, last]) => `${first}-${last}`);
  const texts = fc.array(range, { minLength: 1, maxLength: 5 });
  fc.assert(fc.property(texts, fc.nat(20), (specifications, size) => {
    const ranges = parseRanges(`bytes=${specifications.join(",")}`, size);
    if (ranges === undefined || ranges === "unsatisfiable") return;
    const sent = new Set<number>();
    for (const { start, end } of ranges) {
      assert.ok(start >= 0 && start < end && end <= size);
      for (let index = start; index < end; index++) {
        assert.ok(!sent.has(index));
        sent.add(index);
      }
    }
  }));
});
