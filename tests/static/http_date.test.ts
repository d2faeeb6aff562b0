import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { formatHttpDate, parseHttpDate } from "../../src/static/http_date.ts";

const MOMENT = Date.UTC(1994, 10, 6, 8, 49, 37);

test("parseHttpDate reads the three forms of RFC 9110", () => {
  assert.equal(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), MOMENT);
  assert.equal(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT"), MOMENT);
  assert.equal(parseHttpDate("Sun Nov  6 08:49:37 1994"), MOMENT);
  assert.equal(parseHttpDate("Saturday, 01-Jan-28 00:00:00 GMT"), Date.UTC(2028, 0, 1));
});

test("parseHttpDate takes two digits of a year for the nearer century", () => {
  const years: [digits: string, year: number][] = [
    ["00", 2000],
    ["69", 2069],
    ["70", 1970],
    ["99", 1999],
  ];
  for (const [digits, year] of years) {
    assert.equal(parseHttpDate(`Sunday, 05-Nov-${digits} 00:00:00 GMT`), Date.UTC(year, 10, 5));
  }
});

test("parseHttpDate reads the last moment of a day, a leap second, the first and the last month", () => {
  const fixed = (text: string) => parseHttpDate(`Sun, ${text} GMT`);
  assert.equal(fixed("31 Dec 1995 23:59:59"), Date.UTC(1995, 11, 31, 23, 59, 59));
  assert.equal(fixed("31 Dec 1995 23:59:60"), Date.UTC(1996, 0, 1));
  assert.equal(fixed("01 Jan 1995 00:00:00"), Date.UTC(1995, 0, 1));
  for (const text of ["31 Dec 1995 23:59:61", "31 Dec 1995 23:60:00", "31 Dec 1995 24:00:00"]) {
    assert.equal(fixed(text), undefined, text);
  }
});

test("parseHttpDate reads nothing else", () => {
  const texts = [
    ...["", "0", "now", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37", "06 Nov 1994"],
    ...["Sun, 06 Nov 1994 08:49:37 +0100", "Sun, 31 Feb 2026 00:00:00 GMT"],
    ...["Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 nov 1994 08:49:37 GMT"],
    ...["Sun, 06 Foo 1994 08:49:37 GMT", "Sunday, 06-Foo-94 08:49:37 GMT"],
    ...["Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT"],
  ];
  for (const text of texts) assert.equal(parseHttpDate(text), undefined, text);
});

test("parseHttpDate reads what formatHttpDate writes", () => {
  const seconds = fc.integer({ min: 0, max: Date.UTC(9999, 0) / 1000 });
  fc.assert(fc.property(seconds, (second) => {
    assert.equal(parseHttpDate(formatHttpDate(second * 1000 + 999)), second * 1000);
  }));
});
