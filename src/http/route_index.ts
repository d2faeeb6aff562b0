/**
 * Which routes a path may have, by its first name: of many routes most begin with a name of their
 * own (`/shop/*`), and need no look for any other path. Few routes are looked through as they are.
 */
import { isSimple, prefixOfPattern } from "../routing/route_pattern.ts";
import type { RouteOptions } from "./options.ts";

/** Fewer routes are looked through faster than found. */
export const INDEXED_ROUTES_MIN = 16;

/** The places of the routes that a path may have, in their order. */
export type RouteIndex = (path: string) => readonly number[];

/** Undefined where looking through all of them is as good. */
export function indexRoutes(
  routes: readonly Pick<RouteOptions, "path" | "stripPrefix">[],
): RouteIndex | undefined {
  if (routes.length < INDEXED_ROUTES_MIN) return undefined;
  const names = routes.map(({ path, stripPrefix }) =>
    firstNameOf(path) ?? (stripPrefix && firstName(stripPrefix))
  );
  const ofAll = names.flatMap((name, place) => name === undefined ? [place] : []);
  const byName = new Map<string, number[]>();
  names.forEach((name) => {
    if (name === undefined || byName.has(name)) return;
    byName.set(name, places(names, name));
  });
  return (path) => byName.get(firstName(path)) ?? ofAll;
}

function places(names: readonly (string | undefined)[], wanted: string): number[] {
  return names.flatMap((name, place) => name === undefined || name === wanted ? [place] : []);
}

/** The first name of every path that the pattern matches; undefined where it may be any. */
function firstNameOf(pattern: string | undefined): string | undefined {
  if (pattern === undefined) return undefined;
  const prefix = prefixOfPattern(pattern);
  const isExact = isSimple(pattern) && prefix === pattern;
  const end = prefix.indexOf("/", 1);
  if (end > 0) return prefix.slice(1, end);
  return isExact && prefix !== "" ? prefix.slice(1) : undefined;
}

function firstName(path: string): string {
  const end = path.indexOf("/", 1);
  return end < 0 ? path.slice(1) : path.slice(1, end);
}
