/** One `server` block → one site. */
import { accessTo } from "./access.ts";
import { type Content, contentOf, readReturn } from "./content.ts";
import { bodyLimits, bodyMaxOf } from "./body_limits.ts";
import { responseOptions, siteOptions } from "./response_options.ts";
import { ClosedDirectories } from "./closed_directories.ts";
import { pathsOf } from "./location_paths.ts";
import { respond, routesOf } from "./location_routes.ts";
import {
  findLocation,
  inOrder,
  type Location,
  locationsOf,
  type OrderedLocation,
} from "./locations.ts";
import { type Notes, placeOf, textOf } from "../import/notes.ts";
import { type Directive, flatten } from "./parser.ts";
import { Scope } from "./scope.ts";
import { guardOfAll } from "./server_guards.ts";
import { tlsOptions } from "./tls_options.ts";
import type { RouteValue } from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";
import type { Upstreams } from "./upstreams.ts";
import type { Part, SiteDeps } from "../import/yaml_writer.ts";

export interface ServerParts {
  readonly notes: Notes;
  readonly upstreams: Upstreams;
  readonly isFile: (path: string) => boolean;
  /** Most bytes of a body, of the whole file. */
  readonly bodyMax: number;
  /** What closes the site for a reason that lies outside of it; told already. */
  readonly closedBy?: Directive | undefined;
  /** Listeners that it is for; undefined: every one of the file. */
  readonly listen?: readonly string[] | undefined;
}

/** `hosts` is undefined for the site of every host. */
export function siteOf(
  server: Directive,
  outer: Scope,
  hosts: readonly string[] | undefined,
  { notes, upstreams, isFile, bodyMax: outerMax, closedBy, listen }: ServerParts,
): SiteDeps {
  const scope = new Scope(server.block ?? [], outer);
  const explicit = locationsOf(scope);
  const locations = explicit.some(({ kind, text }) => text === "/" && kind !== "exact")
    ? explicit
    : [...explicit, everythingElse(server, scope)];
  const root = rootOf(scope, locations);
  notes.take(server, root);
  const path = root?.args[0];
  const names = scope.own("server_name").flatMap(({ args }) => args);
  const context = {
    notes,
    upstreams,
    locations,
    root: path,
    bodyMax: bodyMaxOf(scope, notes),
    values: { root: path, serverName: names[0] ?? "" },
  };
  const comment = `${placeOf(server)}: server ${names.join(" ")}`.trimEnd();
  // Where no location hides them, the server's headers are the site's.
  const isShared = locations.every((it) => it.scope.own("add_header").length === 0);
  const site = {
    ...(hosts && { hosts }),
    ...(listen && { listen }),
    ...(path !== undefined && { root: path }),
    ...tlsOptions(scope, { notes, isFile }),
    ...siteOptions(scope, { notes, root: path, isFile }),
    ...(isShared && responseOptions(scope, notes)),
    ...bodyLimits(context.bodyMax, outerMax),
  };
  const routes = routesOfServer(scope, { ...context, hasOwnHeaders: !isShared }, isFile, closedBy);
  return { site: { comment, value: site }, routes };
}

/** What nginx does where no location matches: files. */
function everythingElse(directive: Directive, outer: Scope): Location {
  const own = outer.own("try_files", "rewrite", "if").filter(isAboutFiles);
  const scope = new Scope(own, outer);
  return { kind: "prefix", text: "/", ignoreCase: false, directive, scope, within: undefined };
}

function isAboutFiles({ name, args }: Directive): boolean {
  return name === "try_files" || (name === "if" && /^\(!-[ef]$/.test(args[0] ?? ""));
}

/** The server's, else that of the first location that has one. */
function rootOf(scope: Scope, locations: readonly Location[]): Directive | undefined {
  const root = scope.one("root") ?? locations.flatMap((it) => it.scope.own("root"))[0];
  return root?.args[0]?.includes("$") ? undefined : root;
}

function routesOfServer(
  scope: Scope,
  context: ServerContext,
  isFile: (path: string) => boolean,
  closedBy: Directive | undefined,
): Part[] {
  const parts: Part[] = [];
  const taken = new Set<string>();
  const add = (directive: Directive, routes: readonly RouteValue[]): boolean => {
    let comment = `${placeOf(directive)}: ${textOf(directive)}`;
    for (const value of routes) {
      // A route that an earlier one leaves nothing to is an error of the file.
      const { path, methods: _none, ...handler } = value as { path?: string; methods?: unknown };
      if (coveredBy(taken, path)) continue;
      parts.push({ comment, value });
      comment = "";
      if (!("static" in handler) && !("php" in handler)) taken.add(path ?? "");
    }
    return !taken.has("");
  };
  const closed = closedBy ?? guardOfAll(scope, context.notes, isFile) ??
    refusalOfAll(scope, context);
  if (closed !== undefined) {
    // Nothing in it has a meaning any more.
    context.notes.take(...flatten(scope.directives));
    add(closed, respond([undefined], 403, ""));
    return parts;
  }
  const [returned] = scope.own("return");
  if (returned !== undefined) {
    const content = readReturn(returned, context);
    if (content?.kind === "redirect" || content?.kind === "respond") {
      context.notes.take(...flatten(scope.directives));
      add(returned, contentRoutes(content));
      return parts;
    }
  }
  const closedDirectories = new ClosedDirectories();
  for (const ordered of inOrder(context.locations)) {
    const isOpen = addLocation(ordered, context, closedDirectories, add);
    if (!isOpen) break;
  }
  return parts;
}

/** Whether a location runs a script for paths that do not end with a script's name. */
function runsOtherPaths(context: ServerContext): (location: Location) => boolean {
  return (location) => {
    if (location.kind === "named" || location.kind === "exact") return false;
    const content = contentOf(location, context);
    if (content.kind === "files") return content.tried.fallback.kind === "script";
    const isByName = location.kind === "regex" && location.text.endsWith("\\.php$");
    return content.kind === "run" && !isByName;
  };
}

function contentRoutes(content: Content): RouteValue[] {
  if (content.kind === "respond") return respond([undefined], content.status, content.body);
  if (content.kind !== "redirect") return [];
  return [{ redirect: { to: content.to, status: content.status } }];
}

type AddRoutes = (directive: Directive, routes: readonly RouteValue[]) => boolean;

function addLocation(
  ordered: OrderedLocation,
  context: ServerContext,
  closedDirectories: ClosedDirectories,
  add: AddRoutes,
): boolean {
  const { location } = ordered;
  const { notes } = context;
  const { directive } = location;
  const content = contentOf(location, context);
  const access = accessTo(location, context);
  if (content.kind === "refused") notes.add("refused", content.directive, content.reason);
  notes.take(directive);
  const restricts = access.kind !== "open" || isRefusal(content);
  const paths = pathsOf(ordered, restricts);
  if (paths === undefined) {
    if (
      !restricts && content.kind === "files" && !context.locations.some(runsOtherPaths(context))
    ) {
      // Of what others run, nginx runs none here.
      notes.add("refused", directive, "no pattern says its paths; no script of them runs");
      return add(directive, respond([`${ordered.below ?? ""}*.php`], 403, ""));
    }
    notes.add("refused", directive, "no pattern says its paths, so nothing behind it is open");
    return add(directive, respond([undefined], 403, ""));
  }
  if (paths.difference === "wider") {
    notes.add(
      "refused",
      directive,
      "no pattern says its paths; refused is all that might be meant",
    );
  } else if (paths.difference === "narrower") {
    notes.add("differs", directive, "it takes fewer paths than in nginx");
  }
  if (restricts) closedDirectories.note(paths.paths);
  const intercept = location.scope.own("fastcgi_intercept_errors").at(-1);
  notes.take(intercept);
  const options = {
    ...(context.hasOwnHeaders && responseOptions(location.scope, notes)),
    ...(intercept?.args[0] === "on" && { intercept_errors: true }),
  };
  const routes = [
    ...(content.kind === "files" ? respond(paths.scripts ?? [], 403, "") : []),
    ...bareDirectory(ordered, context),
    ...guardedDirectories(ordered, content, closedDirectories, context),
    ...routesOf(location, content, access, paths, context),
  ];
  return add(directive, routes.map((route) => ({ ...closedDirectories.guard(route), ...options })));
}

/** A pattern of `/x/` takes `/x` as well, which may be another's to refuse. */
function bareDirectory({ location }: OrderedLocation, context: ServerContext): RouteValue[] {
  const { kind, text } = location;
  if ((kind !== "prefix" && kind !== "strong") || !/.\/$/.test(text)) return [];
  const path = text.slice(0, -1);
  const other = findLocation(context.locations, path);
  if (other === undefined || other === location) return [];
  const restricts = accessTo(other, context).kind !== "open" ||
    isRefusal(contentOf(other, context));
  return restricts ? respond([path], 403, "") : [];
}

/** Where scripts are refused no index runs either; for directories that `no_scripts` cannot say. */
function guardedDirectories(
  { location }: OrderedLocation,
  content: Content,
  closedDirectories: ClosedDirectories,
  context: ServerContext,
): RouteValue[] {
  if (content.kind !== "files" || !content.tried.directory) return [];
  if (location.kind !== "prefix" && location.kind !== "strong") return [];
  const below = closedDirectories.below(location.text);
  if (below.length === 0) return [];
  const access = accessTo(location, context);
  return routesOf(location, content, access, { paths: below, hasPathInfo: false }, context);
}

function isRefusal(content: Content): boolean {
  return content.kind === "refused" || (content.kind === "respond" && content.status >= 400);
}

/** Whether every path of a route has been taken for good. */
function coveredBy(taken: ReadonlySet<string>, path: string | undefined): boolean {
  if (taken.has("")) return true;
  if (path === undefined) return false;
  for (const earlier of taken) {
    if (earlier === path) return true;
    const star = earlier.indexOf("*");
    if (star < 0 || path.length < earlier.length - 1) {
      if (earlier.endsWith("/*") && path === earlier.slice(0, -2)) return true;
      continue;
    }
    const suffix = earlier.slice(star + 1);
    if (suffix !== "" && path.endsWith("/*")) continue;
    if (path.startsWith(earlier.slice(0, star)) && path.endsWith(suffix)) return true;
  }
  return false;
}

/** What stands beside the locations and decides before them; what cannot be said closes the site. */
function refusalOfAll(scope: Scope, context: ServerContext): Directive | undefined {
  const { notes } = context;
  for (const directive of scope.own("rewrite", "if", "return")) {
    if (isAboutFiles(directive) || notes.isTaken(directive)) continue;
    if (directive.name === "return" && readReturn(directive, context) !== undefined) continue;
    const inner = directive.block?.filter(({ name }) => name !== "set") ?? [];
    const leadsElsewhere = inner.length > 0 && inner.every(leaves) && isAboutHost(directive);
    const setsOnly = directive.name === "if" && inner.length === 0;
    const isMoved = directive.name === "rewrite" && directive.args.at(-1) === "permanent";
    if (leadsElsewhere || setsOnly || isMoved) {
      notes.add("lost", directive, "it depends on what no route looks at");
      notes.take(...directive.block ?? []);
    } else {
      notes.add("refused", directive, "it decides before all locations, so the site is closed");
      return directive;
    }
  }
  return undefined;
}

/** Whether it asks for the name or the scheme alone, which is no matter of access control. */
function isAboutHost({ args }: Directive): boolean {
  return /^\(\$(?:host|http_host|scheme|https|server_port|http_x_forwarded_proto)$/.test(
    args[0] ?? "",
  );
}

/** Whether all that it does is to send the client elsewhere. */
function leaves({ name, args }: Directive): boolean {
  return (name === "return" && /^(30\d|https?:)/.test(args[0] ?? "")) ||
    (name === "rewrite" && ["redirect", "permanent"].includes(args.at(-1) ?? ""));
}
