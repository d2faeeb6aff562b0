/**
 * What answers a path at which there is no file: the last word of `try_files`, or
 * `if (!-e $request_filename)` with a `rewrite`. Where all of it leads to one script, a `php` route
 * says so; else the request gets another path, or what a named location does.
 */
import type { FilePlace } from "./file_place.ts";
import { findLocation, type Location, SAMPLE } from "./locations.ts";
import type { Directive } from "./parser.ts";
import { reachedRun } from "./reached_run.ts";
import type { Run } from "./run.ts";
import { PATH_MARK } from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";
import { toConstant, toTemplate } from "./variables.ts";

export type Fallback =
  | { readonly kind: "status"; readonly status: number }
  | {
    readonly kind: "script";
    /** A path below the root; with {@link PATH_MARK} the script beside the path. */
    readonly script: string;
    readonly run: Run;
    /** The query that the script gets; undefined: the client's. */
    readonly query: string | undefined;
  }
  | { readonly kind: "rewrite"; readonly to: string }
  | { readonly kind: "named"; readonly location: Location }
  | { readonly kind: "refused"; readonly directive: Directive; readonly reason: string };

/** The path itself, its directory, or a path with references. */
export type Attempt = "file" | "directory" | { readonly to: string };

export interface Tried {
  readonly attempts: readonly Attempt[];
  readonly fallback: Fallback;
}

/** What `$1` of a rewrite of everything is, in our words. */
const WHOLE_PATH = "${request.path}";

const NOTHING_THERE: Fallback = { kind: "status", status: 404 };
const CLOSED: Fallback = { kind: "status", status: 403 };
const CLIENTS_QUERY = /^(?:\$args|\$query_string|)$/;

/** Whose files they are, and where. */
interface Asking {
  readonly location: Location;
  readonly place: FilePlace;
  readonly context: ServerContext;
}

export function triedOf(location: Location, place: FilePlace, context: ServerContext): Tried {
  const tryFiles = location.scope.own("try_files").at(-1);
  if (tryFiles === undefined) {
    return { attempts: ["file", "directory"], fallback: pageOf(404, { location, place, context }) };
  }
  return readTryFiles(tryFiles, { location, place, context });
}

/**
 * A location of which every path, or every path without a file, is one script's, because of a
 * `rewrite`; undefined where it is something else, which the phases of nginx say.
 */
export function rewrittenWhole(
  location: Location,
  place: FilePlace,
  context: ServerContext,
): Tried | undefined {
  const { scope } = location;
  const found = scope.own("if", "rewrite", "return", "break", "set", "try_files");
  const [first] = found;
  if (first === undefined || found.length !== 1) return undefined;
  const asking = { location, place, context };
  if (first.name === "rewrite") {
    const fallback = readRewrite(first, asking);
    if (fallback === undefined) return undefined;
    context.notes.take(first);
    return { attempts: [], fallback };
  }
  const [rewrite, ...others] = first.block ?? [];
  const isMissing = /^\(!-[ef]$/.test(first.args[0] ?? "") &&
    first.args[1] === "$request_filename)";
  if (!isMissing || rewrite?.name !== "rewrite" || others.length > 0) return undefined;
  const fallback = readRewrite(rewrite, asking);
  if (fallback === undefined) return undefined;
  context.notes.take(first, rewrite);
  return {
    attempts: first.args[0] === "(!-e" ? ["file", "directory"] : ["file"],
    fallback,
  };
}

function readTryFiles(directive: Directive, asking: Asking): Tried {
  const { context: { notes, values } } = asking;
  notes.take(directive);
  const written = directive.args.at(-1) ?? "";
  const last = written.startsWith("$") ? toConstant(written, values) ?? written : written;
  const attempts: Attempt[] = [];
  for (const name of directive.args.slice(0, -1)) {
    const isPath = ["$uri", "$fastcgi_script_name", "$request_uri", "$document_uri"].includes(name);
    // One that is not the last is a file of that name.
    if (name.startsWith("@")) continue;
    if (isPath) attempts.push("file");
    else if (name === "$uri/" || name === "$request_uri/") attempts.push("directory");
    else {
      const to = toTemplate(name, values);
      if (
        to !== undefined && /^(?:\/|\$\{(?:request\.path\}|path\.))/.test(to) && !to.endsWith("/")
      ) {
        attempts.push({ to });
      } else notes.add("lost", directive, `"${name}" is not tried`);
    }
  }
  return { attempts: [...new Set(attempts)], fallback: readLast(last, directive, asking) };
}

function readLast(last: string, directive: Directive, asking: Asking): Fallback {
  const { context } = asking;
  const status = /^=(\d{3})$/.exec(last)?.[1];
  if (status !== undefined) return pageOf(Number(status), asking);
  if (last.startsWith("@")) return namedFallback(last, directive, asking);
  const script = toScript(last, asking, undefined);
  if (script !== undefined) return script;
  if (/^\w/.test(last)) {
    context.notes.add(
      "differs",
      directive,
      'without a "/" at its beginning nginx finds nothing there',
    );
    return { kind: "status", status: 404 };
  }
  // Without a query of its own try_files leaves the client's out.
  const written = last.replace("$is_args$args", "?$args");
  const [path = "", query] = written.split("?");
  const own = query === undefined ? "?" : CLIENTS_QUERY.test(query) ? "" : `?${query}?`;
  const to = toTemplate(path + own, context.values);
  return to !== undefined && /^(?:\/|\$\{)/.test(to)
    ? { kind: "rewrite", to }
    : { kind: "refused", directive, reason: "where it leads cannot be said" };
}

function namedFallback(name: string, directive: Directive, asking: Asking): Fallback {
  const { context } = asking;
  const named = context.locations.find(({ text }) => text === name);
  if (named === undefined) {
    return { kind: "refused", directive, reason: "there is no such location" };
  }
  context.notes.take(named.directive);
  const run = reachedRun(named, asking.place, context);
  if (run === "closed") return CLOSED;
  if (run?.script.kind === "one") {
    return { kind: "script", script: run.script.script, run, query: undefined };
  }
  const whole = rewrittenWhole(named, asking.place, context);
  if (whole !== undefined && whole.attempts.length === 0) {
    return whole.fallback;
  }
  return { kind: "named", location: named };
}

const ERROR_PAGE = /^=(?:200)?$/;

/** What `error_page` makes of a path without a file, where the status is the page's own. */
function pageOf(status: number, asking: Asking): Fallback {
  const { location: { scope }, context } = asking;
  const plain: Fallback = status === 404 ? NOTHING_THERE : { kind: "status", status };
  const page = scope.all("error_page").find(({ args }) => args.slice(0, -1).includes(`${status}`));
  if (page === undefined) return plain;
  const target = page.args.at(-1) ?? "";
  const isOwn = page.args.some((word) => ERROR_PAGE.test(word));
  if (!isOwn && !/^\/[^?]*\.php(?:\?|$)/.test(target)) return plain;
  const fallback = readLast(target, page, asking);
  if (fallback.kind === "refused" || fallback.kind === "status") return plain;
  if (isOwn) context.notes.take(page);
  else context.notes.add("differs", page, "the script's response has its own status");
  return fallback;
}

/** A rewrite of every path of its location to a script. */
function readRewrite(rewrite: Directive, asking: Asking): Fallback | undefined {
  const [from = "", to = "", flag = ""] = rewrite.args;
  if (!["", "last", "break"].includes(flag)) return undefined;
  const captured = capturedBy(from, asking.location);
  if (captured === undefined) return undefined;
  const query = to.indexOf("?");
  // What a client's path puts into a query is encoded anew, as another path does it.
  if (query >= 0 && /\$1/.test(to.slice(query))) return undefined;
  // nginx puts the client's query behind the new one, unless that ends with "?".
  const whole = to.endsWith("?") || query < 0 ? to : `${to}&$args`;
  return toScript(query < 0 ? to : whole.replace(/\?$/, ""), asking, captured);
}

/** What `$1` stands for; undefined where the expression does not take every path. */
function capturedBy(expression: string, location: Location): string | undefined {
  const directory = location.kind === "named" ? "/" : location.text;
  const plain = expression.replace(/\(\?P?<\w+>/, "(");
  if (["^", ".*", "^.*$", "^/", "^/.*$"].includes(plain)) return "";
  if (["^(.*)$", "^(.+)$", "(.*)"].includes(plain)) return WHOLE_PATH;
  if (plain === `^${directory}(.*)$` || plain === `^${directory}(.+)$`) {
    return directory.endsWith("/") && location.kind !== "regex" ? "${match}" : undefined;
  }
  return undefined;
}

function toScript(
  target: string,
  { place, context }: Asking,
  captured: string | undefined,
): Fallback | undefined {
  const [name = "", query = ""] = target.replace("$is_args$args", "?$args").split("?");
  const isBeside = name === "$1.php" && captured === WHOLE_PATH;
  if (!isBeside && !/^(\/[^/$]+)+$/.test(name)) return undefined;
  const location = findLocation(context.locations, isBeside ? `/${SAMPLE}.php` : name);
  const run = reachedRun(location, place, context);
  if (run === undefined) return undefined;
  if (run === "closed") return CLOSED;
  if (run.script.kind === "file") return undefined;
  const asked = run.script.kind === "one" ? run.script.script : name;
  const script = isBeside ? `${PATH_MARK}.php` : belowPlace(asked, run);
  if (script === undefined) return undefined;
  if (CLIENTS_QUERY.test(query)) {
    // try_files without a query loses the client's, rewrite does not.
    const isClients = captured !== undefined || query !== "" || target.includes("$is_args");
    return { kind: "script", script, run, query: isClients ? undefined : "" };
  }
  const values = captured === undefined ? context.values : { ...context.values, captured };
  const template = toTemplate(query, values);
  return template === undefined ? undefined : { kind: "script", script, run, query: template };
}

/** The script of a path, below a root that the path's beginning is no part of. */
function belowPlace(path: string, { script, place: { keys } }: Run): string | undefined {
  const { strip_prefix: prefix } = keys;
  if (prefix === undefined || script.kind === "one") return path;
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : undefined;
}
