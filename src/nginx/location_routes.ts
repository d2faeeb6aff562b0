/** What a location does → routes for the paths that it is said by. */
import type { Access } from "./access.ts";
import type { Content } from "./content.ts";
import { fileOptions } from "./file_options.ts";
import { findLocation, type Location } from "./locations.ts";
import { patternsOf } from "./location_regex.ts";
import { type Run, runOf } from "./run.ts";
import type { ServerContext } from "./server_context.ts";

/** A route without its place, in the order of the schema's keys. */
export type RouteValue = Readonly<Record<string, unknown>>;

export interface RoutePaths {
  /** Undefined is everything. */
  readonly paths: readonly (string | undefined)[];
  /** Also what is below a script's name. */
  readonly hasPathInfo: boolean;
}

/** A name that no script has, to ask which location its folder's scripts are for. */
const SAMPLE = "afcgi-sample";

export function routesOf(
  location: Location,
  content: Content,
  access: Access,
  { paths, hasPathInfo }: RoutePaths,
  context: ServerContext,
): RouteValue[] {
  // A return comes before who may ask, as in nginx.
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
  if (access.kind !== "restricted") return routes;
  const { allow, deny } = access;
  const restriction = {
    ...(allow.length > 0 && { allow }),
    ...(deny.length > 0 && { deny }),
  };
  return routes.map((route) => ({ ...route, ip_restriction: restriction }));
}

export function respond(
  paths: readonly (string | undefined)[],
  status: number,
  body: string,
): RouteValue[] {
  const text = body === "" ? {} : { body };
  return paths.map((path) => at(path, { respond: { status, ...text } }));
}

function at(path: string | undefined, handler: Readonly<Record<string, unknown>>): RouteValue {
  return path === undefined ? handler : { path, ...handler };
}

function runRoutes(
  path: string | undefined,
  hasPathInfo: boolean,
  run: Run,
  context: ServerContext,
): RouteValue[] {
  const internal = run.isInternal ? { internal: true } : {};
  if (run.script !== undefined && run.script !== path && `${run.script}/*` !== path) {
    const fastcgi = fixedScript(run, run.script, undefined, context);
    return [{ ...at(path, { fastcgi }), ...internal }];
  }
  // A path of scripts with what is below them: every path, of which php takes its own.
  const wide = hasPathInfo && path?.endsWith("*.php") ? path.slice(0, -".php".length) : path;
  const place = wide === "*" ? undefined : wide;
  const php = {
    upstream: run.upstream,
    index: [],
    ...(!run.splitsPath && !hasPathInfo && { split_path: [] }),
    ...paramsOf(run, undefined),
  };
  return [{ ...at(place, { php }), ...internal }];
}

/** Every path is for the one script, whatever files there are. */
function fixedScript(
  run: Run,
  script: string,
  query: string | undefined,
  context: ServerContext,
): RouteValue {
  const params = {
    ...run.params,
    ...(query !== undefined && { QUERY_STRING: query }),
    SCRIPT_FILENAME: `${context.root ?? ""}${script}`,
    SCRIPT_NAME: script,
    PATH_INFO: null,
  };
  return { upstream: run.upstream, params };
}

/** Whether hidden names are closed: static and php see to that, an application would be asked. */
function closesHidden({ locations }: ServerContext): boolean {
  return locations.some(({ kind, text }) => kind === "regex" && /\/\\\.|\^\|\/\)\\\./.test(text));
}

function paramsOf(run: Run, query: string | undefined): { params?: RouteValue } {
  const params = { ...run.params, ...(query !== undefined && { QUERY_STRING: query }) };
  return Object.keys(params).length > 0 ? { params } : {};
}

function fileRoutes(
  path: string | undefined,
  location: Location,
  { tried }: Content & { readonly kind: "files" },
  context: ServerContext,
): RouteValue[] {
  const { fallback } = tried;
  if (!tried.file && fallback.kind === "script" && !closesHidden(context)) {
    return [
      at(path, { fastcgi: fixedScript(fallback.run, fallback.script, fallback.query, context) }),
    ];
  }
  const folder = path === undefined ? "/" : path.endsWith("/*") ? path.slice(0, -1) : undefined;
  const names = tried.folder && folder !== undefined ? indexNames(location, context) : [];
  const files = names.filter((name) => !isScript(name));
  const index = scriptIndexes(folder ?? "/", names.filter(isScript), context);
  const options = fileOptions(location.scope, context.notes);
  const single = index === undefined ? folderIndexes(location, names, context) : [];
  const php = (run: Run, query: string | undefined, more: RouteValue) =>
    at(path, { php: { upstream: run.upstream, split_path: [], ...more, ...paramsOf(run, query) } });

  const routes: RouteValue[] = [];
  if (folder !== undefined && reachesScripts(folder, location, context)) {
    // nginx would show the source of these.
    routes.push(...respond([path === undefined ? "*.php" : `${path}.php`], 403, ""));
  }
  // One route does for index and front controller, where the order and the query allow it.
  const isFirst = files.length > 0 && names.findIndex(isScript) < names.indexOf(files[0]!);
  const isOne = !isFirst && fallback.kind === "script" && fallback.query === undefined;
  const ownIndex = index && !isOne && php(index.run, undefined, { index: index.names });
  if (ownIndex && isFirst) routes.push(ownIndex);
  if (folder !== undefined) {
    routes.push(...single.filter(({ path }) => `${path}`.startsWith(folder)));
  }
  if (tried.file) routes.push(at(path, { static: { index: files, ...options } }));
  if (ownIndex && !isFirst) routes.push(ownIndex);
  if (fallback.kind === "script") {
    const scripts = isOne ? index?.names ?? [] : [];
    const more = { index: scripts, front_controller: fallback.script };
    routes.push(php(fallback.run, fallback.query, more));
  } else if (path !== undefined || fallback.status !== 404) {
    routes.push(...respond([path], fallback.status, ""));
  }
  return routes;
}

function isScript(name: string): boolean {
  return name.endsWith(".php");
}

function indexNames({ scope }: Location, { notes }: ServerContext): readonly string[] {
  const index = scope.one("index");
  notes.take(index);
  return (index?.args ?? ["index.html"]).filter((name) => !/[/$]/.test(name));
}

/** Of the index scripts those that nginx would run in every folder, and by what. */
function scriptIndexes(
  folder: string,
  names: readonly string[],
  context: ServerContext,
): { readonly names: readonly string[]; readonly run: Run } | undefined {
  let run: Run | undefined;
  const found = names.filter((name) => {
    const runs = [folder, `${folder}${SAMPLE}/`].map((below) => {
      const location = findLocation(context.locations, below + name);
      return location && runOf(location, context);
    });
    if (runs.some((it) => it === undefined)) return false;
    run ??= runs[1];
    return true;
  });
  return run && { names: found, run };
}

/** Folders whose index script runs although those of other folders do not. */
function folderIndexes(
  location: Location,
  names: readonly string[],
  { locations, ...context }: ServerContext,
): RouteValue[] {
  const all = locations.flatMap(({ kind, text, ignoreCase }) =>
    kind === "exact"
      ? [text]
      : kind === "regex"
      ? (patternsOf(text, ignoreCase)?.patterns ?? []).map(({ path }) => path ?? "")
      : []
  );
  const paths = new Set(all.map((path) => path.replace(/\/\*$/, "")));
  return [...paths].flatMap((path) => {
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    const name = path.slice(folder.length);
    if (path.includes("*") || !names.includes(name) || !isScript(name)) return [];
    if (findLocation(locations, folder) !== location) return [];
    const own = findLocation(locations, path);
    const run = own && runOf(own, { locations, ...context });
    if (run === undefined) return [];
    const php = { upstream: run.upstream, index: [name], split_path: [] };
    return [{ path: folder, php: { ...php, ...paramsOf(run, undefined) } }];
  });
}

/** Whether a script's path would be answered here, as a file. */
function reachesScripts(folder: string, location: Location, context: ServerContext): boolean {
  return findLocation(context.locations, `${folder}${SAMPLE}/${SAMPLE}.php`) === location ||
    findLocation(context.locations, `${folder}${SAMPLE}.php`) === location;
}
