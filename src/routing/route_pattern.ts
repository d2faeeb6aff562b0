/**
 * A route's `path`: exact (`/healthz`), a prefix (`/api/*`, which also matches `/api`), a suffix
 * (`*.php`), or nothing, which matches everything. Matched against the decoded path.
 */

export type RoutePattern = (path: string) => boolean;

/** Compiles a pattern once, so that matching costs a comparison. */
export function compilePattern(pattern: string | undefined): RoutePattern {
  if (pattern === undefined || pattern === "/*" || pattern === "*") return () => true;
  if (pattern.endsWith("/*")) {
    const folder = pattern.slice(0, -1);
    const bare = pattern.slice(0, -2);
    return (path) => path === bare || path.startsWith(folder);
  }
  if (pattern.startsWith("*")) {
    const suffix = pattern.slice(1);
    return (path) => path.endsWith(suffix);
  }
  return (path) => path === pattern;
}
