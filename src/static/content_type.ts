/** Content types by a file's extension. A text is declared to be UTF-8; what is not known is bytes. */
import { lookup } from "mrmime";

const UNKNOWN = "application/octet-stream";

/** The Content-Type of a file of this name. */
export function contentTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  if (dot < 0) return UNKNOWN;
  // The table is a plain object, so that `constructor` finds what is no text.
  const type: unknown = lookup(name.slice(dot + 1));
  if (typeof type !== "string") return UNKNOWN;
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}
