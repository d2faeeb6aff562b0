/**
 * What answers a path at which there is no file: the last word of `try_files`, a named location, or
 * `if (!-e $request_filename)` with a `rewrite`, all of which lead to a front controller.
 */
import { findLocation, type Location, SAMPLE } from "./locations.ts";
import type { Directive } from "./parser.ts";
import { reachedRun } from "./reached_run.ts";
import type { Run } from "./run.ts";
import { PATH_MARK } from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";
import { toTemplate } from "./variables.ts";

export type Fallback =
  | { readonly kind: "status"; readonly status: number }
  | {
    readonly kind: "script";
    /** A path below the root; with {@link PATH_MARK} the script beside the path. */
    readonly script: string;
    readonly run: Run;
    /** The query that the script gets; undefined: the client's. */
    readonly query: string | undefined;
  };

export interface Tried {
  /** Whether the path itself is tried as a file, and as a directory. */
  readonly file: boolean;
  readonly directory: boolean;
  readonly fallback: Fallback;
}

/** What `$1` of a rewrite of everything is, in our words. */
const WHOLE_PATH = "${request.path}";

const NOTHING_THERE: Fallback = { kind: "status", status: 404 };
const CLOSED: Fallback = { kind: "status", status: 403 };
const CLIENTS_QUERY = /^(?:\$args|\$query_string|)$/;

/** Undefined, and noted, where it cannot be said. */
export function triedOf(location: Location, context: ServerContext): Tried | undefined {
  const { scope } = location;
  const [tryFiles] = scope.own("try_files");
  if (tryFiles !== undefined) return readTryFiles(tryFiles, context);
  const [condition] = scope.own("if");
  if (condition !== undefined) {
    const [rewrite, ...others] = condition.block ?? [];
    const isMissing = /^\(!-[ef]$/.test(condition.args[0] ?? "") &&
      condition.args[1] === "$request_filename)";
    const fallback = isMissing && rewrite?.name === "rewrite" && others.length === 0
      ? readRewrite(rewrite, location, context)
      : undefined;
    if (fallback === undefined) return undefined;
    context.notes.take(condition, rewrite);
    return { file: true, directory: condition.args[0] === "(!-e", fallback };
  }
  const rewrite = scope.own("rewrite").at(0);
  if (rewrite !== undefined) {
    const fallback = readRewrite(rewrite, location, context);
    if (fallback === undefined) return undefined;
    context.notes.take(rewrite);
    return { file: false, directory: false, fallback };
  }
  return { file: true, directory: true, fallback: NOTHING_THERE };
}

function readTryFiles(directive: Directive, context: ServerContext): Tried | undefined {
  const names = directive.args.slice(0, -1);
  const last = directive.args.at(-1) ?? "";
  const fallback = readLast(last, directive, context);
  if (fallback === undefined) return undefined;
  context.notes.take(directive);
  for (const name of names) {
    if (["$uri", "$uri/", "$fastcgi_script_name", "$request_uri"].includes(name)) continue;
    context.notes.add("lost", directive, `"${name}" is not tried`);
  }
  return {
    file: names.some((name) => name === "$uri" || name === "$fastcgi_script_name"),
    directory: names.includes("$uri/"),
    fallback,
  };
}

function readLast(
  last: string,
  directive: Directive,
  context: ServerContext,
): Fallback | undefined {
  const status = /^=(\d{3})$/.exec(last)?.[1];
  if (status !== undefined) return { kind: "status", status: Number(status) };
  if (!last.startsWith("@")) return toScript(last, context, undefined);
  const named = context.locations.find(({ text }) => text === last);
  if (named === undefined) return undefined;
  context.notes.take(named.directive);
  const run = reachedRun(named, context);
  if (run === "closed") return CLOSED;
  if (run !== undefined) {
    return run.script === undefined
      ? undefined
      : { kind: "script", script: run.script, run, query: undefined };
  }
  const rewrite = named.scope.own("rewrite").at(0);
  if (rewrite === undefined) return undefined;
  const fallback = readRewrite(rewrite, named, context);
  if (fallback !== undefined) {
    context.notes.take(rewrite);
    if (rewrite.args[1]?.includes("?") && rewrite.args[1].includes("$1")) {
      context.notes.add("differs", directive, "what $1 puts into the query is not encoded anew");
    }
  }
  return fallback;
}

/** A rewrite of every path of its location to a script. */
function readRewrite(
  rewrite: Directive,
  location: Location,
  context: ServerContext,
): Fallback | undefined {
  const [from = "", to = "", flag = ""] = rewrite.args;
  if (!["", "last", "break"].includes(flag)) return undefined;
  const captured = capturedBy(from, location);
  if (captured === undefined) return undefined;
  const query = to.indexOf("?");
  // nginx puts the client's query behind the new one, unless that ends with "?".
  const whole = to.endsWith("?") || query < 0 ? to : `${to}&$args`;
  return toScript(query < 0 ? to : whole.replace(/\?$/, ""), context, captured);
}

/** What `$1` stands for; undefined where the expression does not take every path. */
function capturedBy(expression: string, location: Location): string | undefined {
  const directory = location.kind === "named" ? "/" : location.text;
  const plain = expression.replace(/\(\?P?<\w+>/, "(");
  if (["^", ".*", "^.*$", "^/", "^/.*$"].includes(plain)) return "";
  if (["^(.*)$", "^(.+)$", "(.*)"].includes(plain)) return WHOLE_PATH;
  if (plain === `^${directory}(.*)$` || plain === `^${directory}(.+)$`) {
    return directory.endsWith("/") ? "${match}" : undefined;
  }
  return undefined;
}

function toScript(
  target: string,
  context: ServerContext,
  captured: string | undefined,
): Fallback | undefined {
  const [name = "", query = ""] = target.replace("$is_args$args", "?$args").split("?");
  const isBeside = name === "$1.php" && captured === WHOLE_PATH;
  if (!isBeside && !/^(\/[^/$]+)+$/.test(name)) return undefined;
  const script = isBeside ? `${PATH_MARK}.php` : name;
  const location = findLocation(context.locations, isBeside ? `/${SAMPLE}.php` : script);
  const run = reachedRun(location, context);
  if (run === undefined) return undefined;
  if (run === "closed") return CLOSED;
  if (CLIENTS_QUERY.test(query)) {
    // try_files without a query loses the client's, rewrite does not.
    const isClients = captured !== undefined || query !== "" || target.includes("$is_args");
    return { kind: "script", script, run, query: isClients ? undefined : "" };
  }
  const values = captured === undefined ? context.values : { ...context.values, captured };
  const template = toTemplate(query, values);
  return template === undefined ? undefined : { kind: "script", script, run, query: template };
}
