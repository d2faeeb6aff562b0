/**
 * A route's `path`: exact (`/healthz`), a directory (`/api/*`, which also matches `/api`), a
 * beginning (`/api*`, which also matches `/apis`), a suffix (`*.php`), both (`/admin/*.php`), or
 * nothing, which matches everything. Matched against the decoded path.
 */

const SLASH = 0x2f;

export type RoutePattern = (path: string) => boolean;

/** Compiles a pattern once, so that matching costs a comparison. */
export function compilePattern(pattern: string | undefined): RoutePattern {
  if (pattern === undefined || pattern === "/*" || pattern === "*") return () => true;
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
 * What the pattern's `*` stands for in a path that it matches, without a slash before it; of a route
 * without a pattern the whole path, of an exact one nothing.
 */
export function matchOf(pattern: string | undefined): (path: string) => string {
  if (pattern === undefined || pattern === "*") return withoutSlash;
  if (pattern.endsWith("/*")) {
    const length = pattern.length - 1;
    return (path) => path.slice(length);
  }
  const star = pattern.indexOf("*");
  if (star < 0) return () => "";
  const length = pattern.length - 1 - star;
  return (path) => withoutSlash(path.slice(star, path.length - length));
}

function withoutSlash(path: string): string {
  return path.charCodeAt(0) === SLASH ? path.slice(1) : path;
}
