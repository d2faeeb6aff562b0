/** One `server` block → one site. */
import { bodyLimits, bodyMaxOf } from "./body_limits.ts";
import { ClosedDirectories } from "./closed_directories.ts";
import { absolute } from "./file_place.ts";
import { inOrder, type Location, locationsOf, type OrderedLocation } from "./locations.ts";
import { locationRoutes } from "./location_routes.ts";
import type { ValueTables } from "./maps.ts";
import { guardedPlaces } from "./neighbour_paths.ts";
import { type Notes, placeOf } from "../import/notes.ts";
import { type Directive, flatten } from "./parser.ts";
import { responseOptions, siteOptions } from "./response_options.ts";
import type { Case } from "./rewrite_phase.ts";
import { RouteList } from "./route_list.ts";
import { Scope } from "./scope.ts";
import type { RouteValue } from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";
import { guardOfAll } from "./server_guards.ts";
import { portValue, schemesOf } from "./server_port.ts";
import { serverRules } from "./server_rules.ts";
import { respond } from "./step_routes.ts";
import { tlsOptions } from "./tls_options.ts";
import type { Upstreams } from "./upstreams.ts";
import { usedVariables } from "./used_variables.ts";
import { toConstant } from "./variables.ts";
import type { SiteDeps } from "../import/yaml_writer.ts";

export interface ServerParts {
  readonly notes: Notes;
  readonly upstreams: Upstreams;
  readonly tables: ValueTables;
  readonly isFile: (path: string) => boolean;
  readonly isDirectory: (path: string) => boolean;
  /** Most bytes of a body, of the whole file. */
  readonly bodyMax: number;
  /** What closes the site for a reason that lies outside of it; told already. */
  readonly closedBy?: Directive | undefined;
}

/** Without hosts and listeners, which are the file's (`translate.ts`). */
export function siteOf(server: Directive, outer: Scope, parts: ServerParts): SiteDeps {
  const { notes, upstreams, tables, isFile, bodyMax: outerMax, closedBy } = parts;
  const scope = new Scope(server.block ?? [], outer);
  const explicit = locationsOf(scope);
  const locations = explicit.some(({ kind, text }) => text === "/" && kind !== "exact")
    ? explicit
    : [...explicit, everythingElse(server, scope)];
  const names = scope.own("server_name").flatMap(({ args }) => args);
  const fixed = {
    root: undefined,
    serverName: names[0] ?? "",
    tables,
    port: portValue(scope),
    schemes: schemesOf(scope),
  };
  const directive = rootOf(scope, locations);
  const root = directive && absolute(toConstant(directive.args[0] ?? "", {
    ...fixed,
    set: constantsOf(scope, fixed),
  }));
  notes.take(server);
  const hasRoot = root !== undefined && parts.isDirectory(root);
  if (hasRoot) notes.take(directive);
  // Where no location hides them, the server's headers are the site's.
  const isShared = locations.every((it) => it.scope.own("add_header").length === 0);
  const context: ServerContext = {
    notes,
    upstreams,
    locations,
    root,
    siteRoot: hasRoot ? root : undefined,
    bodyMax: bodyMaxOf(scope, notes),
    values: { ...fixed, root },
    rootDirective: directive,
    isFile,
    isDirectory: parts.isDirectory,
    isUsed: usedVariables(server),
    hasOwnHeaders: !isShared,
    cases: 1,
    hasInternal: locations.some((it) => it.scope.own("internal").length > 0),
    namesHidden: flatten(server.block ?? []).some(({ name }) =>
      /^(?:proxy_pass|return|rewrite|if)$/.test(name)
    ),
  };
  const comment = `${placeOf(server)}: server ${names.join(" ")}`.trimEnd();
  const list = new RouteList();
  const closed = closedBy ?? guardOfAll(scope, notes, isFile);
  if (closed === undefined) addRoutes(scope, context, list);
  else {
    // Nothing in it has a meaning any more.
    notes.take(...flatten(scope.directives));
    list.add(closed, respond([undefined], 403, ""));
  }
  const site = {
    ...(hasRoot && { root }),
    ...tlsOptions(scope, { notes, isFile }),
    ...siteOptions(scope, { notes, root: context.siteRoot, isFile, locations }),
    ...(isShared && responseOptions(scope, notes, context.values)),
    ...bodyLimits(context.bodyMax, outerMax),
  };
  return { site: { comment, value: site }, routes: list.parts };
}

/** What nginx does where no location matches: files. */
function everythingElse(directive: Directive, outer: Scope): Location {
  const scope = new Scope(outer.own("try_files"), outer);
  return { kind: "prefix", text: "/", ignoreCase: false, directive, scope, within: undefined };
}

/** The server's, else that of the first location that has one. */
function rootOf(scope: Scope, locations: readonly Location[]): Directive | undefined {
  return scope.one("root") ?? locations.flatMap((it) => it.scope.own("root"))[0];
}

/** What `set` says of variables for every request. */
function constantsOf(
  scope: Scope,
  values: Parameters<typeof toConstant>[1],
): ReadonlyMap<string, string | undefined> {
  const constants = new Map<string, string | undefined>();
  for (const { args: [name = "", text = ""] } of scope.own("set")) {
    constants.set(name.replace(/^\$/, ""), toConstant(text, { ...values, set: constants }));
  }
  return constants;
}

function addRoutes(scope: Scope, context: ServerContext, list: RouteList): void {
  const { routes, cases } = serverRules(scope, context);
  for (const { directive, route } of routes) list.add(directive, [route]);
  if (cases.length === 0) {
    context.notes.take(...flatten(scope.directives));
    return;
  }
  closeLineFeeds(context, list);
  const closedDirectories = new ClosedDirectories();
  const inCases = { ...context, cases: cases.length };
  for (const ordered of inOrder(context.locations)) {
    addLocation(ordered, cases, inCases, closedDirectories, list);
    if (!list.isOpen) break;
  }
  for (const { kind, directive, text } of context.locations) {
    if (kind !== "named" || context.notes.isTaken(directive)) continue;
    context.notes.take(...flatten(directive.block ?? []));
    context.notes.add("unneeded", directive, `nothing leads to ${text}`);
  }
  if (!list.isOpen) context.notes.take(...flatten(scope.own("location")));
}

/**
 * PCRE's `$` stands before a line feed at the text's end as well, so nginx's locations match names with
 * one behind it. Here they would be other names, which somebody else might take.
 */
function closeLineFeeds({ locations }: ServerContext, list: RouteList): void {
  const ending = locations.find(({ kind, text }) => kind === "regex" && text.includes("$"));
  if (ending) list.add(ending.directive, respond(["~ \\n"], 404, ""));
}

function addLocation(
  ordered: OrderedLocation,
  cases: readonly Case[],
  context: ServerContext,
  closedDirectories: ClosedDirectories,
  list: RouteList,
): void {
  const { location, location: { directive } } = ordered;
  const { notes } = context;
  if (isForQuestions(location, context)) {
    // `forward_auth` asks by itself, and clients do not get there.
    notes.take(directive, ...flatten(directive.block ?? []));
    list.add(directive, respond([location.text], 404, ""));
    return;
  }
  const said = locationRoutes(ordered, cases, context);
  if (said === undefined) {
    notes.add("refused", directive, "no expression says its paths, so nothing behind it is open");
    list.add(directive, respond([undefined], 403, ""));
    return;
  }
  const { paths, routes, restricts } = said;
  if (paths.difference === "wider") {
    notes.add(
      "refused",
      directive,
      "no expression says its paths; refused is all that might be meant",
    );
  } else if (paths.difference === "narrower") {
    notes.add("differs", directive, "it takes fewer paths than in nginx");
  }
  if (restricts) closedDirectories.note(paths.paths);
  const around: RouteValue[] = guardedPlaces(ordered, routes, closedDirectories, context);
  list.add(directive, [...around, ...routes].map((route) => closedDirectories.guard(route)));
}

/** Whether it is what `auth_request` asks, and nothing else. */
function isForQuestions(location: Location, { locations }: ServerContext): boolean {
  const { kind, text, scope } = location;
  if (kind !== "exact" || scope.own("internal").length === 0) return false;
  return scope.own("proxy_pass").length > 0 &&
    locations.some((it) => it.scope.one("auth_request")?.args[0]?.split("?")[0] === text);
}
