/** What expressions match, which are refused and why, and that none takes long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Expression, ExpressionError } from "../../src/routing/expression/expression.ts";
import {
  EXPRESSION_COUNT_MAX,
  EXPRESSION_DEPTH_MAX,
  EXPRESSION_LENGTH_MAX,
} from "../../src/routing/expression/syntax.ts";
import { EXPRESSION_STEPS_MAX } from "../../src/routing/expression/program.ts";

function errorOf(text: string): string {
  try {
    new Expression(text);
    return "";
  } catch (error) {
    assert.ok(error instanceof ExpressionError, text);
    return error.message;
  }
}

test("An expression matches anywhere unless it is anchored", () => {
  assert.ok(new Expression("~ b").test("/abc"));
  assert.ok(!new Expression("~ ^b").test("/abc"));
  assert.ok(!new Expression("~ b$").test("/abc"));
  assert.ok(new Expression("~ ^/a").test("/abc"));
  assert.ok(new Expression("~ ^/a$|c$").test("/abc"));
});

test("Only ~* takes letters of either case, those of ASCII", () => {
  assert.ok(!new Expression("~ \\.PHP$").test("/x.php"));
  assert.ok(new Expression("~* \\.PHP$").test("/x.php"));
  assert.ok(new Expression("~* ^/[a-f]+$").test("/AbF"));
  assert.ok(!new Expression("~* ^/[^a]$").test("/A"));
  assert.ok(!new Expression("~* ^/k$").test("/\u212a"), "the sign for Kelvin is no k");
  assert.ok(!new Expression("~* ^/s$").test("/\u017f"), "the long s is no s");
  assert.ok(new Expression("~ (?i)^/A$").test("/a"));
});

test("A line feed is a character like any other, and $ is the end alone", () => {
  assert.ok(new Expression("~ ^/private/.*\\.php$").test("/private/a\nb.php"));
  assert.ok(!new Expression("~ \\.php$").test("/x.php\n"));
  assert.ok(!new Expression("~ ^b").test("a\nb"));
});

test("Groups have numbers and names, and what is not met is empty", () => {
  const expression = new Expression(
    "~ ^/(?<site>[^/]+)/wp-(?P<rest>(admin|content|includes)/.*)$",
  );
  assert.deepEqual([...expression.groupNames], [["site", 1], ["rest", 2]]);
  assert.deepEqual(expression.exec("/blog/wp-admin/x.php"), [
    "/blog/wp-admin/x.php",
    "blog",
    "admin/x.php",
    "admin",
  ]);
  assert.deepEqual(new Expression("~ ^/(a)?(b)?").exec("/b"), ["/b", "", "b"]);
  assert.equal(expression.exec("/blog"), undefined);
});

test("Of two ways the first is taken, and lazy ones take as little as they can", () => {
  assert.deepEqual(new Expression("~ (a|ab)(c|bcd)?").exec("abcd"), ["abcd", "a", "bcd"]);
  assert.deepEqual(new Expression("~ ^(.+?\\.php)(/.*)?$").exec("/a.php/b.php/c"), [
    "/a.php/b.php/c",
    "/a.php",
    "/b.php/c",
  ]);
  assert.deepEqual(new Expression("~ ^(.+\\.php)(/.*)?$").exec("/a.php/b.php/c"), [
    "/a.php/b.php/c",
    "/a.php/b.php",
    "/c",
  ]);
});

test("A lookahead sees what comes and takes none of it", () => {
  const notIndex = new Expression("~ ^/(?!index\\.php$|assets/).*$");
  assert.deepEqual(
    ["/index.php", "/assets/x", "/x", "/index.php5"].filter((path) => notIndex.test(path)),
    ["/x", "/index.php5"],
  );
  assert.ok(new Expression("~ ^(?=.*\\d)(?!.*[A-Z]).+$").test("/a1"));
  assert.ok(!new Expression("~ ^(?=.*\\d)(?!.*[A-Z]).+$").test("/A1"));
  assert.ok(new Expression("~ ^(?!.*(?=b)(?!bc)).*$").test("abc"));
  assert.ok(!new Expression("~ ^(?!.*(?=b)(?!bc)).*$").test("abd"));
});

test("A lookbehind sees what came before, whatever its length", () => {
  const texts = new Expression("~* (?<!robots)\\.txt$");
  assert.deepEqual(
    ["/robots.txt", "/notes.txt", "/ROBOTS.TXT", "/.txt"].filter((path) => texts.test(path)),
    ["/notes.txt", "/.txt"],
  );
  const parts = new Expression("~ /(config|(?<!ext/)phpbb(?!\\w+)|vendor)");
  assert.deepEqual(
    ["/phpbb/a", "/ext/phpbb/a", "/phpbbx", "/ext/vendor"].filter((path) => parts.test(path)),
    ["/phpbb/a", "/ext/vendor"],
  );
  assert.ok(new Expression("~ (?<=^/a+(?:b|cd)*)e").test("/aabcdbe"));
  assert.ok(!new Expression("~ (?<=^/a+(?:b|cd)*)e").test("/aabdcbe"));
  assert.ok(new Expression("~ (?<=(?=ab)a(?<!b.))b").test("ab"));
  assert.ok(new Expression("~ (?<=\u00fc\u{1f600}|x)y").test("\u00fc\u{1f600}y"));
});

test("A group in what must not be there is counted and stands for nothing", () => {
  assert.deepEqual(new Expression("~ ^/api/(?!(index\\.php))(.*)").exec("/api/x/y"), [
    "/api/x/y",
    "",
    "x/y",
  ]);
  assert.equal(new Expression("~ ^/api/(?!(index\\.php))(.*)").exec("/api/index.php"), undefined);
});

const AMBIGUOUS = [
  "(a+)+$",
  "(a*)*",
  "(a|a)*$",
  "(a|aa)+$",
  "(a|a?)+$",
  "(.*)*",
  "(.*a){11}",
  "(.*a){12,}",
  "([a-zA-Z]+)*$",
  "^(([a-z])+.)+[A-Z]([a-z])+$",
  "(\\w+\\s?)*$",
  "(x+x+)+y",
  "(?:a|b|ab)*c",
  "^/(?:[^/]+/?)+$",
  "(?!(?:a+)+$)b",
  "^/((?:\\d+|[0-9a-f]+))*/$",
];

test("An expression that can take exponential time elsewhere is refused", () => {
  for (const source of AMBIGUOUS) {
    assert.match(errorOf(`~ ${source}`), /many ways|can be empty/, source);
    assert.match(errorOf(`~* ${source}`), /many ways|can be empty/, source);
  }
});

test("Repetitions that can be read in one way are taken", () => {
  for (
    const source of [
      "(?:\\d{1,3}\\.){3}\\d{1,3}",
      "([0-9a-f]{2}){16}",
      "^/([a-z0-9-]+/)*$",
      "(?:/[^/]+)*\\.php$",
      "(?:ab|ac)*d",
      "^(?:(?!/private).)*$",
      "\\s*\\s*$",
      "^(.+\\.php)(/.*)?$",
    ]
  ) assert.equal(errorOf(`~ ${source}`), "", source);
});

test("What cannot be matched in linear time, or is not closed, is refused and says why", () => {
  const errors: Record<string, RegExp> = {
    "(a)\\1": /refers back/,
    "(?<a>b)\\k<a>": /refers back/,
    "a++": /gives nothing back/,
    "(?>a)": /has a group "\(\?>"/,
    "(a": /"\(" without "\)"/,
    "a)": /"\)" without "\("/,
    "[a": /"\[" without "\]"/,
    "a{3,1}": /counts backwards/,
    "[z-a]": /goes backwards/,
    "[[:what:]]": /not known/,
    "*a": /repeats nothing/,
    "a**": /behind a repetition/,
    "^*": /no length/,
    "\\q": /stands for nothing/,
    "a\\": /ends with/,
    "(?=(a))": /keeps nothing/,
    "(?<a>x)(?<a>y)": /two groups named "a"/,
  };
  for (const [source, message] of Object.entries(errors)) {
    assert.match(errorOf(`~ ${source}`), message, source);
  }
  for (const text of ["~", "~ ", "~*", "~^/a", "~*\\.php$"]) {
    assert.match(errorOf(text), /mind the space/, text);
  }
});

test("An expression has bounds", () => {
  assert.match(errorOf(`~ ${"a".repeat(EXPRESSION_LENGTH_MAX + 1)}`), /characters/);
  const deep = EXPRESSION_DEPTH_MAX;
  assert.equal(errorOf(`~ ${"(".repeat(deep)}a${")".repeat(deep)}`), "");
  assert.match(errorOf(`~ ${"(".repeat(deep + 1)}a${")".repeat(deep + 1)}`), /within each other/);
  assert.match(errorOf(`~ a{${EXPRESSION_COUNT_MAX + 1}}`), /counts further/);
  assert.match(errorOf(`~ [ab]{900}[ab]{900}[ab]{900}[ab]{900}[ab]{900}`), /steps/);
  assert.equal(EXPRESSION_STEPS_MAX, 4096);
});

/** Each takes a backtracking matcher the square of the text's length, or far more. */
const SLOW: readonly (readonly [string, string])[] = [
  ["(.*)(.*)(.*)(.*)x$", "a".repeat(16_000)],
  ["\\s*\\s*$", `${" ".repeat(16_000)}x`],
  ["(?:(?!x.*y).)*z", "a".repeat(16_000)],
  ["(?:(?<!x.*y).)*z", "a".repeat(16_000)],
  ["(?<=x.*.*.*)(?<!(?:a?){9}b)z", "a".repeat(16_000)],
  ["([^/]+)/.*\\.php$", "a/".repeat(8_000)],
  ["^(.+?\\.php)(/.*)$", `${"/x.php".repeat(2_600)}!`],
  [`${"a?".repeat(60)}${"a".repeat(60)}b`, "a".repeat(16_000)],
  ["(?:a?){9}b", "a".repeat(16_000)],
];

test("No expression takes long, whatever the text", () => {
  for (const [source, text] of SLOW) {
    if (errorOf(`~ ${source}`) !== "") continue;
    const expression = new Expression(`~ ${source}`);
    const startedMs = performance.now();
    expression.exec(text);
    const tookMs = performance.now() - startedMs;
    // A backtracking matcher takes seconds to years for these.
    assert.ok(tookMs < 2_000, `${source}: ${tookMs} ms`);
  }
});

const character = fc.constantFrom("a", "b", "c", "/");
const atom: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: character },
  fc.constantFrom(".", "[ab]", "[^/]", "\\w", "^", "$", "\\b"),
);
const { source } = fc.letrec<{ source: string }>((tie) => ({
  source: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    atom,
    fc.tuple(tie("source"), tie("source")).map(([a, b]) => a + b),
    fc.tuple(tie("source"), tie("source")).map(([a, b]) => `(?:${a}|${b})`),
    // What can be empty is repeated by no language as by another; ours refuses it, but for "?".
    fc.tuple(
      character,
      tie("source"),
      fc.constantFrom("*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}"),
    ).map(([first, rest, sign]) => `(?:${first}(?:${rest}))${sign}`),
    tie("source").map((a) => `(?=${a})`),
    tie("source").map((a) => `(?!${a})`),
    tie("source").map((a) => `(?<=${a})`),
    tie("source").map((a) => `(?<!${a})`),
  ),
}));
const text = fc.array(fc.constantFrom("a", "b", "c", "/", "\n"), { maxLength: 12 })
  .map((parts) => parts.join(""));

test("A match is the one that the runtime's own matcher finds", () => {
  let compared = 0;
  fc.assert(
    fc.property(source, fc.array(text, { minLength: 4, maxLength: 4 }), (source, texts) => {
      if (errorOf(`~ ${source}`) !== "") return;
      const ours = new Expression(`~ ${source}`);
      const theirs = new RegExp(source, "s");
      for (const one of texts) {
        compared++;
        const found = theirs.exec(one)?.[0];
        assert.equal(ours.exec(one)?.[0], found, `${source} in ${JSON.stringify(one)}`);
        assert.equal(ours.test(one), found !== undefined);
      }
    }),
    { numRuns: 3_000 },
  );
  assert.ok(compared > 1_000, `${compared} compared`);
});

test("Groups that are met once are those that the runtime's own matcher finds", () => {
  const grouped = fc.tuple(source, source, source)
    .map(([a, b, c]) => `(${a})([ab](?:${b}))?(?:${c}|(b))`);
  fc.assert(
    fc.property(grouped, text, (source, one) => {
      if (errorOf(`~ ${source}`) !== "") return;
      const found = new RegExp(source, "s").exec(one);
      const expected = found === null ? undefined : [...found].map((group) => group ?? "");
      assert.deepEqual(new Expression(`~ ${source}`).exec(one), expected, source);
    }),
    { numRuns: 2_000 },
  );
});
