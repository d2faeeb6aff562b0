/**
 * How a script's run is said: by `php`, which looks at the files, or by `fastcgi` where every path is
 * for one script.
 */
import { bodyLimits } from "./body_limits.ts";
import type { Run } from "./run.ts";
import type { ServerContext } from "./server_context.ts";

/** A route without its place, in the order of the schema's keys. */
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
  };
  // nginx looks at the body's length in each location that it comes to.
  const limits = bodyLimits(Math.min(run.bodyMax, bodyMax), context.bodyMax);
  return { ...at(path, { php }), ...limits, ...restricted(run) };
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
  const params = {
    ...paramsOf(run, query).params,
    SCRIPT_FILENAME: `${context.root ?? ""}${script}`,
    SCRIPT_NAME: script,
    PATH_INFO: null,
  };
  const limits = bodyLimits(Math.min(run.bodyMax, bodyMax), context.bodyMax);
  return {
    ...at(path, { fastcgi: { upstream: run.upstream, params } }),
    ...limits,
    ...restricted(run),
  };
}

function restricted({ restriction }: Run): RouteValue {
  return restriction === undefined ? {} : { ip_restriction: restriction };
}

/** The routes of a location with `fastcgi_pass`. */
export function runRoutes(
  path: string | undefined,
  hasPathInfo: boolean,
  run: Run,
  context: ServerContext,
): RouteValue[] {
  const internal = run.isInternal ? { internal: true } : {};
  if (run.script !== undefined && run.script !== path && `${run.script}/*` !== path) {
    return [{ ...oneScriptRoute(run, run.script, { path }, context), ...internal }];
  }
  // A path of scripts with what is below them: every path, of which php takes its own.
  const isWhole = run.isWhole || (!run.splitsPath && !hasPathInfo);
  const wide = hasPathInfo && !isWhole && path?.endsWith("*.php")
    ? path.slice(0, -".php".length)
    : path;
  const place = { path: wide === "*" ? undefined : wide };
  const options = { index: [], ...(isWhole && { split_path: [] }) };
  const route = { ...phpRoute(run, place, options, context), ...internal };
  // What is no script's whole name is passed on, and would be a later route's.
  const isLast = isWhole && run.isWhole && !(path ?? "").endsWith(".php");
  return isLast ? [route, at(place.path, { respond: { status: 404 } })] : [route];
}

/** Whether hidden names are closed: static and php see to that, an application would be asked. */
function closesHidden({ locations }: ServerContext): boolean {
  return locations.some(({ kind, text }) => kind === "regex" && /\/\\\.|\^\|\/\)\\\./.test(text));
}

function paramsOf(run: Run, query: string | undefined): { params?: RouteValue } {
  const params = { ...run.params, ...(query !== undefined && { QUERY_STRING: query }) };
  return Object.keys(params).length > 0 ? { params } : {};
}
