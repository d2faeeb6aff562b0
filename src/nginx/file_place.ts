/**
 * Where the files of a location are: `root` and `alias` → `root` and `strip_prefix` of its routes, and
 * another path where an alias names files one by one.
 */
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import type { ServerContext } from "./server_context.ts";
import { toTemplate } from "./variables.ts";

/** Where nginx looks for a directory that is named without a "/" at its beginning. */
const NGINX_PREFIX = "/usr/share/nginx/";

export interface FilePlace {
  /** The directory; undefined where the location has none. */
  readonly root: string | undefined;
  /** What a route says of it; nothing for the site's root. */
  readonly keys: { readonly root?: string; readonly strip_prefix?: string };
  /** The path below the root in the place of the client's. */
  readonly rewrite?: string;
  /** Whether only directories behind a "/" are there, not all that begins so. */
  readonly isDirectory?: boolean;
}

export type SaidPlace = FilePlace | { readonly refused: Directive; readonly reason: string };

const plain = (path: string) => path.replace(/(?<=.)\/+$/, "");

export function placeOf(location: Location, context: ServerContext): SaidPlace {
  let owner: Location | undefined = location;
  while (owner !== undefined && owner.scope.own("alias", "root").length === 0) owner = owner.within;
  const alias = owner?.scope.own("alias").at(-1);
  if (owner !== undefined && alias !== undefined) {
    context.notes.take(alias);
    return aliasOf(owner, alias, context);
  }
  const directive = location.scope.one("root");
  if (directive === undefined) return placeBelow(context.root, context.rootDirective, context);
  context.notes.take(directive);
  const root = absolute(toTemplate(directive.args[0] ?? "", context.values));
  if (root === undefined || root.includes("${")) {
    return { refused: directive, reason: "a variable is no directory" };
  }
  return placeBelow(root, directive, context);
}

/** A root as our file names it. */
export function absolute(path: string | undefined): string | undefined {
  if (path === undefined || path === "") return undefined;
  return path.startsWith("/") || path.startsWith("$") ? path : NGINX_PREFIX + path;
}

function placeBelow(
  root: string | undefined,
  directive: Directive | undefined,
  { siteRoot, isDirectory }: ServerContext,
): SaidPlace {
  if (root === undefined) return { root, keys: {} };
  const isSites = siteRoot !== undefined && plain(siteRoot) === plain(root);
  if (isSites) return { root, keys: {} };
  if (directive !== undefined && !isDirectory(root)) {
    return { refused: directive, reason: `there is no directory "${root}" here` };
  }
  return { root, keys: { root } };
}

/** `owner` is the location whose name the alias takes the place of. */
function aliasOf(owner: Location, alias: Directive, context: ServerContext): SaidPlace {
  const refused = (reason: string): SaidPlace => ({ refused: alias, reason });
  const target = absolute(toTemplate(alias.args[0] ?? "", context.values));
  if (target === undefined) return refused("a variable in it has no counterpart");
  if (owner.kind === "regex") {
    const isTried = owner.scope.own("try_files").length > 0 && !target.includes("${");
    if (isTried) return placeBelow(plain(target), alias, context);
    return ofExpression(target, alias, context) ?? refused(NO_DIRECTORY);
  }
  if (target.includes("${")) return refused("a variable is no directory");
  if (owner.kind === "exact") {
    const end = target.lastIndexOf("/");
    const place = placeBelow(target.slice(0, end) || "/", alias, context);
    return { ...place, rewrite: target.slice(end) };
  }
  const { text } = owner;
  if (context.siteRoot !== undefined && target === plain(context.siteRoot) + text) {
    return { root: context.siteRoot, keys: {} };
  }
  if (text.endsWith("/") && !target.endsWith("/")) {
    return refused('without a "/" at its end it names no directory for a location with one');
  }
  const root = plain(target);
  const place = placeBelow(root, alias, context);
  if (text === "/" || "refused" in place) return place;
  const isDirectory = !text.endsWith("/");
  const keys = { ...place.keys, strip_prefix: plain(text) };
  return { root, keys, ...(isDirectory && { isDirectory }) };
}

const NO_DIRECTORY = "it names no directory";

/** `/data/$1`: files of a directory, by their path. */
function ofExpression(
  target: string,
  alias: Directive,
  context: ServerContext,
): SaidPlace | undefined {
  const fixed = target.split("${")[0]!;
  const end = target.includes("${") ? fixed.lastIndexOf("/") : target.lastIndexOf("/");
  if (end <= 0) return undefined;
  const place = placeBelow(target.slice(0, end), alias, context);
  return { ...place, rewrite: target.slice(end) };
}
