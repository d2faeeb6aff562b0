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

test("parseHttpDate reads nothing else", () => {
  const texts = [
    ...["", "0", "now", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37", "06 Nov 1994"],
    ...["Sun, 06 Nov 1994 08:49:37 +0100", "Sun, 31 Feb 2026 00:00:00 GMT"],
    ...["Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 nov 1994 08:49:37 GMT"],
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
