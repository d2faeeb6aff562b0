/** Sets of characters against plain sets of numbers, and every class that an expression knows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  ANY,
  type CharacterRange,
  CharacterSet,
  UNIT_MAX,
} from "../../src/routing/expression/character_set.ts";
import { Expression } from "../../src/routing/expression/expression.ts";

/** Where sets may go wrong: around the letters, around the end of ASCII, at both ends of all. */
const UNITS: readonly number[] = [
  ...Array.from({ length: 300 }, (_, unit) => unit),
  ...[0x2028, 0xd7ff, 0xd83d, 0xde00, 0xfeff, UNIT_MAX - 1, UNIT_MAX],
];

const edge = fc.constantFrom(
  ...[0, 1, 0x2f, 0x30, 0x39, 0x40, 0x41, 0x42, 0x59, 0x5a, 0x5b, 0x60, 0x61, 0x79, 0x7a, 0x7b],
  ...[126, 127, 128, 129, 255, 256, UNIT_MAX - 1, UNIT_MAX],
);
const range = fc.tuple(edge, edge).map((
  [a, b],
): CharacterRange => [Math.min(a, b), Math.max(a, b)]);
const ranges = fc.array(range, { maxLength: 4 });

const isIn = (all: readonly CharacterRange[], unit: number) =>
  all.some(([from, to]) => from <= unit && unit <= to);

test("A set has what its ranges have, and they are sorted and do not touch", () => {
  fc.assert(fc.property(ranges, (all) => {
    const set = new CharacterSet(all);
    for (const unit of UNITS) assert.equal(set.has(unit), isIn(all, unit), String(unit));
    set.ranges.forEach(([from, to], index) => {
      assert.ok(from <= to);
      const before = set.ranges[index - 1];
      assert.ok(before === undefined || before[1] + 1 < from);
    });
  }));
  assert.deepEqual(new CharacterSet([[5, 6], [1, 2], [3, 4]]).ranges, [[1, 6]]);
  assert.deepEqual(new CharacterSet([[1, 9], [2, 3]]).ranges, [[1, 9]]);
});

test("What is inverted has all that the set has not", () => {
  fc.assert(fc.property(ranges, (all) => {
    const set = new CharacterSet(all);
    const inverted = set.inverted();
    for (const unit of UNITS) assert.equal(inverted.has(unit), !set.has(unit), String(unit));
    assert.deepEqual(inverted.inverted().ranges, set.ranges);
  }));
  assert.deepEqual(ANY.inverted().ranges, []);
  assert.deepEqual(new CharacterSet([]).inverted().ranges, [[0, UNIT_MAX]]);
});

test("Two sets meet where one character is in both", () => {
  fc.assert(fc.property(ranges, ranges, (all, others) => {
    const [one, other] = [new CharacterSet(all), new CharacterSet(others)];
    const expected = UNITS.some((unit) => isIn(all, unit) && isIn(others, unit));
    assert.equal(one.meets(other), expected);
    assert.equal(other.meets(one), expected);
  }));
});

test("A set of one character is that one, any other is none", () => {
  const cases: [ranges: readonly CharacterRange[], single: number | undefined][] = [
    [[], undefined],
    [[[0, 0]], 0],
    [[[65, 65]], 65],
    [[[UNIT_MAX, UNIT_MAX], [UNIT_MAX, UNIT_MAX]], UNIT_MAX],
    [[[65, 66]], undefined],
    [[[65, 65], [67, 67]], undefined],
  ];
  for (const [all, single] of cases) assert.equal(new CharacterSet(all).single, single);
});

test("In any case each ASCII letter is there in both, and nothing else has come", () => {
  fc.assert(fc.property(ranges, (all) => {
    const set = new CharacterSet(all).inAnyCase();
    for (const unit of UNITS) {
      const character = String.fromCharCode(unit);
      const cases = /[A-Za-z]/.test(character)
        ? [character.toLowerCase(), character.toUpperCase()]
        : [character];
      assert.equal(set.has(unit), cases.some((one) => isIn(all, one.charCodeAt(0))), String(unit));
    }
  }));
});

/** Each class, and the same in the words of the runtime's own matcher. */
const CLASSES: readonly (readonly [ours: string, theirs: string])[] = [
  ["\\d", "[0-9]"],
  ["\\D", "[^0-9]"],
  ["\\w", "[0-9A-Za-z_]"],
  ["\\W", "[^0-9A-Za-z_]"],
  ["\\s", "[\\x09-\\x0d\\x20]"],
  ["\\S", "[^\\x09-\\x0d\\x20]"],
  ["[[:alnum:]]", "[0-9A-Za-z]"],
  ["[[:alpha:]]", "[A-Za-z]"],
  ["[[:digit:]]", "[0-9]"],
  ["[[:lower:]]", "[a-z]"],
  ["[[:punct:]]", "[!-/:-@[-`{-~]"],
  ["[[:space:]]", "[\\x09-\\x0d\\x20]"],
  ["[[:upper:]]", "[A-Z]"],
  ["[[:word:]]", "[0-9A-Za-z_]"],
  ["[[:xdigit:]]", "[0-9A-Fa-f]"],
  ["[[:^alpha:]]", "[^A-Za-z]"],
  ["[^[:alpha:]_]", "[^A-Za-z_]"],
  ["[\\d\\s]", "[0-9\\x09-\\x0d\\x20]"],
  ["[^\\W]", "[0-9A-Za-z_]"],
  [".", "[^]"],
  ["[]a]", "[\\]a]"],
  ["[^]a]", "[^\\]a]"],
  ["[a-]", "[a\\-]"],
  ["[-a]", "[\\-a]"],
  ["[\\d-z]", "[0-9\\-z]"],
  ["[a-c-e]", "[abc\\-e]"],
  ["[a-a]", "a"],
  ["[\\b]", "\\x08"],
  ["[\\]\\\\]", "[\\]\\\\]"],
  ["[[a]", "[[a]"],
  ["[!-~]", "[!-~]"],
  ["[\\x00-\\x{ffff}]", "[^]"],
  ["[\\x7f-\\x80]", "[\\x7f\\x80]"],
  ["\\n", "\\x0a"],
  ["\\r", "\\x0d"],
  ["\\t", "\\x09"],
  ["\\f", "\\x0c"],
  ["\\v", "\\x0b"],
  ["\\e", "\\x1b"],
  ["\\x41", "A"],
  ["\\x{a}", "\\x0a"],
  ["\\x{feff}", "\\ufeff"],
  ["\\u0041", "A"],
  ["\\/", "/"],
  ["\\-", "\\-"],
  ["\\.", "\\."],
  ["é", "é"],
  ["\uffff", "\\uffff"],
  ["[\uffff]", "\\uffff"],
];

test("Each class matches its characters and no others", () => {
  for (const [ours, theirs] of CLASSES) {
    const [expression, own] = [new Expression(`~ ^${ours}$`), new RegExp(`^${theirs}$`)];
    for (const unit of UNITS) {
      const character = String.fromCharCode(unit);
      assert.equal(expression.test(character), own.test(character), `${ours}: ${unit}`);
    }
    assert.equal(expression.test(""), false, ours);
  }
});

test("A character beyond U+FFFF is one, outside of a class", () => {
  const twice = new Expression("~ ^\u{1f600}{2}$");
  assert.ok(twice.test("\u{1f600}\u{1f600}"));
  assert.ok(!twice.test("\u{1f600}\ude00"));
  assert.ok(new Expression("~* ^\u{1f600}A$").test("\u{1f600}a"));
});
