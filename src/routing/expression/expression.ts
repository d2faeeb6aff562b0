/**
 * An expression, as the configuration writes it: `~ ^/…$` is matched as it is, `~* …` in any case of
 * ASCII letters. It is compiled once; what it costs a text is said in `matcher.ts`. One that begins
 * with plain characters looks for these first, as most texts do not match.
 */
import { findAmbiguity } from "./ambiguity.ts";
import { findMatch } from "./matcher.ts";
import { compileProgram, type Program } from "./program.ts";
import { ExpressionError, type ExpressionTree, type Node, parseExpression } from "./syntax.ts";

export { ExpressionError } from "./syntax.ts";

/** What tells an expression from a plain text. */
const MARK = /^~(\*?)(\s*)/;

export function isExpression(text: string): boolean {
  return text.startsWith("~");
}

export class Expression {
  readonly groupNames: ReadonlyMap<string, number>;
  readonly groupCount: number;
  /** Whether it can match at the text's beginning alone. */
  readonly isAnchored: boolean;
  /** What every match begins with, in the case that is written. */
  readonly prefix: string;
  readonly #tree: ExpressionTree;
  readonly #program: Program;
  /** The same with the borders of groups, once somebody wants them. */
  #saving: Program | undefined;

  /** @throws {ExpressionError} */
  constructor(text: string) {
    const [mark, star, space] = MARK.exec(text) ?? [];
    if (mark === undefined) throw new ExpressionError('An expression begins with "~ " or "~* "');
    const source = text.slice(mark.length);
    if (space === "" || source === "") {
      throw new ExpressionError(`An expression is written as "~${star} ^/…$" (mind the space)`);
    }
    this.#tree = parseExpression(source, star === "*");
    const { body, groupCount, groupNames } = this.#tree;
    const ambiguity = findAmbiguity(body);
    if (ambiguity !== undefined) throw new ExpressionError(ambiguity);
    this.groupCount = groupCount;
    this.groupNames = groupNames;
    this.isAnchored = startsAnchored(body);
    this.prefix = prefixOf(body).text;
    this.#program = compileProgram(body, false);
  }

  test(text: string): boolean {
    return findMatch(this.#program, this, text, undefined);
  }

  /** What the groups stand for, the whole match first; undefined where there is no match. */
  exec(text: string): readonly string[] | undefined {
    this.#saving ??= compileProgram(this.#tree.body, true);
    const borders = new Int32Array(2 * (this.groupCount + 1));
    if (!findMatch(this.#saving, this, text, borders)) return undefined;
    return Array.from({ length: this.groupCount + 1 }, (_, group) => {
      const [from, to] = [borders[2 * group]!, borders[2 * group + 1]!];
      return from >= 0 && to >= 0 ? text.slice(from, to) : "";
    });
  }
}

function startsAnchored(node: Node): boolean {
  switch (node.kind) {
    case "assertion":
      return node.what === "start";
    case "sequence": {
      const first = node.parts.find((part) => part.kind !== "look");
      return first !== undefined && startsAnchored(first);
    }
    case "choice":
      return node.options.every(startsAnchored);
    case "group":
      return startsAnchored(node.body);
    case "repeat":
      return node.min > 0 && startsAnchored(node.body);
    default:
      return false;
  }
}

/** The plain characters at the beginning; `isWhole`: it is nothing but these. */
function prefixOf(node: Node): { readonly text: string; readonly isWhole: boolean } {
  switch (node.kind) {
    case "set": {
      const { single } = node.set;
      return single === undefined
        ? { text: "", isWhole: false }
        : { text: String.fromCharCode(single), isWhole: true };
    }
    case "sequence": {
      let text = "";
      for (const part of node.parts) {
        const prefix = prefixOf(part);
        text += prefix.text;
        if (!prefix.isWhole) return { text, isWhole: false };
      }
      return { text, isWhole: true };
    }
    case "group":
      return prefixOf(node.body);
    case "assertion":
      return { text: "", isWhole: node.what === "start" };
    case "look": {
      // What has to be there from here on, whatever of it the rest takes.
      const isAhead = !node.isNegative && !node.isBehind;
      return { text: isAhead ? prefixOf(node.body).text : "", isWhole: false };
    }
    default:
      return { text: "", isWhole: false };
  }
}
