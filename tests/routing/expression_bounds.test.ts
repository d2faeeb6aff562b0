/** Where expressions end: their bounds to the character, their syntax, and what they tell of themselves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Expression, ExpressionError } from "../../src/routing/expression/expression.ts";

function errorOf(source: string): string {
  try {
    new Expression(`~ ${source}`);
    return "";
  } catch (error) {
    assert.ok(error instanceof ExpressionError, String(error));
    return error.message;
  }
}

test("What an expression may have it may have to the last one", () => {
  const cases: [source: string, error: RegExp | undefined][] = [
    [`${"[ab]{1000}".repeat(4)}[ab]{95}`, undefined],
    [`${"[ab]{1000}".repeat(4)}[ab]{96}`, /more than 4096 steps/],
    ["a".repeat(4095), undefined],
    ["a".repeat(4096), /more than 4096 steps/],
    ["a".repeat(4097), /has 4097 characters, 4096 are the most/],
    ["a{1000}", undefined],
    ["a{1001}", /counts further than 1000 with "\{1001\}"/],
    ["a{0,1000}", undefined],
    ["a{0,1001}", /counts further than 1000/],
    ["a{1000,}", undefined],
    ["a{1001,}", /counts further than 1000/],
    ["a{999999}", /counts further than 1000/],
    ["(a)".repeat(70), undefined],
    [`${"(?:".repeat(64)}a${")".repeat(64)}`, undefined],
    [`${"(?:".repeat(65)}a${")".repeat(65)}`, /more than 64 groups within each other/],
    [`(?=${"(?:".repeat(64)}a${")".repeat(64)})`, /more than 64 groups/],
  ];
  for (const [source, error] of cases) {
    if (error === undefined) assert.equal(errorOf(source), "", source.slice(0, 40));
    else assert.match(errorOf(source), error, source.slice(0, 40));
  }
});

test("A repetition counts from what it says to what it says, and a brace without a number is one", () => {
  const cases: [source: string, counts: string][] = [
    ["a?", "01"],
    ["a*", "0123456"],
    ["a+", "123456"],
    ["a{0}", "0"],
    ["a{1}", "1"],
    ["a{3}", "3"],
    ["a{2,}", "23456"],
    ["a{2,4}", "234"],
    ["a{0,1}", "01"],
    ["a{2,2}", "2"],
    ["a{2,4}?", "234"],
    ["a??", "01"],
    ["(?:aa){1,2}", "24"],
    ["(?:aa|a){3}", "3456"],
    ["(?:a{2}){0,3}", "0246"],
  ];
  for (const [source, counts] of cases) {
    const expression = new Expression(`~ ^${source}$`);
    const found = [0, 1, 2, 3, 4, 5, 6].filter((count) => expression.test("a".repeat(count)));
    assert.equal(found.join(""), counts, source);
  }
  for (const text of ["a{", "a{,3}", "a{x}", "a{1,2", "a{1234567}"]) {
    const expression = new Expression(`~ ^${text}$`);
    assert.ok(expression.test(text), text);
  }
});

test("What an expression cannot say is told with the place", () => {
  const errors: [source: string, message: string][] = [
    ["a**", 'The expression has "*" behind a repetition (use one)'],
    ["a{2}{3}", 'The expression has "{3}" behind a repetition (use one)'],
    ["a+*", 'The expression has "*" behind a repetition (use one)'],
    ["a?+", 'The expression has "?+", which gives nothing back (write "?")'],
    ["a{2}+", 'The expression has "{2}+", which gives nothing back (write "{2}")'],
    ["{2}", 'The expression repeats nothing with "{2}"'],
    ["a|+b", 'The expression repeats nothing with "+"'],
    ["$+", 'The expression repeats what has no length with "+" (take it out)'],
    ["\\b*", 'The expression repeats what has no length with "*" (take it out)'],
    ["(?=a){2}", 'The expression repeats what has no length with "{2}" (take it out)'],
    ["a{3,2}", 'The expression counts backwards with "{3,2}"'],
    ["a)b", 'The expression has a ")" without "(" (write "\\)")'],
    ["(?=(?!(a)))", 'The expression has a group in "(?=…)", which keeps nothing (write "(?:…)")'],
    ["(?!(?<=(a)))", 'The expression has a group in "(?=…)", which keeps nothing (write "(?:…)")'],
    [
      "[\u{1f600}]",
      'The expression has a character beyond U+FFFF in "[…]" (write it as "(?:…|…)")',
    ],
    ["[b-a]", 'The expression has a range that goes backwards in "[…]" (write "\\-" for itself)'],
    ["[a-\\d]", 'The expression has a range that goes backwards in "[…]" (write "\\-" for itself)'],
    ["[", 'The expression has a "[" without "]" (write "\\[" for itself)'],
    ["[]", 'The expression has a "[" without "]" (write "\\[" for itself)'],
    ["[a-", 'The expression has a "[" without "]" (write "\\[" for itself)'],
    ["[[:nope:]]", 'The expression has a class "[:nope:]", which is not known'],
    ["\\", 'The expression ends with "\\" (write "\\\\")'],
    ["[\\", 'The expression ends with "\\" (write "\\\\")'],
    ["\\0", 'The expression has "\\0", which stands for nothing'],
    ["[\\B]", 'The expression has "\\B", which stands for nothing'],
    ["\\9", 'The expression refers back to a group with "\\9" (write out what it stands for)'],
    ["\\g1", 'The expression refers back to a group with "\\g" (write out what it stands for)'],
  ];
  for (const [source, message] of errors) assert.equal(errorOf(source), message, source);
  assert.match(errorOf("(?#a)"), /has a group "\(\?#" \(use/);
  assert.match(errorOf("(?)"), /has a group "\(\?" \(use/);
});

test("Groups are counted and named in every spelling, behind what looks ahead as well", () => {
  const expression = new Expression("~ ^(?=a)(?'one'a)(?P<two>b)(?<three_3>(?:c))(d)");
  assert.deepEqual([...expression.groupNames], [["one", 1], ["two", 2], ["three_3", 3]]);
  assert.equal(expression.groupCount, 4);
  assert.deepEqual(expression.exec("abcd"), ["abcd", "a", "b", "c", "d"]);
  assert.equal(new Expression("~ (?!(a))(?<!(b))(c)").groupCount, 3);
});

test("A group that was given up is what it was before", () => {
  assert.deepEqual(new Expression("~ ^(?:(a)b|(a)c)$").exec("ac"), ["ac", "", "a"]);
  assert.deepEqual(new Expression("~ ^(?:(a)x)?(.*)$").exec("ab"), ["ab", "", "ab"]);
  assert.deepEqual(new Expression("~ ()x").exec("ax"), ["x", ""]);
  assert.deepEqual(new Expression("~ (a)?x").exec("bx"), ["x", ""]);
});

const WORDS = ["\\b", "\\B", "^\\b", "\\B$", "a\\b", "\\bb", "\\B\\.", "\\b\\B"];
const TEXTS = ["", "a", "b", ".", "a.", ".b", "ab", "a_b", "a b", "é", "aé", "..", " a ", "0"];

test("A border of a word is between a word's character and another, or the end", () => {
  for (const source of WORDS) {
    for (const text of TEXTS) {
      const own = new RegExp(source, "s").exec(text);
      const found = new Expression(`~ ${source}`).exec(text);
      assert.equal(found?.[0], own?.[0], `${source} in "${text}"`);
    }
  }
  assert.ok(new Expression("~ \\Aa\\z").test("a"));
  assert.ok(!new Expression("~ \\Aa\\z").test("ba"));
  assert.ok(!new Expression("~ \\Aa\\z").test("ab"));
});

test("An expression knows whether it begins at the text's beginning, and with which characters", () => {
  const cases: [source: string, isAnchored: boolean, prefix: string][] = [
    ["^/abc", true, "/abc"],
    ["\\A/abc", true, "/abc"],
    ["/a(b|c)", false, "/a"],
    ["(/a)b", false, "/ab"],
    ["^(?:/a|/b)", true, ""],
    ["(?:^/a|^/b)", true, ""],
    ["(?:^a|b)", false, ""],
    ["(?:^a)?b", false, ""],
    ["(?:^a)+", true, ""],
    ["(?:^a){0,2}", false, ""],
    ["(?=ab)a", false, "ab"],
    ["x(?=ab)a", false, "xab"],
    ["(?!a)b", false, ""],
    ["(?<=a)b", false, ""],
    ["(?<!a)b", false, ""],
    ["(?<=x)^a", true, ""],
    ["(?=^a)", false, "a"],
    ["a?b", false, ""],
    ["ab?c", false, "a"],
    ["[a]b", false, "ab"],
    ["a[bc]d", false, "a"],
    ["a$b", false, "a"],
    ["a\\bb", false, "a"],
    ["a^b", false, "ab"],
    ["^", true, ""],
    ["$", false, ""],
    ["()a", false, "a"],
  ];
  for (const [source, isAnchored, prefix] of cases) {
    const expression = new Expression(`~ ${source}`);
    assert.deepEqual([expression.isAnchored, expression.prefix], [isAnchored, prefix], source);
  }
});

test("Where plain characters stand again, each place is tried, the last one too", () => {
  const expression = new Expression("~ ab(c|$)");
  assert.equal(expression.exec("ab.ab.abc")?.[0], "abc");
  assert.equal(expression.exec("ab.ab")?.[0], "ab");
  assert.equal(expression.exec("ab.a"), undefined);
  assert.equal(new Expression("~ ^ab(c|$)").exec("ab.ab"), undefined);
  assert.equal(new Expression("~ a*$").exec("ba")?.[0], "a");
});

/** Texts that take all of the memory that is kept from one to the next, and more. */
test("A long text is matched as a short one, and leaves nothing behind for the next", () => {
  const expression = new Expression("~ ^(?:[ab]*c|[ab]*d)?[ab]*e$");
  for (const length of [10, 1_000, 40_000, 44_000, 70_000, 1_000]) {
    for (const end of ["e", "ce", "de", "", "c", "cd"]) {
      const text = "ab".repeat(length / 2) + end;
      assert.equal(expression.test(text), /^[ab]*[cd]?e$/.test(text), `${length} ${end}`);
      assert.equal(expression.test(text), /^[ab]*[cd]?e$/.test(text), `again: ${length} ${end}`);
    }
  }
});

test("What is repeated in more ways than one is refused from the tenth time on", () => {
  const many = /many ways/;
  const empty = /can be empty/;
  const cases: [source: string, error: RegExp | undefined][] = [
    ["(.*a){9}", undefined],
    ["(.*a){2,9}", undefined],
    ["(.*a){10}", many],
    ["(.*a){0,10}", many],
    ["(.*a){2,}", many],
    ["(?:a+)?", undefined],
    ["(?:a*)?", undefined],
    ["(?:a*){2}", empty],
    ["(?:(^)a?)*", empty],
    ["(?:a|b*)*", empty],
    ["(?:a*b*)*", empty],
    ["(?:(?=a))*", /no length/],
    ["((?=a)|b)*", empty],
    ["(?:a{0,3})*", empty],
    ["(?:a*b)*", undefined],
    ["(?:(?:a|b*)c)*", undefined],
    ["x|(a+)+", many],
    ["x(?:y(a+)+)", many],
    ["(?<=(?:a+)+)b", many],
    // Written out a count is exact, up to 64 positions; beyond, as if it were without end.
    ["(?:a{3}b?)*", undefined],
    ["(?:a{64}b?)*", undefined],
    ["(?:a{65}b?)*", many],
    ["(?:(?:aa){32}b?)*", undefined],
    ["(?:(?:aa){33}b?)*", many],
    ["(?:a{2,3}b)*", undefined],
    ["(?:a{2,3})*", many],
    ["(?:a{1,2}b?)*", many],
    ["(?:(?:ab){1,3}c)*", undefined],
    ["(?:a{2,}b)*", undefined],
    // What has more positions is not looked through.
    [`(?:${"b".repeat(398)}a*a*)*`, many],
    [`(?:${"b".repeat(399)}a*a*)*`, undefined],
  ];
  for (const [source, error] of cases) {
    if (error === undefined) assert.equal(errorOf(source), "", source.slice(0, 40));
    else assert.match(errorOf(source), error, source.slice(0, 40));
  }
});
