/**
 * By which paths a location is said here: by a pattern, or by an expression where none says it. What
 * is no expression of ours (`routing/expression/`) is said by patterns that may be more than nginx's
 * where the location restricts, never fewer; where it serves they may be fewer, never more.
 */
import {
  hasTopChoice,
  inOneCase,
  toExpression,
  withinExact,
  withinPrefix,
  withinRegex,
} from "./expressions.ts";
import type { Location, OrderedLocation } from "./locations.ts";
import { type PathPattern, patternsOf } from "./location_regex.ts";
import type { Conditions } from "./route_conditions.ts";

export interface SaidPaths {
  /** Undefined is everything. */
  readonly paths: readonly (string | undefined)[];
  /** Also what is below a script's name. */
  readonly hasPathInfo: boolean;
  /** What else its requests have to be. */
  readonly conditions: Conditions;
  /** What is to be told: more is refused, or less is served, than the location says. */
  readonly difference: "wider" | "narrower" | undefined;
  /** Where fewer paths are said: which of the others might be scripts. */
  readonly scripts?: readonly string[];
}

export interface PathWishes {
  /** Whether the location refuses, closes or limits access. */
  readonly restricts: boolean;
  /** Whether rules of its own decide about its requests. */
  readonly hasRules: boolean;
  /** Whether its texts name groups of its expression. */
  readonly namesGroups: boolean;
  /** Whether names that begin with "." need a route. */
  readonly namesHidden: boolean;
}

/** More patterns than these are said by one expression. */
const PATTERNS_MAX = 4;

/** Undefined when nothing narrower than everything can be said. */
export function pathsOf(ordered: OrderedLocation, wishes: PathWishes): SaidPaths | undefined {
  const { location: { kind, text }, inside = [] } = ordered;
  const { restricts } = wishes;
  if (kind === "named") return said([]);
  if (kind === "regex") return regexPaths(ordered, wishes);
  if (inside.length > 0 || text.includes("*")) return expressionFor(ordered);
  // What stands behind a script's name is not for the script when it is closed.
  if (kind === "exact") return said([restricts && text.endsWith(".php") ? `${text}/*` : text]);
  return said([text === "/" ? undefined : `${text}*`]);
}

function regexPaths(ordered: OrderedLocation, wishes: PathWishes): SaidPaths | undefined {
  const { location, below, inside = [] } = ordered;
  const { text, ignoreCase } = location;
  const { restricts, hasRules, namesGroups, namesHidden } = wishes;
  const read = inside.length > 0 ? undefined : patternsOf(text, ignoreCase && restricts);
  const confined = read?.patterns.flatMap((it) => confine(it, below));
  const isExact = confined?.every((it) => it.isExact) ?? false;
  const isShort = confined !== undefined && confined.length <= PATTERNS_MAX;
  const isPlain = !ignoreCase && !namesGroups && isExact && isShort &&
    !((restricts || hasRules) && read!.hasPathInfo) &&
    !(restricts && namesHidden && read!.hidesNames);
  const isHidden = restricts && !namesHidden && confined?.length === 0;
  const expression = isPlain || isHidden ? undefined : expressionFor(ordered);
  if (expression !== undefined) {
    return { ...expression, hasPathInfo: read?.hasPathInfo ?? /\\\.php\(?[^$]/.test(text) };
  }
  if (read === undefined || confined === undefined) {
    return restricts ? widest(location, below) : undefined;
  }
  const kept = restricts ? confined : confined.filter((it) => it.isExact);
  if (kept.length === 0 && confined.length > 0) return undefined;
  const narrower = !restricts && ignoreCase ? "narrower" : undefined;
  const difference = isExact ? narrower : restricts ? "wider" : "narrower";
  const scripts = confined.filter((it) => !kept.includes(it)).flatMap(({ path = "*" }) =>
    path.endsWith("*") ? [`${path}.php`] : path.endsWith(".php") ? [path] : []
  );
  const behind = restricts && read.hasPathInfo && below !== undefined && below !== "/"
    ? [`${below}*`]
    : [];
  const paths = [...kept.map(({ path }) => path), ...behind];
  return { ...said(paths), hasPathInfo: read.hasPathInfo, difference, scripts };
}

/** The location by one expression. */
function expressionFor({ location, below, inside = [] }: OrderedLocation): SaidPaths | undefined {
  const { kind, text, ignoreCase } = location;
  const own = kind === "regex"
    ? { source: text, anyCase: ignoreCase }
    : { source: `^${kind === "exact" ? withinExact(text) : withinPrefix(text)}`, anyCase: false };
  const looks = inside.map((around) =>
    withinRegex(inOneCase({ source: around.text, anyCase: around.ignoreCase }))
  );
  const isBelow = below === undefined || below === "/" || beginsBelow(own.source, below);
  if (!isBelow) looks.unshift(withinPrefix(below));
  const path = toExpression(looks.length === 0 ? own : inOneCase(own), looks);
  return path === undefined ? undefined : said([path]);
}

/** Whether all that an expression matches begins with the prefix anyway. */
function beginsBelow(source: string, below: string): boolean {
  return source.startsWith(`^${withinPrefix(below)}`) && !hasTopChoice(source);
}

/** Of an expression that cannot be unfolded at least how it begins or ends, which is wider. */
function widest({ text, ignoreCase }: Location, below: string | undefined): SaidPaths | undefined {
  const begin = ignoreCase ? "" : plainBeginning(text);
  const ending = /\\\.php\$$/.test(text) && !hasTopChoice(text) ? ".php" : "";
  if (begin.length <= 1 && ending === "") return undefined;
  const path = `${begin.length > 1 ? begin : ""}*${ending}`;
  const paths = confine({ path, isExact: false }, below).map((it) => it.path);
  return { ...said(paths), difference: "wider" };
}

/** The text that every path begins with which an expression matches; empty for none. */
function plainBeginning(text: string): string {
  if (hasTopChoice(text)) return "";
  const [whole = "", begin = ""] = /^\^((?:[\w/-]|\\[./_-])*)/.exec(text) ?? [];
  const counted = /^[?*{]/.test(text.slice(whole.length));
  return (counted ? begin.replace(/\\?.$/, "") : begin).replaceAll("\\", "");
}

function said(paths: readonly (string | undefined)[]): SaidPaths {
  return { paths, hasPathInfo: false, conditions: {}, difference: undefined };
}

/** The part of a pattern that lies below a prefix, which need not end with "/". */
function confine(pattern: PathPattern, below: string | undefined): PathPattern[] {
  if (below === undefined || below === "/") return [pattern];
  const { path } = pattern;
  if (path === undefined) return [{ ...pattern, path: `${below}*` }];
  const star = path.indexOf("*");
  const begin = star < 0 ? path : path.slice(0, star);
  if (begin.startsWith(below)) return [pattern];
  if (star < 0 || !below.startsWith(begin)) return [];
  const ending = path.slice(star + 1);
  const confined = [{ ...pattern, path: `${below}*${ending}` }];
  // "/a.php" is below "/a", and its ending may begin within "/a.p".
  for (let length = 1; length <= ending.length; length++) {
    if (begin.length + length > below.length) break;
    if (!below.endsWith(ending.slice(0, length))) continue;
    confined.push({ ...pattern, path: below + ending.slice(length) });
  }
  return confined;
}

/** Of a path the part that names directories by their "/"; undefined for none. */
export function slashOf(path: string | undefined): string | undefined {
  if (path === undefined) return "~ /$";
  const expression = /^~(\*?) ([^]*)$/.exec(path);
  if (expression !== null) {
    const [, star = "", source = ""] = expression;
    return toExpression({ source, anyCase: star === "*" }, [".*/$"]);
  }
  if (!path.includes("*")) return path.endsWith("/") ? path : undefined;
  const prefix = path.slice(0, path.indexOf("*"));
  if (!path.endsWith("*")) return undefined;
  const text = withinPrefix(prefix);
  return prefix.endsWith("/") ? `~ ^${text}(?:.*/)?$` : `~ ^${text}.*/$`;
}

/** A path of a route as a lookahead at the beginning of an expression; undefined for every path. */
export function lookAt(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const [, star, source] = /^~(\*?) ([^]*)$/.exec(path) ?? [];
  if (source !== undefined) return withinRegex(inOneCase({ source, anyCase: star === "*" }));
  const at = path.indexOf("*");
  if (at < 0) return withinExact(path);
  const prefix = path.slice(0, at);
  if (!path.endsWith("*")) return `${withinPrefix(prefix)}.*${withinExact(path.slice(at + 1))}`;
  return prefix === "" ? undefined : withinPrefix(prefix);
}
