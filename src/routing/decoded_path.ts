/**
 * The path by which routes and files are matched, from a path as a client wrote it: percent-decoded
 * once, then slashes are merged, then dot segments are removed, in this order, so `%2e%2e%2f` and
 * `//` meet the same rules as `../` and `/`.
 *
 * Slashes are merged because the file system merges them: were `//admin/x` another path to a route
 * and the same path to a file, `/admin/*` would guard nothing (nginx and Apache merge as well). A
 * backslash is a character of a name, never a separator. What cannot be a path is refused, not
 * repaired.
 */

/** A path: begins with "/", without empty, "." and ".." segments; may end with "/". */
export type DecodedPath = { readonly path: string } | { readonly reason: string };

/** Decodes a path that begins with "/"; `reason` says why it is none. */
export function decodePath(rawPath: string): DecodedPath {
  if (/%(?![0-9a-f]{2})/i.test(rawPath)) {
    return { reason: "The path has a broken percent-encoding" };
  }
  let decoded: string;
  try {
    decoded = decodeURIComponent(rawPath);
  } catch {
    // A file's name or a parameter made from it would need bytes that no text can carry.
    return { reason: "The path is not UTF-8" };
  }
  if (decoded.includes("\0")) return { reason: "The path has a NUL" };
  const path = withoutDotSegments(decoded);
  return path === undefined ? { reason: 'The path leaves the root with ".."' } : { path };
}

/** Without empty, "." and ".." segments; undefined when ".." would go above the root. */
export function withoutDotSegments(path: string): string | undefined {
  const segments = path.split("/");
  const last = segments.at(-1);
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") kept.push(segment);
    else if (kept.pop() === undefined) return undefined;
  }
  const endsInDirectory = last === "" || last === "." || last === "..";
  return kept.length > 0 && endsInDirectory ? `/${kept.join("/")}/` : `/${kept.join("/")}`;
}
