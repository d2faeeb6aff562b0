/**
 * Files of a location → routes: the file itself, the index of a directory, what is tried beside them,
 * and what answers where nothing is there. Scripts that are an index or a front controller stand in
 * `php` routes where nothing else decides about them; else the request gets the script's path and
 * meets all routes anew, as in nginx.
 */
import { bodyMaxOf } from "./body_limits.ts";
import type { Fallback, Tried } from "./fallback.ts";
import { fileOptions } from "./file_options.ts";
import type { FilePlace } from "./file_place.ts";
import { indexKind } from "./index_files.ts";
import { slashOf } from "./location_paths.ts";
import { patternsOf } from "./location_regex.ts";
import { findLocation, type Location, SAMPLE } from "./locations.ts";
import { reachedRun } from "./reached_run.ts";
import { isSame } from "./route_conditions.ts";
import type { Run } from "./run.ts";
import {
  at,
  oneScriptRoute,
  PATH_MARK,
  phpRoute,
  type RouteValue,
  type RunPlace,
} from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";

export interface FilesParts {
  readonly location: Location;
  readonly place: FilePlace;
  readonly context: ServerContext;
  /** What is done where nothing is there. */
  readonly fallbackRoutes: (fallback: Fallback, path: string | undefined) => RouteValue[];
}

export function fileRoutes(
  path: string | undefined,
  tried: Tried,
  parts: FilesParts,
): RouteValue[] {
  const { location, place, context } = parts;
  const { attempts, fallback } = tried;
  const bodyMax = bodyMaxOf(location.scope, context.notes);
  const triesFile = attempts.includes("file");
  if (attempts.length === 0 && fallback.kind === "script") {
    const { run, script, query } = fallback;
    return [oneScriptRoute(run, script, { path, query, bodyMax }, context)];
  }
  const begin = directoryOf(path);
  const names = attempts.includes("directory") ? indexNames(location, context) : [];
  const kinds = names.map((name) => indexKind(name, begin, location, place, context));
  const options = fileOptions(location.scope, context.notes);
  const others = attempts.filter((attempt) => typeof attempt === "object")
    .map(({ to }) => at(path, { ...place.keys, exists: to, rewrite: to, static: {} }));
  if (place.rewrite !== undefined) {
    const file = at(path, {
      ...place.keys,
      rewrite: place.rewrite,
      static: { index: [], ...options },
    });
    return [file, ...parts.fallbackRoutes(status(fallback), path)];
  }
  if (kinds.includes("asked")) {
    const indexes = names.flatMap((name) => askedIndex(name, path, place, context));
    const files = triesFile ? [at(path, { ...place.keys, static: { index: [], ...options } })] : [];
    return [...indexes, ...files, ...others, ...lastRoutes(fallback, { path, bodyMax }, [], parts)];
  }
  const files = names.filter((_name, index) => kinds[index] === "file");
  const scripts = names.filter((_name, index) => typeof kinds[index] === "object");
  const run = kinds.find((kind): kind is Run => typeof kind === "object");
  const index = run && { names: scripts, run };
  const single = index === undefined ? directoryIndexes(names, parts) : [];

  // One route does for index and front controller, where the order and the query allow it.
  const isFirst = files.length > 0 && names.findIndex(isScript) >= 0 &&
    names.findIndex(isScript) < names.indexOf(files[0]!);
  const isOne = !isFirst && fallback.kind === "script" && fallback.query === undefined &&
    others.length === 0 && (index === undefined || isSame(index.run, fallback.run));
  const ownIndex = index !== undefined && !isOne
    ? [phpRoute(index.run, { path, bodyMax }, { index: index.names, try: ["folder"] }, context)]
    : [];
  const singles = single.filter((one) => begin !== undefined && `${one["path"]}`.startsWith(begin));
  const filesRoute = triesFile
    ? [at(path, { ...place.keys, static: { index: files, ...options } })]
    : [];
  const around = isFirst
    ? [...ownIndex, ...singles, ...filesRoute, ...others]
    : [...singles, ...filesRoute, ...ownIndex, ...others];
  const withIndex = isOne ? index?.names ?? [] : [];
  const last = lastRoutes(fallback, { path, bodyMax }, withIndex, parts);
  // A static route sends a directory's path to its slash, which only a directory that is tried
  // wants.
  const isOrdered = fallback.kind !== "script" || attempts.includes("directory") ||
    others.length > 0;
  if (isOrdered) {
    return [...closedScripts(path, fallback, parts), ...around, ...last];
  }
  const [route, ...behind] = last;
  return [route!, ...around, ...behind];
}

/** What an alias of one file has in the place of a script. */
function status(fallback: Fallback): Fallback {
  return fallback.kind === "script" ? { kind: "status", status: 404 } : fallback;
}

/** The beginning of a pattern of everything below; undefined for another one. */
function directoryOf(path: string | undefined): string | undefined {
  if (path === undefined) return "/";
  return path.endsWith("/*") && !path.startsWith("~") ? path.slice(0, -1) : undefined;
}

/** A directory's index by its own path, for which all routes are asked. */
function askedIndex(
  name: string,
  path: string | undefined,
  place: FilePlace,
  context: ServerContext,
): RouteValue[] {
  const directories = slashOf(path);
  if (directories === undefined) return [];
  const to = name.startsWith("/") ? name : `\${request.path}${name}`;
  const rewrite = context.hasInternal ? { to, internal: true } : to;
  if (name.startsWith("/")) return [{ path: directories, rewrite }];
  return [{ path: directories, ...place.keys, exists: to, rewrite }];
}

function lastRoutes(
  fallback: Fallback,
  place: RunPlace,
  index: readonly string[],
  { context, fallbackRoutes }: FilesParts,
): RouteValue[] {
  const { path } = place;
  if (fallback.kind !== "script") {
    // Behind everything else this is what is said anyway.
    const isSaid = path === undefined && fallback.kind === "status" && fallback.status === 404;
    return isSaid ? [] : fallbackRoutes(fallback, path);
  }
  const route = scriptRoute(fallback, place, index, context);
  // What it passes on is no later route's.
  return [route, ...(path === undefined ? [] : [at(path, { respond: { status: 404 } })])];
}

/** What a location tries last. Scripts are run by their own locations: no client names one here. */
function scriptRoute(
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
  return (index?.args ?? ["index.html"]).filter((name) => !/\$|.\//.test(name));
}

/** nginx would show the source of these. */
function closedScripts(
  path: string | undefined,
  fallback: Fallback,
  { location, context }: FilesParts,
): RouteValue[] {
  if (fallback.kind !== "status" || path?.startsWith("~")) return [];
  const begin = path === undefined ? "/" : path.endsWith("*") ? path.slice(0, -1) : undefined;
  if (begin === undefined || !reachesScripts(begin, location, context)) return [];
  const scripts = path === undefined ? "*.php" : `${path}.php`;
  return [at(scripts, { respond: { status: 403 } })];
}

/** Directories whose index script runs although those of other directories do not. */
function directoryIndexes(
  names: readonly string[],
  { location, place, context }: FilesParts,
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
    const run = reachedRun(own, place, context);
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
