/** The path behind the prefix; a path elsewhere is left as it is. */
export function stripPath(prefix: string, path: string): string {
  if (path === prefix) return "/";
  return path.startsWith(prefix) && path[prefix.length] === "/" ? path.slice(prefix.length) : path;
}
