/**
 * How a script's run is said: by `php`, which looks at the files, or by `fastcgi` where an application
 * is asked for every path.
 */
import { bodyLimits } from "./body_limits.ts";
import type { Run } from "./run.ts";
import type { ServerContext } from "./server_context.ts";

/** A route in the order of the schema's keys. */
export type RouteValue = Readonly<Record<string, unknown>>;

/** Stands for the request's path in what a `php` route tries. */
export const PATH_MARK = "${path}";

/** What a path's location says beside the run. */
export interface RunPlace {
  /** Undefined for everything. */
  readonly path: string | undefined;
  /** The query that the script gets; undefined: the client's. */
  readonly query?: string | undefined;
  /** Most bytes of a body there; left out: what the run's own location says. */
  readonly bodyMax?: number;
}

export function at(
  path: string | undefined,
  handler: Readonly<Record<string, unknown>>,
): RouteValue {
  return path === undefined ? handler : { path, ...handler };
}

export function phpRoute(
  run: Run,
  { path, query, bodyMax = Infinity }: RunPlace,
  options: Readonly<Record<string, unknown>>,
  context: ServerContext,
): RouteValue {
  const php = {
    upstream: run.upstream,
    ...options,
    ...(run.realPath && { resolve_root: true }),
    ...paramsOf(run, query),
    ...run.options,
  };
  // nginx looks at the body's length in each location that it comes to.
  const limits = bodyLimits(Math.min(run.bodyMax, bodyMax), context.bodyMax);
  return { ...at(path, { ...run.place.keys, php }), ...limits, ...run.guards };
}

/** Every path is for the one script, whatever files there are. */
export function oneScriptRoute(
  run: Run,
  script: string,
  place: RunPlace,
  context: ServerContext,
): RouteValue {
  const hasMark = script.includes(PATH_MARK);
  if (hasMark || closesHidden(context)) {
    return phpRoute(run, place, { try: hasMark ? [script, "=404"] : [script] }, context);
  }
  const { path, query, bodyMax = Infinity } = place;
  if (run.realPath) {
    context.notes.add("differs", run.realPath, "symlinks in the root are not resolved");
  }
  const { root, keys } = run.place;
  const params = {
    ...paramsOf(run, query).params,
    SCRIPT_FILENAME: `${root ?? ""}${script}`,
    SCRIPT_NAME: `${keys.strip_prefix ?? ""}${script}`,
    PATH_INFO: null,
  };
  const limits = bodyLimits(Math.min(run.bodyMax, bodyMax), context.bodyMax);
  const rooted = keys.root === undefined ? {} : { root: keys.root };
  const fastcgi = { upstream: run.upstream, params, ...run.options };
  return { ...at(path, { ...rooted, fastcgi }), ...limits, ...run.guards };
}

/** The routes of a location with `fastcgi_pass`. */
export function runRoutes(
  path: string | undefined,
  hasPathInfo: boolean,
  run: Run,
  context: ServerContext,
): RouteValue[] {
  const internal = run.isInternal ? { internal: true } : {};
  const { script } = run;
  if (!run.isPhp) return [{ ...applicationRoute(path, run, context), ...internal }];
  if (script.kind === "one" && script.script !== path && `${script.script}/*` !== path) {
    return [{ ...oneScriptRoute(run, script.script, { path }, context), ...internal }];
  }
  // A path of scripts with what is below them: every path, of which php takes its own.
  const isWhole = run.isWhole || (!run.splitsPath && !hasPathInfo);
  const wide = hasPathInfo && !isWhole && path?.endsWith("*.php")
    ? path.slice(0, -".php".length)
    : path;
  const place = { path: wide === "*" ? undefined : wide };
  const isNamed = path !== undefined && !path.startsWith("~") && path.endsWith(".php");
  const index = !isNamed && !path?.startsWith("~") && run.index ? [run.index] : [];
  const options = { index, ...(isWhole && { split_path: [] }) };
  const route = { ...phpRoute(run, place, options, context), ...internal };
  // What is no script's whole name is passed on, and would be a later route's.
  const isLast = wide === path && !isNamed;
  return isLast ? [route, at(place.path, { respond: { status: 404 } })] : [route];
}

/** An application that finds its own scripts, such as fcgiwrap. */
function applicationRoute(
  path: string | undefined,
  run: Run,
  context: ServerContext,
): RouteValue {
  const { script, split, place: { keys, root } } = run;
  const isMade = split !== undefined && "split_path" in split;
  const begins = split !== undefined && "script_name" in split ? split : undefined;
  const isBelow = begins !== undefined && path?.startsWith(begins.script_name) === true;
  const made = { ...run.params };
  if (script.kind === "file") made["SCRIPT_FILENAME"] = script.file;
  else if (script.kind === "one") made["SCRIPT_FILENAME"] = `${root ?? ""}${script.script}`;
  const fastcgi = {
    upstream: run.upstream,
    ...(isMade && split),
    ...(isBelow && begins),
    ...(run.index !== undefined && /^[^/]+$/.test(run.index) && { index: run.index }),
    ...(Object.keys(made).length > 0 && { params: made }),
    ...run.options,
  };
  const limits = bodyLimits(run.bodyMax, context.bodyMax);
  return { ...at(path, { ...keys, fastcgi }), ...limits, ...run.guards };
}

/** Whether hidden names are closed: static and php see to that, an application would be asked. */
function closesHidden({ locations }: ServerContext): boolean {
  return locations.some(({ kind, text }) => kind === "regex" && /\/\\\.|\^\|\/\)\\\./.test(text));
}

function paramsOf(run: Run, query: string | undefined): { params?: RouteValue } {
  const params = { ...run.params, ...(query !== undefined && { QUERY_STRING: query }) };
  return Object.keys(params).length > 0 ? { params } : {};
}
