/**
 * What a path, a host or a field's value has to be, as expressions (docs/configuration.md), and all
 * of several at once: lookaheads say that. Tests that no text can pass together are found where
 * their literal parts tell it, so that no route is made of them.
 */

export interface TextTest {
  /** An expression without its mark; found anywhere, unless `^` and `$` say otherwise. */
  readonly source: string;
  readonly ignoreCase: boolean;
  readonly isNegative: boolean;
  /** A pattern with stars that says exactly the same, alone. */
  readonly simple?: string;
  /** The one text that passes. */
  readonly exact?: string;
  /** What every text that passes begins with. */
  readonly prefix?: string;
  /** Whether its groups are asked for. */
  readonly captures?: boolean;
}

const SPECIAL = /[.*+?^${}()|[\]\\/]/g;

/** A text as a part of an expression. */
export function literal(text: string): string {
  return text.replace(SPECIAL, (character) => character === "/" ? "/" : `\\${character}`);
}

export function negated(test: TextTest): TextTest {
  const { source, ignoreCase, isNegative, simple } = test;
  return { source, ignoreCase, isNegative: !isNegative, ...(simple && { simple }) };
}

/** One that passes where one of these does; undefined where their cases differ. */
export function anyOf(tests: readonly TextTest[]): TextTest | undefined {
  if (tests.length === 1) return tests[0];
  if (tests.some(({ isNegative }) => isNegative)) return undefined;
  const ignoreCase = tests.every((test) => test.ignoreCase);
  const sources = tests.map((test) => withoutGroups(ignoreCase ? test.source : inBothCases(test)));
  return { source: `(?:${sources.join("|")})`, ignoreCase, isNegative: false };
}

/** The tests without those that say nothing beside the others; undefined where none passes all. */
export function together(tests: readonly TextTest[]): readonly TextTest[] | undefined {
  const unique = [...new Map(tests.map((test) => [keyOf(test), withLiterals(test)])).values()];
  const opposite = (test: TextTest) => keyOf({ ...test, isNegative: !test.isNegative });
  const keys = new Set(unique.map(keyOf));
  if (unique.some((test) => keys.has(opposite(test)))) return undefined;
  const exact = unique.find((test) => test.exact !== undefined && !test.isNegative);
  if (exact !== undefined && !exact.ignoreCase) {
    const others = unique.filter((test) => test !== exact);
    if (others.some((test) => passes(exact.exact!, test) === false)) return undefined;
    return [
      exact,
      ...others.filter((test) => test.captures || passes(exact.exact!, test) !== true),
    ];
  }
  if (areApart(unique)) return undefined;
  return unique.filter((test) => !unique.some((other) => isImplied(test, other)));
}

/** What is behind the literal beginning of a test that asks for nothing else. */
const TAILS = ["", "(?:/|$)"];

function tailOf({ source, prefix, ignoreCase, isNegative }: TextTest): string | undefined {
  if (prefix === undefined || ignoreCase || isNegative) return undefined;
  const begin = `^${literal(prefix)}`;
  return TAILS.find((tail) => source === begin + tail);
}

/** Whether every text that passes `other` passes `test`, a beginning of its. */
function isImplied(test: TextTest, other: TextTest): boolean {
  const [tail, otherTail] = [tailOf(test), tailOf(other)];
  if (test === other || tail === undefined || otherTail === undefined) return false;
  if (test.prefix === other.prefix) return tail === "" && otherTail !== "";
  return other.prefix!.startsWith(tail === "" ? test.prefix! : `${test.prefix}/`);
}

/** The test with what its expression begins with, where that is plain. */
function withLiterals(test: TextTest): TextTest {
  const { source, isNegative, ignoreCase, prefix } = test;
  if (isNegative || prefix !== undefined || !source.startsWith("^") || hasChoice(source)) {
    return test;
  }
  const begin = /^(?:[\w/ ~@!%&=:;,'"<>-]|\\[^\w])*/.exec(source.slice(1))![0];
  const rest = source.slice(1 + begin.length);
  // What is repeated, or left out, is no part of it.
  const isRepeated = /^[?*+{]/.test(rest);
  const kept = isRepeated ? begin.replace(/(?:\\.|.)$/s, "") : begin;
  const text = kept.replace(/\\(.)/gs, "$1");
  if (text === "") return test;
  if (rest !== "$" || ignoreCase) return { ...test, prefix: text };
  const isSimple = text.startsWith("/") && !/[*]/.test(text) && !test.captures;
  return { ...test, prefix: text, exact: text, ...(isSimple && { simple: text }) };
}

function keyOf({ source, ignoreCase, isNegative }: TextTest): string {
  return `${isNegative ? "!" : ""}${ignoreCase ? "*" : ""}${source}`;
}

/** Whether the beginnings of two of them exclude each other. */
function areApart(tests: readonly TextTest[]): boolean {
  const prefixes = tests.filter(({ isNegative, prefix }) => !isNegative && prefix !== undefined)
    .map(({ prefix, ignoreCase }) => ({ prefix: prefix!, ignoreCase }));
  return prefixes.some((one) =>
    prefixes.some((other) => {
      const fold = one.ignoreCase || other.ignoreCase;
      const [a, b] = [one.prefix, other.prefix].map((it) => fold ? it.toLowerCase() : it);
      return !a!.startsWith(b!) && !b!.startsWith(a!);
    })
  );
}

/** Undefined where our own engine has to say it. */
export function passes(text: string, test: TextTest): boolean | undefined {
  try {
    // `.` is every character, as in our expressions.
    return new RegExp(test.source, test.ignoreCase ? "is" : "s").test(text) !== test.isNegative;
  } catch {
    return undefined;
  }
}

/** All of them as one expression, with its mark. */
export function expressionOf(tests: readonly TextTest[]): string {
  const [only] = tests;
  if (tests.length === 1 && !only!.isNegative) {
    return `${only!.ignoreCase ? "~*" : "~"} ${only!.source}`;
  }
  const led = ledExpression(tests);
  if (led !== undefined) return led;
  const ignoreCase = tests.every((test) => test.ignoreCase);
  const sourceOf = (test: TextTest) => ignoreCase ? test.source : inBothCases(test);
  // Of several the last one is that of who asks for groups.
  const main = tests.findLast((test) => test.captures && !test.isNegative);
  const looks = tests.filter((test) => test !== main).map((test) =>
    `(?${test.isNegative ? "!" : "="}${fromStart(withoutGroups(sourceOf(test)))})`
  );
  const end = main === undefined ? "" : fromStart(sourceOf(main));
  return `${ignoreCase ? "~*" : "~"} ^${looks.join("")}${end}`;
}

/** With the literal beginning first, by which a route tells that it can take that off. */
function ledExpression(tests: readonly TextTest[]): string | undefined {
  const lead = tests.filter((test) => tailOf(test) !== undefined)
    .toSorted((a, b) => b.prefix!.length - a.prefix!.length)[0];
  if (lead === undefined) return undefined;
  const begin = `^${literal(lead.prefix!)}`;
  let looks = "";
  let end = tailOf(lead)!;
  const main = tests.findLast((test) => test.captures && !test.isNegative);
  for (const test of tests) {
    if (test === lead) continue;
    const source = inBothCases(test);
    const isWithin = source.startsWith(begin) && !hasChoice(source);
    if (!isWithin && (source.startsWith("^") || hasChoice(source) || /\^/.test(source))) {
      return undefined;
    }
    const rest = isWithin ? source.slice(begin.length) : `.*?${source}`;
    if (test === main) end = rest;
    else looks += `(?${test.isNegative ? "!" : "="}${withoutGroups(rest)})`;
  }
  return `~ ${begin}${looks}${end}`;
}

/** The same for a place that is the text's beginning. */
function fromStart(source: string): string {
  const isChoice = hasChoice(source);
  if (source.startsWith("^") && !isChoice) return source.slice(1);
  return `.*?${isChoice ? `(?:${source})` : source}`;
}

/** Whether a `|` stands outside of all groups. */
function hasChoice(source: string): boolean {
  let depth = 0;
  let found = false;
  eachPart(source, (part) => {
    if (part.startsWith("(")) depth++;
    else if (part === ")") depth--;
    else if (part === "|" && depth === 0) found = true;
    return part;
  });
  return found;
}

/** The same with groups that nobody asks for. */
export function withoutGroups(source: string): string {
  return eachPart(source, (part) => /^\((?:\?P?<(?![=!])[^>]*>)?$/.test(part) ? "(?:" : part);
}

/** The same for an engine that minds case. */
function inBothCases({ source, ignoreCase }: TextTest): string {
  if (!ignoreCase) return source;
  return eachPart(source, (part) => {
    if (/^[a-z]$/i.test(part)) return `[${part.toLowerCase()}${part.toUpperCase()}]`;
    if (!part.startsWith("[")) return part;
    const inner = part.slice(1, -1).replace(
      /\\.|([a-z])-([a-z])|([A-Z])-([A-Z])|[a-z]/gi,
      (text) => text.startsWith("\\") ? text : `${text.toLowerCase()}${text.toUpperCase()}`,
    );
    return `[${inner}]`;
  });
}

/** Escapes, classes, the beginnings of groups and single characters, each as `change` has it. */
function eachPart(source: string, change: (part: string) => string): string {
  const part =
    /\\(?:x[0-9a-f]{2}|.)|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\((?:\?(?:[:=!]|P?<(?![=!])[^>]*>))?|./gis;
  return source.replace(part, change);
}
