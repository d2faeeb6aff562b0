/**
 * The order in which Caddy runs the directives of a site, whatever their order in the file (`route`
 * keeps that), and which of several of one name comes first: the one with the longer path.
 */
import type { Directive } from "../import/directive.ts";

export const DIRECTIVE_ORDER: readonly string[] = [
  ...["tracing", "map", "vars", "fs", "root", "log_append", "skip_log", "log_skip", "log_name"],
  ...["header", "copy_response_headers", "request_body", "redir", "method", "rewrite", "uri"],
  ...["try_files", "basicauth", "basic_auth", "forward_auth", "request_header", "encode", "push"],
  ...["intercept", "templates", "invoke", "handle", "handle_path", "route", "abort", "error"],
  ...["copy_response", "respond", "metrics", "reverse_proxy", "php_fastcgi", "file_server"],
  "acme_server",
];

/** `order NAME first|last|before OTHER|after OTHER`. */
export function reordered(order: readonly string[], args: readonly string[]): readonly string[] {
  const [name = "", where, other = ""] = args;
  const others = order.filter((it) => it !== name);
  if (where === "first") return [name, ...others];
  if (where === "last") return [...others, name];
  const at = others.indexOf(other);
  if (at < 0 || (where !== "before" && where !== "after")) return order;
  return others.toSpliced(where === "before" ? at : at + 1, 0, name);
}

/** A directive with the one path that it is for. */
export interface Sortable {
  readonly directive: Directive;
  /** Undefined where it is for several paths, or for no path. */
  readonly path: string | undefined;
  readonly hasMatcher: boolean;
}

const SAME: Readonly<Record<string, string>> = { handle_path: "handle", basicauth: "basic_auth" };

export function inOrder<Item extends Sortable>(
  items: readonly Item[],
  order: readonly string[],
): Item[] {
  const rankOf = ({ directive: { name } }: Sortable) => order.indexOf(SAME[name] ?? name);
  return items.toSorted((a, b) => rankOf(a) - rankOf(b) || compare(a, b));
}

/** Those that set what others set again (`root`) go from the wide to the narrow. */
function compare(a: Sortable, b: Sortable): number {
  const isReversed = a.directive.name === "vars";
  const sign = isReversed ? -1 : 1;
  if (a.path !== undefined && b.path !== undefined) {
    const same = a.path.replace(/\*$/, "") === b.path.replace(/\*$/, "");
    return same ? a.path.length - b.path.length : sign * (b.path.length - a.path.length);
  }
  return sign * (Number(b.hasMatcher) - Number(a.hasMatcher));
}
