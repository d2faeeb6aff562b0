/** The whole names that every path of a route begins with: what routes are found by, in trees. */
import { isSimple, prefixOfPattern } from "./route_pattern.ts";

/** Names of a pattern by which its route is found; more are a matter of matching. */
export const INDEXED_NAMES_MAX = 8;

/** `/shop/items/*` begins with `shop` and `items`; `/shop/it*` with `shop`. */
export function namesOfPattern(pattern: string | undefined): readonly string[] {
  if (pattern === undefined) return [];
  const prefix = prefixOfPattern(pattern);
  const isExact = isSimple(pattern) && prefix === pattern;
  return wholeNames(isExact ? `${prefix}/` : prefix);
}

/** Those that a slash ends; what stands behind the last one may go on. */
export function wholeNames(prefix: string): readonly string[] {
  return prefix.split("/").slice(1, -1);
}
