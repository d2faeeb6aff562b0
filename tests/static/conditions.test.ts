import assert from "node:assert/strict";
import test from "node:test";
import { checkConditions, rangeApplies } from "../../src/static/conditions.ts";

const VALIDATORS = { etag: '"abc-1"', modifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) };
const BEFORE = "Fri, 02 Jan 2026 03:04:04 GMT";
const EXACT = "Fri, 02 Jan 2026 03:04:05 GMT";
const AFTER = "Fri, 02 Jan 2026 03:04:06 GMT";

function verdict(fields: Record<string, string>): string {
  return checkConditions(new Headers(fields), VALIDATORS);
}

test("checkConditions sends a file when there is no condition", () => {
  assert.equal(verdict({}), "send");
});

test("checkConditions compares If-None-Match weakly", () => {
  const same = ['"abc-1"', 'W/"abc-1"', "*", '"x", "abc-1"', '"x,y",W/"abc-1"', '"", "abc-1"'];
  for (const tag of same) assert.equal(verdict({ "if-none-match": tag }), "not_modified", tag);
  for (const tag of ['"x"', "abc-1", "", '"abc-1', '"ABC-1"', '"x, abc-1"', '"*"']) {
    assert.equal(verdict({ "if-none-match": tag }), "send", tag);
  }
});

test("checkConditions compares If-Match strongly", () => {
  for (const tag of ['"abc-1"', "*", '"x", "abc-1"']) {
    assert.equal(verdict({ "if-match": tag }), "send", tag);
  }
  for (const tag of ['W/"abc-1"', '"x"', ""]) {
    assert.equal(verdict({ "if-match": tag }), "failed", tag);
  }
});

test("checkConditions compares dates in whole seconds", () => {
  assert.equal(verdict({ "if-modified-since": BEFORE }), "send");
  assert.equal(verdict({ "if-modified-since": EXACT }), "not_modified");
  assert.equal(verdict({ "if-modified-since": AFTER }), "not_modified");
  assert.equal(verdict({ "if-unmodified-since": BEFORE }), "failed");
  assert.equal(verdict({ "if-unmodified-since": EXACT }), "send");
});

test("checkConditions takes a date that it cannot read for no condition", () => {
  assert.equal(verdict({ "if-modified-since": "tomorrow" }), "send");
  assert.equal(verdict({ "if-unmodified-since": "yesterday" }), "send");
});

test("checkConditions heeds no date beside an entity tag", () => {
  assert.equal(verdict({ "if-none-match": '"x"', "if-modified-since": AFTER }), "send");
  assert.equal(verdict({ "if-match": '"abc-1"', "if-unmodified-since": BEFORE }), "send");
});

test("checkConditions heeds If-Match before If-None-Match", () => {
  assert.equal(verdict({ "if-match": '"x"', "if-none-match": '"abc-1"' }), "failed");
});

test("rangeApplies while the file is the one that the client has a part of", () => {
  const cases: [condition: string, applies: boolean][] = [
    ['"abc-1"', true],
    ['W/"abc-1"', false],
    ['"x"', false],
    [EXACT, true],
    [BEFORE, false],
    [AFTER, false],
    ["tomorrow", false],
  ];
  for (const [condition, applies] of cases) {
    const fields = new Headers({ "if-range": condition });
    assert.equal(rangeApplies(fields, VALIDATORS), applies, condition);
  }
  assert.equal(rangeApplies(new Headers(), VALIDATORS), true);
});
