/** What a location does → routes for the paths that it is said by. */
import type { Access } from "./access.ts";
import { bodyMaxOf } from "./body_limits.ts";
import type { Content } from "./content.ts";
import type { Fallback } from "./fallback.ts";
import { fileOptions } from "./file_options.ts";
import { findLocation, type Location, SAMPLE } from "./locations.ts";
import { patternsOf } from "./location_regex.ts";
import { isSame, reachedRun, restrictionOf } from "./reached_run.ts";
import type { Run } from "./run.ts";
import {
  at,
  oneScriptRoute,
  PATH_MARK,
  phpRoute,
  type RouteValue,
  type RunPlace,
  runRoutes,
} from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";

export interface RoutePaths {
  /** Undefined is everything. */
  readonly paths: readonly (string | undefined)[];
  /** Also what is below a script's name. */
  readonly hasPathInfo: boolean;
}

export function routesOf(
  location: Location,
  content: Content,
  access: Access,
  { paths, hasPathInfo }: RoutePaths,
  context: ServerContext,
): RouteValue[] {
  // A return comes before access control, as in nginx.
  if (content.kind === "respond") return respond(paths, content.status, content.body);
  if (content.kind === "redirect") {
    const { to, status } = content;
    return paths.map((path) => at(path, { redirect: { to, status } }));
  }
  if (content.kind === "refused") return respond(paths, 501, "");
  if (access.kind === "closed") return respond(paths, 403, "");
  const routes = content.kind === "run"
    ? paths.flatMap((path) => runRoutes(path, hasPathInfo, content.run, context))
    : paths.flatMap((path) => fileRoutes(path, location, content, context));
  const restriction = restrictionOf(access);
  if (restriction === undefined) return routes;
  return routes.map((route) => {
    const own = route["ip_restriction"];
    if (own === undefined || isSame(own, restriction)) {
      return { ...route, ip_restriction: restriction };
    }
    // nginx asks in both locations, and no rule says who may pass both.
    context.notes.add("refused", location.directive, "its script's location lets in others");
    return at(route["path"] as string | undefined, { respond: { status: 403 } });
  });
}

export function respond(
  paths: readonly (string | undefined)[],
  status: number,
  body: string,
): RouteValue[] {
  const text = body === "" ? {} : { body };
  return paths.map((path) => at(path, { respond: { status, ...text } }));
}

function fileRoutes(
  path: string | undefined,
  location: Location,
  { tried }: Content & { readonly kind: "files" },
  context: ServerContext,
): RouteValue[] {
  const { fallback } = tried;
  const bodyMax = bodyMaxOf(location.scope, context.notes);
  if (!tried.file && fallback.kind === "script") {
    const { run, script, query } = fallback;
    return [oneScriptRoute(run, script, { path, query, bodyMax }, context)];
  }
  const directory = path === undefined ? "/" : path.endsWith("/*") ? path.slice(0, -1) : undefined;
  const names = tried.directory && directory !== undefined ? indexNames(location, context) : [];
  const files = names.filter((name) => !isScript(name));
  const index = scriptIndexes(directory ?? "/", names.filter(isScript), context);
  const single = index === undefined ? directoryIndexes(location, names, context) : [];

  // One route does for index and front controller, where the order and the query allow it.
  const isFirst = files.length > 0 && names.findIndex(isScript) < names.indexOf(files[0]!);
  const isOne = !isFirst && fallback.kind === "script" && fallback.query === undefined &&
    (index === undefined || isSame(index.run, fallback.run));
  const ownIndex = index !== undefined && !isOne
    ? [
      phpRoute(index.run, { path, bodyMax }, { index: index.names, try: ["folder"] }, context),
    ]
    : [];
  const singles = directory === undefined
    ? []
    : single.filter(({ path }) => `${path}`.startsWith(directory));
  const options = fileOptions(location.scope, context.notes);
  const filesRoute = tried.file ? [at(path, { static: { index: files, ...options } })] : [];
  const aroundFiles = isFirst
    ? [...ownIndex, ...singles, ...filesRoute]
    : [...singles, ...filesRoute, ...ownIndex];
  if (fallback.kind === "script") {
    const scripts = isOne ? index?.names ?? [] : [];
    const last = fallbackRoute(fallback, { path, bodyMax }, scripts, context);
    // A static route sends a directory's path to its slash, which only a directory that is tried
    // wants.
    const own = tried.directory ? [...aroundFiles, last] : [last, ...aroundFiles];
    // What they pass on is no later route's.
    return [...own, ...(path === undefined ? [] : respond([path], 404, ""))];
  }
  // nginx would show the source of these.
  const begin = path === undefined ? "/" : path.endsWith("*") ? path.slice(0, -1) : undefined;
  const hasScripts = begin !== undefined && reachesScripts(begin, location, context);
  const closed = hasScripts ? respond([path === undefined ? "*.php" : `${path}.php`], 403, "") : [];
  const isSaid = path === undefined && fallback.status === 404;
  return [...closed, ...aroundFiles, ...(isSaid ? [] : respond([path], fallback.status, ""))];
}

/** What a location tries last. Scripts are run by their own locations: no client names one here. */
function fallbackRoute(
  { run, script, query }: Extract<Fallback, { kind: "script" }>,
  place: RunPlace,
  index: readonly string[],
  context: ServerContext,
): RouteValue {
  const tries = [
    "file",
    ...(index.length > 0 ? ["folder"] : []),
    script,
    ...(script.includes(PATH_MARK) ? ["=404"] : []),
  ];
  const options = { ...(index.length > 0 && { index }), try: tries };
  return phpRoute(run, { ...place, query }, options, context);
}

function isScript(name: string): boolean {
  return name.endsWith(".php");
}

function indexNames({ scope }: Location, { notes }: ServerContext): readonly string[] {
  const index = scope.one("index");
  notes.take(index);
  return (index?.args ?? ["index.html"]).filter((name) => !/[/$]/.test(name));
}

/** Of the index scripts those that nginx would run in every directory, and by what. */
function scriptIndexes(
  directory: string,
  names: readonly string[],
  context: ServerContext,
): { readonly names: readonly string[]; readonly run: Run } | undefined {
  let run: Run | undefined;
  const found = names.filter((name) => {
    const runs = [directory, `${directory}${SAMPLE}/`].map((below) => {
      return reachedRun(findLocation(context.locations, below + name), context);
    });
    const [here, inDirectories] = runs;
    if (inDirectories === undefined || inDirectories === "closed" || !isSame(here, inDirectories)) {
      return false;
    }
    run ??= inDirectories;
    return isSame(run, inDirectories);
  });
  return run && { names: found, run };
}

/** Directories whose index script runs although those of other directories do not. */
function directoryIndexes(
  location: Location,
  names: readonly string[],
  context: ServerContext,
): RouteValue[] {
  const { locations } = context;
  const all = locations.flatMap(({ kind, text, ignoreCase }) =>
    kind === "exact"
      ? [text]
      : kind === "regex"
      ? (patternsOf(text, ignoreCase)?.patterns ?? []).map(({ path }) => path ?? "")
      : []
  );
  const paths = new Set(all.map((path) => path.replace(/\/\*$/, "")));
  return [...paths].flatMap((path) => {
    const directory = path.slice(0, path.lastIndexOf("/") + 1);
    const name = path.slice(directory.length);
    if (path.includes("*") || !names.includes(name) || !isScript(name)) return [];
    if (findLocation(locations, directory) !== location) return [];
    const own = findLocation(locations, path);
    const run = reachedRun(own, context);
    if (run === undefined || run === "closed") return [];
    const bodyMax = bodyMaxOf(location.scope, context.notes);
    const options = { index: [name], try: ["folder"] };
    return [phpRoute(run, { path: directory, bodyMax }, options, context)];
  });
}

/** Whether a script's path would be answered here, as a file. */
function reachesScripts(directory: string, location: Location, context: ServerContext): boolean {
  return findLocation(context.locations, `${directory}${SAMPLE}/${SAMPLE}.php`) === location ||
    findLocation(context.locations, `${directory}${SAMPLE}.php`) === location;
}
