/**
 * By which paths a location is said here. Where it restricts (refuses, closes, limits access)
 * the paths may be more than nginx's, never fewer; where it serves they may be fewer, never more.
 */
import type { Location, OrderedLocation } from "./locations.ts";
import { type PathPattern, patternsOf } from "./location_regex.ts";
import type { RoutePaths } from "./location_routes.ts";

export interface SaidPaths extends RoutePaths {
  /** What is to be told: more is refused, or less is served, than the location says. */
  readonly difference: "wider" | "narrower" | undefined;
  /** Where fewer paths are said: which of the others might be scripts. */
  readonly scripts?: readonly string[];
}

/** Undefined when nothing narrower than everything can be said. */
export function pathsOf(
  { location, below }: OrderedLocation,
  restricts: boolean,
): SaidPaths | undefined {
  const { kind, text, ignoreCase } = location;
  if (text.includes("*") && kind !== "regex") return undefined;
  switch (kind) {
    case "exact":
      // What stands behind a script's name is not for the script when it is closed.
      return said([restricts && text.endsWith(".php") ? `${text}/*` : text]);
    case "prefix":
    case "strong":
      return prefixPaths(text);
    case "regex": {
      const read = patternsOf(text, ignoreCase && restricts);
      if (read === undefined) return restricts ? widest(location, below) : undefined;
      const confined = read.patterns.flatMap((it) => confine(it, below));
      const kept = restricts ? confined : confined.filter(({ isExact }) => isExact);
      if (kept.length === 0 && confined.length > 0) return undefined;
      const isExact = confined.every((it) => it.isExact);
      const narrower = !restricts && ignoreCase ? "narrower" : undefined;
      const difference = isExact ? narrower : restricts ? "wider" : "narrower";
      const scripts = confined.filter((it) => !kept.includes(it)).flatMap(({ path = "*" }) =>
        path.endsWith("*") ? [`${path}.php`] : path.endsWith(".php") ? [path] : []
      );
      const behind = restricts && read.hasPathInfo && below !== undefined && below !== "/"
        ? [`${below}*`]
        : [];
      const paths = [...kept.map(({ path }) => path), ...behind];
      return { paths, hasPathInfo: read.hasPathInfo, difference, scripts };
    }
    case "named":
      return said([]);
  }
}

/** Of an expression that cannot be unfolded at least how it begins or ends, which is wider. */
function widest({ text, ignoreCase }: Location, below: string | undefined): SaidPaths | undefined {
  const begin = ignoreCase ? "" : plainBeginning(text);
  const ending = /\\\.php\$$/.test(text) && !hasChoice(text) ? ".php" : "";
  if (begin.length <= 1 && ending === "") return undefined;
  const path = `${begin.length > 1 ? begin : ""}*${ending}`;
  const paths = confine({ path, isExact: false }, below).map((it) => it.path);
  return { ...said(paths), difference: "wider" };
}

/** The text that every path begins with which an expression matches; empty for none. */
function plainBeginning(text: string): string {
  if (hasChoice(text)) return "";
  const [whole = "", begin = ""] = /^\^((?:[\w/-]|\\[./_-])*)/.exec(text) ?? [];
  const counted = /^[?*{]/.test(text.slice(whole.length));
  return (counted ? begin.replace(/\\?.$/, "") : begin).replaceAll("\\", "");
}

/** A "|" outside of groups. */
function hasChoice(text: string): boolean {
  let depth = 0;
  for (const [part] of text.matchAll(/\\.|[()|]/g)) {
    if (part === "(") depth++;
    else if (part === ")") depth--;
    else if (part === "|" && depth === 0) return true;
  }
  return false;
}

function said(paths: readonly (string | undefined)[]): SaidPaths {
  return { paths, hasPathInfo: false, difference: undefined };
}

function prefixPaths(text: string): SaidPaths {
  return said([text === "/" ? undefined : `${text}*`]);
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
