/**
 * By which paths a location is said here. Where it restricts (refuses, closes, limits who may ask)
 * the paths may be more than nginx's, never fewer; where it serves they may be fewer, never more.
 */
import type { OrderedLocation } from "./locations.ts";
import { type PathPattern, patternsOf } from "./location_regex.ts";
import type { RoutePaths } from "./location_routes.ts";

export interface SaidPaths extends RoutePaths {
  /** What is to be told: more is refused, or less is served, than the location says. */
  readonly difference: "wider" | "narrower" | undefined;
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
      if (read === undefined) return restricts ? endingOnly(text) : undefined;
      const confined = read.patterns.flatMap((it) => confine(it, below));
      const kept = restricts ? confined : confined.filter(({ isExact }) => isExact);
      if (kept.length === 0 && confined.length > 0) return undefined;
      const isExact = confined.every((it) => it.isExact);
      const narrower = !restricts && ignoreCase ? "narrower" : undefined;
      const difference = isExact ? narrower : restricts ? "wider" : "narrower";
      return { paths: kept.map(({ path }) => path), hasPathInfo: read.hasPathInfo, difference };
    }
    case "named":
      return said([]);
  }
}

/** Of an expression that cannot be unfolded at least the ending, which is wider. */
function endingOnly(text: string): SaidPaths | undefined {
  return /\\\.php\$$/.test(text) ? { ...said(["*.php"]), difference: "wider" } : undefined;
}

function said(paths: readonly (string | undefined)[]): SaidPaths {
  return { paths, hasPathInfo: false, difference: undefined };
}

function prefixPaths(text: string): SaidPaths {
  return said([text === "/" ? undefined : `${text}*`]);
}

/** The part of a pattern that lies below a prefix. */
function confine(pattern: PathPattern, below: string | undefined): PathPattern[] {
  if (below === undefined || below === "/") return [pattern];
  const folder = below.endsWith("/") ? below : `${below}/`;
  const { path } = pattern;
  if (path === undefined) return [{ ...pattern, path: `${folder}*` }];
  if (path.startsWith("*")) return [{ ...pattern, path: folder + path }];
  if (path.startsWith(below)) return [pattern];
  const star = path.indexOf("*");
  if (star < 0 || !below.startsWith(path.slice(0, star))) return [];
  return [{ ...pattern, path: `${folder}${path.slice(star)}` }];
}
