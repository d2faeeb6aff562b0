/**
 * A route's `path`: exact (`/healthz`), a directory (`/api/*`, which also matches `/api`), a
 * beginning (`/api*`, which also matches `/apis`), a suffix (`*.php`), both (`/admin/*.php`), an
 * expression (`~ ^/…$`), or nothing, which matches everything. Matched against the decoded path.
 *
 * A star with a slash somewhere behind it stays within one name: the first of "/users/*\/files/*" is
 * one whole name. The star without a slash behind it stands for anything.
 */
import { Expression, ExpressionError, isExpression } from "./expression/expression.ts";

const SLASH = 0x2f;

export type RoutePattern = (path: string) => boolean;
/** What a part of a pattern stands for in a path that it matches; empty in any other. */
export type PathPart = (path: string) => string;

/** An expression, or a path whose stars stand behind its first slash or begin it. */
export const PATTERN_SHAPE = /^(?:~[^]*|\/(?:[^*]|\*(?!\*))*|\*(?!\*)(?:[^*/]|\*(?!\*))+)$/;

export const PATTERN_REMEDY = 'use "/exact", "/prefix/*", "*.suffix" or an expression "~ ^/…$"';

/** What is wrong with a pattern; undefined for a good one. */
export function patternError(pattern: string): string | undefined {
  if (!isExpression(pattern)) return PATTERN_SHAPE.test(pattern) ? undefined : PATTERN_REMEDY;
  try {
    new Expression(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof ExpressionError) return error.message;
    throw error;
  }
}

/** Compiles a pattern once, so that matching costs a comparison. */
export function compilePattern(pattern: string | undefined): RoutePattern {
  if (pattern === undefined || pattern === "/*" || pattern === "*") return () => true;
  if (!isSimple(pattern)) {
    const expression = expressionOf(pattern);
    return (path) => expression.test(path);
  }
  if (pattern.endsWith("/*")) {
    const directory = pattern.slice(0, -1);
    const bare = pattern.slice(0, -2);
    return (path) => path === bare || path.startsWith(directory);
  }
  if (pattern.startsWith("*")) {
    const suffix = pattern.slice(1);
    return (path) => path.endsWith(suffix);
  }
  const star = pattern.indexOf("*");
  if (star < 0) return (path) => path === pattern;
  const directory = pattern.slice(0, star);
  const suffix = pattern.slice(star + 1);
  return (path) =>
    path.length >= pattern.length - 1 && path.startsWith(directory) && path.endsWith(suffix);
}

/**
 * What the pattern's `*` stands for in a path that it matches, without a slash before it; of several
 * the last one. Of a route without a pattern it is the whole path, of an exact one nothing, of an
 * expression what it matches.
 */
export function matchOf(pattern: string | undefined): PathPart {
  if (pattern === undefined || pattern === "*") return withoutSlash;
  if (!isSimple(pattern)) {
    const expression = expressionOf(pattern);
    const group = isExpression(pattern) ? 0 : expression.groupCount;
    return (path) => expression.exec(path)?.[group] ?? "";
  }
  if (pattern.endsWith("/*")) {
    const length = pattern.length - 1;
    return (path) => path.slice(length);
  }
  const star = pattern.indexOf("*");
  if (star < 0) return () => "";
  const length = pattern.length - 1 - star;
  return (path) => withoutSlash(path.slice(star, path.length - length));
}

/**
 * A group of an expression by its name or number, or a star by its number, from 1 on. Undefined
 * where the pattern has none of this name.
 */
export function groupOf(pattern: string | undefined, name: string): PathPart | undefined {
  const number = /^[1-9]\d{0,3}$/.test(name) ? Number(name) : undefined;
  if (pattern === undefined || isSimple(pattern)) {
    return number === 1 && pattern?.includes("*") ? matchOf(pattern) : undefined;
  }
  const expression = expressionOf(pattern);
  const group = number ?? expression.groupNames.get(name);
  if (group === undefined || group > expression.groupCount) return undefined;
  return (path) => expression.exec(path)?.[group] ?? "";
}

/** The names that {@link groupOf} knows. */
export function groupNamesOf(pattern: string | undefined): readonly string[] {
  if (pattern === undefined) return [];
  if (isSimple(pattern)) return pattern.includes("*") ? ["1"] : [];
  const { groupCount, groupNames } = expressionOf(pattern);
  return [...groupNames.keys(), ...Array.from({ length: groupCount }, (_, at) => String(at + 1))];
}

/** The plain characters with which every path begins that the pattern matches. */
export function prefixOfPattern(pattern: string | undefined): string {
  if (pattern === undefined) return "";
  if (isExpression(pattern)) {
    const { isAnchored, prefix } = expressionOf(pattern);
    return isAnchored ? prefix : "";
  }
  const star = pattern.indexOf("*");
  return star < 0 ? pattern : pattern.slice(0, star);
}

/** Whether the pattern is one of the forms that need no expression. */
export function isSimple(pattern: string): boolean {
  if (isExpression(pattern)) return false;
  const star = pattern.indexOf("*");
  return star < 0 || !/[*/]/.test(pattern.slice(star + 1));
}

function expressionOf(pattern: string): Expression {
  return new Expression(isExpression(pattern) ? pattern : starsAsExpression(pattern));
}

function starsAsExpression(pattern: string): string {
  const isDirectory = pattern.endsWith("/*");
  const parts = (isDirectory ? pattern.slice(0, -2) : pattern).split("*");
  let source = quoted(parts[0]!);
  parts.slice(1).forEach((behind, index) => {
    const before = parts[index]!;
    const rest = parts.slice(index + 1).join("*");
    const isName = before.endsWith("/") && (behind === "" ? isDirectory : behind.startsWith("/"));
    const staysInName = isDirectory || rest.includes("/");
    source += `(${staysInName ? `[^/]${isName ? "+" : "*"}` : ".*"})${quoted(behind)}`;
  });
  return `~ ^${source}${isDirectory ? "(?:/(.*))?" : ""}$`;
}

/** Plain text, as an expression writes it. */
export function quoted(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
}

function withoutSlash(path: string): string {
  return path.charCodeAt(0) === SLASH ? path.slice(1) : path;
}
