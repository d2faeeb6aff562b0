/**
 * Which routes can never match because an earlier one takes all that they would. A route takes a
 * request for good unless its handler passes on what it has no file for (php, static).
 */
import { compilePattern, isSimple, prefixOfPattern } from "./route_pattern.ts";

export interface RouteShape {
  /** As in `routing/route_pattern.ts`; undefined for everything. */
  readonly path: string | undefined;
  /** Undefined: all. */
  readonly methods: readonly string[] | undefined;
  /** What else it asks of a request, as texts; nothing, left out. */
  readonly conditions?: readonly string[];
  /** Whether its handler may hand a request to the next route. */
  readonly passesOn: boolean;
}

/** True when every request that `later` matches has been taken by `earlier`. */
export function coversRoute(earlier: RouteShape, later: RouteShape): boolean {
  if (earlier.passesOn) return false;
  return coversMethods(earlier.methods, later.methods) &&
    (earlier.conditions ?? []).every((text) => later.conditions?.includes(text)) &&
    coversPath(earlier.path, later.path);
}

function coversMethods(
  earlier: readonly string[] | undefined,
  later: readonly string[] | undefined,
): boolean {
  if (earlier === undefined) return true;
  // Who takes GET takes HEAD.
  const takes = (method: string) =>
    earlier.includes(method) || (method === "HEAD" && earlier.includes("GET"));
  return later !== undefined && later.every(takes);
}

function isExact(pattern: string): boolean {
  return isSimple(pattern) && !pattern.includes("*");
}

/** Whether every path that begins so is matched. */
function coversPrefix(pattern: string, prefix: string): boolean {
  return pattern.startsWith("/") && pattern.endsWith("*") &&
    prefix.startsWith(pattern.slice(0, -1));
}

function coversPath(earlier: string | undefined, later: string | undefined): boolean {
  if (earlier === undefined || earlier === "/*") return true;
  if (later === undefined) return false;
  if (earlier === later) return true;
  if (!isSimple(earlier)) return isExact(later) && compilePattern(earlier)(later);
  if (!isSimple(later)) return coversPrefix(earlier, prefixOfPattern(later));
  if (earlier.endsWith("/*")) {
    const prefix = earlier.slice(0, -1);
    return later === prefix.slice(0, -1) || later.startsWith(prefix);
  }
  if (earlier.startsWith("*")) return !later.endsWith("/*") && later.endsWith(earlier.slice(1));
  const star = earlier.indexOf("*");
  if (star < 0 || earlier === later) return earlier === later;
  const suffix = earlier.slice(star + 1);
  const isDirectory = later.endsWith("/*") && suffix !== "";
  return !isDirectory && later.length >= earlier.length - 1 &&
    later.startsWith(earlier.slice(0, star)) && later.endsWith(suffix);
}
