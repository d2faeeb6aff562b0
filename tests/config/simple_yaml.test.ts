import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { readAnyYaml } from "../../src/config/any_yaml.ts";
import { readSimpleYaml } from "../../src/config/simple_yaml.ts";

/** What the simple reader takes is what the library makes of it, places included. */
function assertSame(text: string): boolean {
  const simple = readSimpleYaml(text);
  if (simple === undefined) return false;
  const { written, error } = readAnyYaml(text) as { written?: unknown; error?: unknown };
  assert.equal(error, undefined, text);
  assert.deepEqual(simple, written, text);
  return true;
}

const TAKEN: readonly (readonly [what: string, text: string])[] = [
  ["maps in lists in maps", "sites:\n  - hosts: [a.example]\n    routes:\n      - static: {}\n"],
  ["a list in the column of its key", "a:\n- b\n- c: 1\n  d: 2\nb: 3\n"],
  ["lists on the lines of dashes", "- - a\n  - - b\n    - c\n- d\n"],
  ["nothing as values", "a:\nb: ~\nc:\n  - \n  -\n  - null\nd:\n"],
  ["comments everywhere", "# a\na: # b\n  # c\n  b: c # d\n      # e\n# f\n  d: e#f\n#g\n"],
  [
    "quotes",
    "\"a b\" : 'it''s'\nb: \"a\\n\\u00e9\\/\\\\\"\n'c': [\"d\":, 'e']\n".replace(":,", ","),
  ],
  ["numbers", "a: 12\nb: -7\nc: 1.50\nd: .5\ne: 1.\nf: 127.0.0.1\ng: 1:2\nh: 007\ni: +3\n"],
  ["words", "a: true\nb: False\nc: yes\nd: off\ne: Null\nf: TRUE\n"],
  ["what begins oddly", "a: :8080\nb: -x\nc: /a\nd: $x\ne: ^~\nf: <<\n<<: g\n~a: b\n"],
  ["braces over lines", "a: {\n  b: [1,\n      2, ],\n\n  c: {} }\nd: [\n  e\n]\n"],
  ["a file in braces", '{"a":[1,{"b":null,"c":"d"}],\n"e" : true}\n'],
  ["anchors and aliases", "a: &x\n  b: 1\nc: *x\nd: &y [1]\ne: [*y, *x ]\nf: &y 2\ng: *y\nh: *z\n"],
  ["a beginning of a document", "---\na: b\n"],
  ["no line's end at the end", "a:\n  - b"],
  ["empty lines with spaces", "a:\n   \n  b: c\n \n\n  d: e\n    "],
];

for (const [what, text] of TAKEN) {
  test(`the simple reader takes ${what}, as the library does`, () => {
    assert.ok(assertSame(text), text);
  });
}

test("the simple reader leaves to the library what is not plainly simple", () => {
  const texts = [
    "",
    "# nothing\n",
    "a",
    "a: b: c\n",
    "a:\n\tb\n",
    "a: |\n  b\n",
    "a: >-\n  b\n",
    "a: b\n  c\n",
    "a: 'b\n  c'\n",
    "a: !!str 1\n",
    "%YAML 1.1\n---\na: b\n",
    "a: b\n---\nc: d\n",
    "a: b\n...\n",
    "--- a: b\n",
    "? a\n: b\n",
    "a: {b, c: d}\n",
    "a: [b: c]\n",
    "a: {b: }\n",
    "a: [b,, c]\n",
    "a: {\nb: c}\n",
    "a: [b, # c\n  d]\n",
    "a: 0x1f\n",
    "a: 1e3\n",
    "a: .inf\n",
    "a: 12345678901234567890\n",
    'a: "\\x41"\n',
    "a: b\r\n",
    "a:\u00a0b\n",
    "\ufeffa: b\n",
    "a: @b\n",
    "a: %b\n",
    "null: b\n",
    "- &a b: c\n",
    "a: &b *c\n",
    "a:\n    b: 1\n  c: 2\n",
    "a: 1\n b: 2\n",
    "- a\nb: c\n",
    '"a"b: c\n',
    'a: "b"#c\n',
    `${"k".repeat(1_100)}: v\n`,
    `${"[".repeat(40)}${"]".repeat(40)}`,
  ];
  for (const text of texts) assert.equal(readSimpleYaml(text), undefined, JSON.stringify(text));
});

/** Lines of which a text is made by chance; most of what comes of it is no YAML at all. */
const PIECES = [
  ..."abz019~.-:?,[]{}#&*!|>'\"%@`/\\^$<=+ \n",
  ...[": ", ":\n", "- ", "\n  ", "\n    ", "\n- ", " #", "a: ", "b:", "&a", "*a", "null", "true"],
  ...["1.5", "1.", "0x1", "1e3", ".5", '""', "''", "'a'", '"b"', "{}", "[]", "---\n", "é", "\\n"],
];

test("property: of whatever the simple reader takes it makes what the library does", () => {
  const texts = fc.array(fc.constantFrom(...PIECES), { maxLength: 24 }).map((all) => all.join(""));
  fc.assert(fc.property(texts, (text) => void assertSame(text)), { numRuns: 2_000 });
});

/** A value, and how it is written. */
interface Tree {
  readonly kind: "leaf" | "map" | "list" | "flow map" | "flow list";
  readonly text: string;
  readonly key: string;
  readonly below: readonly Tree[];
  readonly step: number;
  readonly comment: string;
}

const leaves = fc.constantFrom(
  ..."a|b c|'it''s'|\"q\\\"\"|12|1.5|true|off|~|127.0.0.1:80|/a/*|*.x|:8080|a#b|-x|a,b|x{y".split(
    "|",
  ),
);
const keys = fc.constantFrom("a", "b_c", '"d e"', "'f'", "12", "/g", "~h", "i j");
const comments = fc.constantFrom("", "", "", " # said", "\n\n", "\n   # below", "   ");

const leaf: fc.Arbitrary<Tree> = fc.record({
  kind: fc.constant("leaf" as const),
  text: leaves,
  key: keys,
  below: fc.constant([]),
  step: fc.constant(0),
  comment: comments,
});

const { tree } = fc.letrec<{ tree: Tree; inner: Tree }>((tie) => ({
  tree: fc.oneof({ maxDepth: 4, depthIdentifier: "tree" }, leaf, tie("inner"), tie("inner")),
  inner: fc.record({
    kind: fc.constantFrom("map", "map", "list", "list", "flow map", "flow list"),
    text: leaves,
    key: keys,
    below: fc.array(tie("tree"), { maxLength: 4, depthIdentifier: "tree" }),
    step: fc.integer({ min: 0, max: 3 }),
    comment: comments,
  }),
}));

/** Its text behind a colon or a dash of the column. */
function written(tree: Tree, column: number, isItem: boolean): string {
  const { kind, text, below, step, comment } = tree;
  if (kind === "leaf") return ` ${text}${comment}\n`;
  if (kind === "flow map" || kind === "flow list" || below.length === 0) {
    return ` ${flow(tree, column + 1 + step)}${comment}\n`;
  }
  const isCompact = kind === "list" && step === 0 && !isItem;
  const inner = isCompact ? column : column + 1 + step;
  const lines = linesOf(tree, inner);
  // Behind a dash the first may stand on its line.
  return isItem && comment === "" ? lines.slice(column + 1) : `${comment}\n${lines}`;
}

function linesOf({ kind, below }: Tree, column: number): string {
  const isList = kind === "list";
  const lines = below.map((one) =>
    `${" ".repeat(column)}${isList ? "-" : `${one.key}:`}${written(one, column, isList)}`
  );
  return lines.join("");
}

function flow({ kind, text, below, comment }: Tree, column: number): string {
  if (kind === "leaf") return text;
  const isMap = kind === "flow map" || kind === "map";
  const line = comment === "\n\n" ? `\n${" ".repeat(column)}` : "";
  const inner = below.map((one) => (isMap ? `${one.key}: ` : "") + flow(one, column));
  return `${isMap ? "{" : "["}${line}${inner.join(`,${line || " "}`)}${isMap ? "}" : "]"}`;
}

const files = tree.filter(({ below }) => below.length > 0).map((one) =>
  one.kind.startsWith("flow") ? `${flow(one, 0)}\n` : linesOf(one, 0)
);

test("property: of written trees the simple reader makes what the library does", () => {
  let taken = 0;
  let all = 0;
  fc.assert(
    fc.property(files, (text) => {
      all++;
      if (assertSame(text)) taken++;
    }),
    { numRuns: 400 },
  );
  assert.ok(taken > all / 3, `${taken} of ${all}`);
});

test("property: a character more or less makes no difference between the two", () => {
  const changed = fc.tuple(files, fc.nat(), fc.constantFrom("", ...PIECES), fc.nat(2)).map((
    [text, place, piece, cut],
  ) => {
    const at = place % (text.length + 1);
    return text.slice(0, at) + piece + text.slice(at + cut);
  });
  fc.assert(fc.property(changed, (text) => void assertSame(text)), { numRuns: 1_000 });
});
