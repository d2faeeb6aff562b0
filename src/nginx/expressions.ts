/**
 * nginx's expressions as ours (`~ …`), confined to what a location is within. Ours are matched in
 * time that is linear in the path, so some of nginx's are none: these are told by name.
 */
import { Expression, ExpressionError } from "../routing/expression/expression.ts";
import { quoted } from "../routing/route_pattern.ts";

export interface Regex {
  readonly source: string;
  readonly anyCase: boolean;
}

/**
 * The expression for paths that match `regex` and, from their beginning on, all of `within`. Groups
 * keep their numbers. Undefined where it is none of ours.
 */
export function toExpression(
  { source, anyCase }: Regex,
  within: readonly string[] = [],
): string | undefined {
  const plain = source.replaceAll("\\/", "/");
  const beginsHere = plain.startsWith("^") && !hasTopChoice(plain);
  const looks = within.map((text) => `(?=${text})`).join("");
  const text = looks === ""
    ? plain
    : beginsHere
    ? `^${looks}${plain.slice(1)}`
    : `^${looks}[^]*?(?:${plain})`;
  const expression = `${anyCase ? "~*" : "~"} ${text.replaceAll("[^]*?", ".*?")}`;
  return isExpressionOfOurs(expression) ? expression : undefined;
}

export function isExpressionOfOurs(text: string): boolean {
  // YAML keeps these, and a path has none of them.
  if (/[\0\r\n]/.test(text)) return false;
  try {
    new Expression(text);
    return true;
  } catch (error) {
    if (error instanceof ExpressionError) return false;
    throw error;
  }
}

/** How many groups an expression has, and their names; undefined for none of ours. */
export function groupsOf(
  { source, anyCase }: Regex,
): { readonly count: number; readonly names: readonly string[] } | undefined {
  try {
    const { groupCount, groupNames } = new Expression(`${anyCase ? "~*" : "~"} ${source}`);
    return { count: groupCount, names: [...groupNames.keys()] };
  } catch (error) {
    if (error instanceof ExpressionError) return undefined;
    throw error;
  }
}

/** A prefix, an exact path or an expression, as a lookahead at a path's beginning takes it. */
export function withinPrefix(prefix: string): string {
  return quoted(prefix);
}

export function withinExact(path: string): string {
  return `${quoted(path)}$`;
}

export function withinRegex({ source }: Regex): string {
  return `.*?(?:${withoutGroups(source)})`;
}

/** The same expression where letters of either case are written out, if it takes both. */
export function inOneCase({ source, anyCase }: Regex): Regex {
  if (!anyCase) return { source, anyCase };
  const written = source.replace(PARTS, (part) => {
    if (part.startsWith("[")) return part.replace(/\\.|[a-z](?:-[a-z])?/gi, bothInClass);
    return /^[a-z]$/i.test(part) ? `[${part.toLowerCase()}${part.toUpperCase()}]` : part;
  });
  return { source: written, anyCase: false };
}

/** An escape, a class, the beginning of a group, a count, a character. */
const PARTS = /\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:P?<\w+>|'\w+')|\{[\d,]+\}|[^]/g;

function bothInClass(part: string): string {
  return part.startsWith("\\") ? part : part.toLowerCase() + part.toUpperCase();
}

/** The same expression without groups that are kept. */
function withoutGroups(source: string): string {
  return source.replace(
    /\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?P?<\w+>|\?'\w+')?(?!\?)/g,
    (part) => part.startsWith("(") ? "(?:" : part,
  );
}

/** A "|" outside of groups. */
export function hasTopChoice(text: string): boolean {
  let depth = 0;
  for (const [part] of text.matchAll(/\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]/g)) {
    if (part === "(") depth++;
    else if (part === ")") depth--;
    else if (part === "|" && depth === 0) return true;
  }
  return false;
}

/** A text as a condition's value takes it: a star would be anything, "~" an expression. */
export function plainValue(text: string): string {
  return /^~|\*/.test(text) ? `~ ^${quoted(text)}$` : text;
}
