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

/** What {@link decodePath} says of a path that another site might take. */
export const NOT_UTF8 = "The path is not UTF-8";

/**
 * Decodes a path that begins with "/"; `reason` says why it is none. `ofBytes` makes a text of what
 * is no UTF-8; left out: that is no path.
 */
export function decodePath(rawPath: string, ofBytes?: (bytes: string) => string): DecodedPath {
  if (/%(?![0-9a-f]{2})/i.test(rawPath)) {
    return { reason: "The path has a broken percent-encoding" };
  }
  let decoded: string;
  try {
    decoded = decodeURIComponent(rawPath);
  } catch {
    if (ofBytes === undefined) return { reason: NOT_UTF8 };
    decoded = ofBytes(rawPath.replace(/%(..)/g, (_, code: string) => {
      return String.fromCharCode(Number.parseInt(code, 16));
    }));
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
