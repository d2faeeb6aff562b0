/**
 * The text of an expression → its tree. The language is what nginx's users write (PCRE), as far as
 * it can be matched in time that is linear in the path: no references back to a group. What looks
 * ahead (`(?!…)`) or behind (`(?<!…)`) is fine. `.` is every character, a line feed too, and `$` is
 * the end alone: a path with `%0a` in it goes around no rule.
 */
import {
  ANY,
  type CharacterRange,
  CharacterSet,
  DIGITS,
  NAMED_SETS,
  SPACES,
  WORD,
} from "./character_set.ts";

/** Most characters of an expression. */
export const EXPRESSION_LENGTH_MAX = 4096;
/** Most groups within each other. */
export const EXPRESSION_DEPTH_MAX = 64;
/** Most times of a counted repetition, such as `{3,1000}`. */
export const EXPRESSION_COUNT_MAX = 1000;

export type Assertion = "start" | "end" | "word" | "inside";

export type Node =
  | { readonly kind: "set"; readonly set: CharacterSet }
  | { readonly kind: "sequence"; readonly parts: readonly Node[] }
  | { readonly kind: "choice"; readonly options: readonly Node[] }
  | RepeatNode
  | { readonly kind: "group"; readonly index: number; readonly body: Node }
  | { readonly kind: "assertion"; readonly what: Assertion }
  | LookNode;

/** What has to stand, or must not, ahead of a place or behind it. */
export interface LookNode {
  readonly kind: "look";
  readonly isBehind: boolean;
  readonly isNegative: boolean;
  readonly body: Node;
}

export interface RepeatNode {
  readonly kind: "repeat";
  readonly body: Node;
  readonly min: number;
  /** Infinity: as often as it can. */
  readonly max: number;
  readonly isLazy: boolean;
  /** As it is written. */
  readonly text: string;
}

export interface ExpressionTree {
  readonly body: Node;
  readonly groupCount: number;
  readonly groupNames: ReadonlyMap<string, number>;
}

/** An expression that cannot be used; its message says why and what would be right. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
}

/** @throws {ExpressionError} */
export function parseExpression(source: string, anyCase: boolean): ExpressionTree {
  if (source.length > EXPRESSION_LENGTH_MAX) {
    throw new ExpressionError(
      `The expression has ${source.length} characters, ${EXPRESSION_LENGTH_MAX} are the most`,
    );
  }
  return new Parser(source, anyCase).parse();
}

const QUANTIFIER = /[*+?]|\{(\d{1,6})(?:(,)(\d{1,6})?)?\}/y;
const GROUP_NAME = /\(\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/y;
const CONTROLS: Readonly<Record<string, number>> = {
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  f: 0x0c,
  v: 0x0b,
  e: 0x1b,
};
const CLASSES: Readonly<Record<string, CharacterSet>> = {
  d: DIGITS,
  w: WORD,
  s: SPACES,
  D: DIGITS.inverted(),
  W: WORD.inverted(),
  S: SPACES.inverted(),
};
const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: "start",
  z: "end",
  b: "word",
  B: "inside",
};

const LOOKS = [
  ["(?=", false, false],
  ["(?!", false, true],
  ["(?<=", true, false],
  ["(?<!", true, true],
] as const;

class Parser {
  readonly #source: string;
  #anyCase: boolean;
  #offset = 0;
  #depth = 0;
  /** Within what looks for something that has to be there, which keeps no groups. */
  #isLooking = false;
  #groupCount = 0;
  readonly #groupNames = new Map<string, number>();

  constructor(source: string, anyCase: boolean) {
    this.#source = source;
    this.#anyCase = anyCase;
  }

  parse(): ExpressionTree {
    if (this.#take("(?i)")) this.#anyCase = true;
    const body = this.#choice();
    if (this.#offset < this.#source.length) {
      throw this.#error('has a ")" without "(" (write "\\)")');
    }
    return { body, groupCount: this.#groupCount, groupNames: this.#groupNames };
  }

  #choice(): Node {
    const options = [this.#sequence()];
    while (this.#take("|")) options.push(this.#sequence());
    return options.length === 1 ? options[0]! : { kind: "choice", options };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#offset < this.#source.length && !/[|)]/.test(this.#peek())) {
      parts.push(this.#repeated());
    }
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
  }

  #repeated(): Node {
    const start = this.#offset;
    if (this.#match(QUANTIFIER) !== undefined) {
      throw this.#error(`repeats nothing with "${this.#source.slice(start, this.#offset)}"`);
    }
    let node = this.#atom();
    for (let times = 0;; times++) {
      const quantifier = this.#match(QUANTIFIER);
      if (quantifier === undefined) return node;
      if (times > 0) throw this.#error(`has "${quantifier[0]}" behind a repetition (use one)`);
      node = this.#repeat(node, quantifier, start);
    }
  }

  #repeat(body: Node, [sign, least, comma, most]: RegExpExecArray, start: number): Node {
    if (body.kind === "assertion" || body.kind === "look") {
      throw this.#error(`repeats what has no length with "${sign}" (take it out)`);
    }
    const min = least === undefined ? (sign === "+" ? 1 : 0) : Number(least);
    const max = least === undefined
      ? (sign === "?" ? 1 : Infinity)
      : comma === undefined
      ? min
      : most === undefined
      ? Infinity
      : Number(most);
    if (max < min) throw this.#error(`counts backwards with "${sign}"`);
    if (min > EXPRESSION_COUNT_MAX || (max > EXPRESSION_COUNT_MAX && max !== Infinity)) {
      throw this.#error(`counts further than ${EXPRESSION_COUNT_MAX} with "${sign}"`);
    }
    if (this.#take("+")) {
      throw this.#error(`has "${sign}+", which gives nothing back (write "${sign}")`);
    }
    const isLazy = this.#take("?");
    const text = this.#source.slice(start, this.#offset);
    return { kind: "repeat", body, min, max, isLazy, text };
  }

  #atom(): Node {
    if (this.#take("(")) return this.#group();
    if (this.#take("[")) return { kind: "set", set: this.#cased(this.#bracket()) };
    if (this.#take(".")) return { kind: "set", set: ANY };
    if (this.#take("^")) return { kind: "assertion", what: "start" };
    if (this.#take("$")) return { kind: "assertion", what: "end" };
    if (this.#take("\\")) return this.#escape();
    const point = this.#source.codePointAt(this.#offset)!;
    const text = String.fromCodePoint(point);
    this.#offset += text.length;
    const units = Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
    const parts = units.map((unit): Node => ({ kind: "set", set: this.#cased(only(unit)) }));
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
  }

  #group(): Node {
    this.#offset--;
    if (++this.#depth > EXPRESSION_DEPTH_MAX) {
      throw this.#error(`has more than ${EXPRESSION_DEPTH_MAX} groups within each other`);
    }
    const node = this.#groupBody();
    this.#depth--;
    return node;
  }

  #groupBody(): Node {
    const name = this.#match(GROUP_NAME);
    if (name !== undefined) return this.#capture(name[1] ?? name[2]);
    if (this.#take("(?:")) return this.#closed(this.#choice());
    for (const [begin, isBehind, isNegative] of LOOKS) {
      if (this.#take(begin)) return this.#look(isBehind, isNegative);
    }
    const begin = /^\(\?[^)]?/.exec(this.#source.slice(this.#offset))?.[0];
    if (begin !== undefined) {
      throw this.#error(
        `has a group "${begin}" (use "(…)", "(?<name>…)", "(?:…)", "(?=…)", "(?!…)", "(?<=…)" or "(?<!…)")`,
      );
    }
    this.#take("(");
    return this.#capture(undefined);
  }

  #capture(name: string | undefined): Node {
    if (this.#isLooking) {
      throw this.#error('has a group in "(?=…)", which keeps nothing (write "(?:…)")');
    }
    const index = ++this.#groupCount;
    if (name !== undefined) {
      if (this.#groupNames.has(name)) throw this.#error(`has two groups named "${name}"`);
      this.#groupNames.set(name, index);
    }
    return { kind: "group", index, body: this.#closed(this.#choice()) };
  }

  /** A group of what must not be there is counted, and stands for nothing wherever that holds. */
  #look(isBehind: boolean, isNegative: boolean): Node {
    const outer = this.#isLooking;
    this.#isLooking ||= !isNegative;
    const body = this.#closed(this.#choice());
    this.#isLooking = outer;
    return { kind: "look", isBehind, isNegative, body };
  }

  #closed(body: Node): Node {
    if (!this.#take(")")) throw this.#error('has a "(" without ")" (write "\\(" for itself)');
    return body;
  }

  #escape(): Node {
    const letter = this.#peek();
    const what = ASSERTIONS[letter];
    if (what !== undefined) {
      this.#offset++;
      return { kind: "assertion", what };
    }
    if (/[1-9kg]/.test(letter)) {
      throw this.#error(`refers back to a group with "\\${letter}" (write out what it stands for)`);
    }
    return { kind: "set", set: this.#cased(this.#escapedSet()) };
  }

  /** What stands behind a backslash, in a class or outside of one. */
  #escapedSet(): CharacterSet {
    const letter = this.#peek();
    if (letter === "") throw this.#error('ends with "\\" (write "\\\\")');
    const named = CLASSES[letter];
    if (named !== undefined) {
      this.#offset++;
      return named;
    }
    const code = this.#match(/x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,4})\}|u([0-9A-Fa-f]{4})/y);
    if (code !== undefined) return only(Number.parseInt((code[1] ?? code[2] ?? code[3])!, 16));
    this.#offset++;
    const control = CONTROLS[letter];
    if (control !== undefined) return only(control);
    if (/[A-Za-z0-9]/.test(letter)) {
      throw this.#error(`has "\\${letter}", which stands for nothing`);
    }
    return only(letter.charCodeAt(0));
  }

  #bracket(): CharacterSet {
    const isInverted = this.#take("^");
    const ranges: CharacterRange[] = [];
    for (let first = true; first || this.#peek() !== "]"; first = false) {
      if (this.#offset >= this.#source.length) {
        throw this.#error('has a "[" without "]" (write "\\[" for itself)');
      }
      const from = this.#member();
      const [low] = from.single === undefined ? [] : [from.single];
      const isRange = low !== undefined && this.#peek() === "-" && this.#peek(1) !== "]" &&
        this.#peek(1) !== "";
      if (!isRange) {
        ranges.push(...from.ranges);
        continue;
      }
      this.#offset++;
      const high = this.#member().single;
      if (high === undefined || high < low) {
        throw this.#error('has a range that goes backwards in "[…]" (write "\\-" for itself)');
      }
      ranges.push([low, high]);
    }
    this.#offset++;
    // What is not to match is not to match in either case.
    const set = new CharacterSet(ranges);
    return isInverted ? this.#cased(set).inverted() : set;
  }

  #member(): CharacterSet {
    const named = this.#match(/\[:(\^?)([a-z]+):\]/y);
    if (named !== undefined) {
      const set = NAMED_SETS.get(named[2]!);
      if (set === undefined) throw this.#error(`has a class "${named[0]}", which is not known`);
      return named[1] ? set.inverted() : set;
    }
    if (this.#take("\\")) {
      if (this.#take("b")) return only(0x08);
      return this.#escapedSet();
    }
    const point = this.#source.codePointAt(this.#offset)!;
    if (point > 0xffff) {
      throw this.#error('has a character beyond U+FFFF in "[…]" (write it as "(?:…|…)")');
    }
    this.#offset++;
    return only(point);
  }

  #cased(set: CharacterSet): CharacterSet {
    return this.#anyCase ? set.inAnyCase() : set;
  }

  #peek(ahead = 0): string {
    return this.#source.charAt(this.#offset + ahead);
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#offset)) return false;
    this.#offset += text.length;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#offset;
    const match = pattern.exec(this.#source);
    if (match === null) return undefined;
    this.#offset = pattern.lastIndex;
    return match;
  }

  #error(what: string): ExpressionError {
    return new ExpressionError(`The expression ${what}`);
  }
}

function only(unit: number): CharacterSet {
  return new CharacterSet([[unit, unit]]);
}
