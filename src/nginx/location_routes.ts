/**
 * A location → routes, in nginx's order: what its rules decide (`rewrite_phase.ts`), then
 * access control (`access.ts`), then what is there. Every route has the location's path and what else its requests
 * have to be.
 */
import { withConditions } from "./conditioned.ts";
import { inOneCase, type Regex, toExpression } from "./expressions.ts";
import type { Fallback, Tried } from "./fallback.ts";
import { fileRoutes, type FilesParts } from "./file_routes.ts";
import {
  guardsSomebody,
  type LocationPlan,
  namesGroups,
  type PlannedCase,
  planOf,
} from "./location_plan.ts";
import { lookAt, pathsOf, type SaidPaths } from "./location_paths.ts";
import type { Location, OrderedLocation } from "./locations.ts";
import type { Directive } from "./parser.ts";
import { proxyRoutes } from "./proxy_routes.ts";
import { responseOptions } from "./response_options.ts";
import type { Case, Step } from "./rewrite_phase.ts";
import { bothOf, isSame } from "./route_conditions.ts";
import { at, type RouteValue, runRoutes } from "./script_routes.ts";
import type { ServerContext } from "./server_context.ts";
import { respond, rewriteTo, stepAt } from "./step_routes.ts";

export interface LocationRoutes {
  readonly paths: SaidPaths;
  readonly routes: readonly RouteValue[];
  /** Whether it keeps somebody out. */
  readonly restricts: boolean;
}

/** Undefined where its paths cannot be said. */
export function locationRoutes(
  ordered: OrderedLocation,
  cases: readonly Case[],
  context: ServerContext,
): LocationRoutes | undefined {
  const { location } = ordered;
  const plan = planOf(location, cases, context);
  const isGuarded = guardsSomebody(plan);
  const paths = pathsOf(ordered, {
    restricts: isGuarded,
    hasRules: plan.phase.steps.length > 0 || plan.cases.some(triesFiles),
    namesGroups: namesGroups(location),
    namesHidden: context.namesHidden,
  });
  if (paths === undefined) return undefined;
  return { paths, routes: routesOf(plan, paths, context), restricts: isGuarded };
}

function routesOf(plan: LocationPlan, said: SaidPaths, context: ServerContext): RouteValue[] {
  const steps = plan.phase.steps.flatMap((step) => stepRoutes(step, plan, said));
  const contents = plan.cases.flatMap((one) => caseRoutes(one, said, context));
  return [...steps, ...contents];
}

/** What is tried before a script is decided by its whole path, as rules are. */
function triesFiles({ content }: PlannedCase): boolean {
  return content.kind === "run" && content.tried !== undefined;
}

/** The routes of one case, each way of access for itself. */
function caseRoutes(one: PlannedCase, said: SaidPaths, context: ServerContext): RouteValue[] {
  const { content, ways, location, conditions } = one;
  const { notes } = context;
  const own = bothOf(said.conditions, conditions);
  if (own === "never") return [];
  if (own === undefined) {
    notes.add("refused", location.directive, "what it depends on cannot be said together");
    return respond(said.paths, 501, "").map((route) => ({ ...route, ...said.conditions }));
  }
  if (content.kind === "refused") {
    return respond(said.paths, 501, "").map((route) => withConditions(route, own));
  }
  // Of one that is internal a client is told that there is nothing.
  const closed = { status: location.scope.all("internal").length > 0 ? 404 : 403 };
  return ways.flatMap(({ conditions: asked, guards }) => {
    const both = bothOf(own, asked);
    if (both === "never") return [];
    const isClosed = guards === "closed" || both === undefined;
    const routes = isClosed
      ? said.paths.map((path) => at(path, { respond: closed }))
      : said.paths.flatMap((path) => placedRoutes(path, one, said, context))
        .map((route) => guarded(route, guards, location.directive, notes));
    return routes.map((route) => withConditions(route, both ?? own));
  });
}

/** What begins like a directory's alias and is not below it is nobody's. */
function placedRoutes(
  path: string | undefined,
  one: PlannedCase,
  said: SaidPaths,
  context: ServerContext,
): RouteValue[] {
  const { isDirectory, keys: { strip_prefix: prefix } } = one.place;
  if (!isDirectory || prefix === undefined) return contentRoutes(path, one, said, context);
  const isBeside = path !== undefined && path.startsWith(prefix) && path[prefix.length] === "*";
  const below = isBeside ? `${prefix}/${path.slice(prefix.length)}` : path;
  return [...contentRoutes(below, one, said, context), ...respond([path], 404, "")];
}

/** A route has guards of its own where it leads to another location that asks for something. */
function guarded(
  route: RouteValue,
  guards: Readonly<Record<string, unknown>>,
  directive: Directive,
  notes: ServerContext["notes"],
): RouteValue {
  const { respond: fixed, path } = route as { respond?: { status: number }; path?: string };
  // Nothing is behind it.
  if (fixed !== undefined && fixed.status >= 400) return route;
  const isOther = Object.entries(guards).some(([key, value]) =>
    route[key] !== undefined && !isSame(route[key], value)
  );
  if (!isOther) return { ...route, ...guards };
  // nginx asks in both locations, and no rule says who may pass both.
  notes.add("refused", directive, "where it leads lets in others");
  return at(path, { respond: { status: 403 } });
}

/** What the location does at one of its paths. */
function contentRoutes(
  path: string | undefined,
  { content, location, place, context: inCase }: PlannedCase,
  { hasPathInfo, scripts }: SaidPaths,
  context: ServerContext,
): RouteValue[] {
  const options = optionsOf(location, inCase);
  const tell = (routes: readonly RouteValue[]) => routes.map((route) => merge(route, options));
  const parts: FilesParts = { location, place, context: inCase, fallbackRoutes };
  switch (content.kind) {
    case "refused":
      return [];
    case "files": {
      const closers = respond(scripts ?? [], 403, "");
      const internal = location.scope.all("internal")[0];
      inCase.notes.take(internal);
      const routes = [...closers, ...fileRoutes(path, content.tried, parts)];
      return tell(internal === undefined ? routes : routes.map(asInternal));
    }
    case "run":
      return tell(
        triedRoutes(
          path,
          content.tried,
          parts,
          (at) => runRoutes(at, hasPathInfo, content.run, inCase),
        ),
      );
    case "pass":
      return tell(
        triedRoutes(
          path,
          content.tried,
          parts,
          (at) => proxyRoutes(at, content.pass, location, inCase),
        ),
      );
  }

  function fallbackRoutes(fallback: Fallback, at: string | undefined): RouteValue[] {
    return fallbackAt(fallback, at, location, inCase, context);
  }
}

function asInternal(route: RouteValue): RouteValue {
  return "respond" in route ? route : { ...route, internal: true };
}

/** What is tried before an application is asked. */
function triedRoutes(
  path: string | undefined,
  tried: Tried | undefined,
  { place, fallbackRoutes }: FilesParts,
  routesAt: (path: string | undefined) => RouteValue[],
): RouteValue[] {
  if (tried === undefined) return routesAt(path);
  const attempts = tried.attempts.flatMap((attempt) => {
    const to = attempt === "file"
      ? "${request.path}"
      : attempt === "directory"
      ? "${request.path}/"
      : attempt.to;
    return routesAt(path).filter((route) => !("respond" in route)).map((route): RouteValue => ({
      ...route,
      ...place.keys,
      exists: to,
      ...(typeof attempt === "object" && { rewrite: to }),
    }));
  });
  return [...attempts, ...fallbackRoutes(tried.fallback, path)];
}

/** What is done where nothing is there. */
function fallbackAt(
  fallback: Fallback,
  path: string | undefined,
  location: Location,
  inCase: ServerContext,
  context: ServerContext,
): RouteValue[] {
  switch (fallback.kind) {
    case "status":
      return respond([path], fallback.status, "");
    case "refused":
      inCase.notes.add("refused", fallback.directive, fallback.reason);
      return respond([path], 501, "");
    case "rewrite":
      return [
        at(path, { rewrite: rewriteTo(fallback.to, false, context) }),
        ...(path === undefined ? [] : respond([path], 404, "")),
      ];
    case "script":
      return [];
    case "named": {
      if (fallback.location === location) return respond([path], 500, "");
      const start: Case = { conditions: {}, set: inCase.values.set ?? new Map(), scope: undefined };
      const plan = planOf(fallback.location, [start], context);
      const said = { paths: [path], hasPathInfo: false, conditions: {}, difference: undefined };
      return routesOf(plan, said, context);
    }
  }
}

/** What `return` and `rewrite` say. */
function stepRoutes(step: Step, plan: LocationPlan, said: SaidPaths): RouteValue[] {
  const { notes } = plan.context;
  const conditions = bothOf(said.conditions, step.conditions);
  if (conditions === "never") return [];
  return said.paths.flatMap((path) => {
    const own = step.path === undefined ? path : pathWithin(step.path, path);
    if ((step.path !== undefined && own === undefined) || conditions === undefined) {
      notes.add("refused", step.directive, "what it depends on cannot be said together");
      return [at(path, { respond: { status: 403 } })];
    }
    const { content } = step;
    const routes = content.kind === "rewrite" && content.isBreak
      ? brokenRoutes(own, content.to, step.directive, plan)
      : stepAt(own, step, plan.location, plan.context);
    const options = optionsOf(plan.location, plan.context);
    return routes.map((route) => "redirect" in route ? merge(route, options) : route)
      .map((route) => withConditions(route, conditions));
  });
}

/** The paths of a route that match an expression, whose groups may be named. */
function pathWithin(regex: Regex, path: string | undefined): string | undefined {
  const look = lookAt(path);
  return look === undefined ? toExpression(regex) : toExpression(inOneCase(regex), [look]);
}

/** A new path that stays the location's own. */
function brokenRoutes(
  path: string | undefined,
  to: string,
  directive: Directive,
  { cases, context }: LocationPlan,
): RouteValue[] {
  const [one] = cases;
  const isSayable = one !== undefined && cases.length === 1 && one.content.kind !== "refused" &&
    one.place.keys.strip_prefix === undefined;
  if (!isSayable) {
    context.notes.add("refused", directive, "what its location does then cannot be said");
    return [at(path, { respond: { status: 501 } })];
  }
  const said = { paths: [path], hasPathInfo: false, conditions: {}, difference: undefined };
  const content = one.content.kind === "pass"
    ? { ...one.content, pass: { ...one.content.pass, uri: undefined } }
    : one.content;
  const routes = caseRoutes({ ...one, content, conditions: {} }, said, context);
  const first = routes.find((route) => !("respond" in route));
  // Others would be asked by the path that was.
  return first === undefined || "rewrite" in first
    ? routes
    : [{ ...first, rewrite: to }, at(path, { respond: { status: 404 } })];
}

/** What the location says of responses. */
function optionsOf(
  location: Location,
  { notes, hasOwnHeaders, values }: ServerContext,
): RouteValue {
  const { scope } = location;
  const intercept = scope.own("fastcgi_intercept_errors", "proxy_intercept_errors").at(-1);
  notes.take(intercept);
  return {
    ...(hasOwnHeaders && responseOptions(scope, notes, values)),
    ...(intercept?.args[0] === "on" && { intercept_errors: true }),
  };
}

/** Rules for headers of both. */
function merge(route: RouteValue, options: RouteValue): RouteValue {
  const { headers } = route as { headers?: Record<string, unknown> };
  const { headers: more } = options as { headers?: Record<string, unknown> };
  if (headers === undefined || more === undefined) return { ...route, ...options };
  return { ...route, ...options, headers: { ...headers, ...more } };
}
