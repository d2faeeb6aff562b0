/**
 * Hono's router for our routes: in the order of the config, the first that matches answers, and one
 * that passes (`next`) leaves the request to the next that matches. Hono's own routers know neither
 * suffixes nor decoded paths.
 *
 * Hono knows a route by its method and path; we register ours under `ALL` and the path that
 * {@link routeKey} makes of its place in the config. It asks for a request's path and matches that
 * at once, so what is matched is the request that it asked for last.
 */
import type { Result, Router } from "hono/router";
import { compilePattern, type RoutePattern } from "../routing/route_pattern.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";
import type { RouteOptions } from "./options.ts";
import type { RequestContext } from "./request_context.ts";
import { indexRoutes, type RouteIndex } from "./route_index.ts";
import {
  compileConditions,
  type CompiledCondition,
  type ConditionScope,
} from "./route_conditions.ts";

/** Under which path a route is registered with Hono. */
export function routeKey(index: number): string {
  return `/${index}`;
}

const HEAD = "HEAD";

interface CompiledRoute {
  readonly matches: RoutePattern;
  readonly methods: readonly string[] | undefined;
  readonly conditions: readonly CompiledCondition[] | undefined;
}

export class SiteRouter<T> implements Router<T> {
  readonly name = "SiteRouter";
  readonly #routes: readonly CompiledRoute[];
  /** For each route what Hono registered: the handler and what stands before it. */
  readonly #handlers: (readonly [T, Record<string, string>])[][];
  readonly #index: RouteIndex | undefined;
  #asked: readonly [RequestContext, HttpHeaders] | undefined;

  /** `scopeOf` says where a route's conditions stand; left out: none looks at files or maps. */
  constructor(
    routes: readonly RouteOptions[],
    scopeOf: (route: RouteOptions) => ConditionScope = () => ({}),
  ) {
    this.#routes = routes.map((route) => ({
      matches: compileMatch(route.path, route.stripPrefix),
      methods: route.methods,
      conditions: compileConditions(route.conditions, scopeOf(route)),
    }));
    this.#handlers = routes.map(() => []);
    this.#index = indexRoutes(routes);
  }

  add(_method: string, path: string, handler: T): void {
    const handlers = this.#handlers[Number(path.slice(1))];
    if (handlers === undefined) throw new RangeError(`Cannot add a route "${path}"`);
    handlers.push([handler, {}]);
  }

  /** The request that is matched next; gives the path that Hono wants to know. */
  ask(context: RequestContext, headers: HttpHeaders): string {
    this.#asked = [context, headers];
    return context.target.path;
  }

  match(): Result<T> {
    const matched: [T, Record<string, string>][] = [];
    const [context, headers] = this.#asked!;
    for (let index = this.next(context, headers, context.goesOnBehind ?? -1); index >= 0;) {
      for (const [handler, params] of this.#handlers[index]!) matched.push([handler, params]);
      index = this.next(context, headers, index);
    }
    return [matched];
  }

  /** The place of the first route behind `after` that matches; -1 when there is none. */
  next(context: RequestContext, headers: HttpHeaders, after: number): number {
    const { method, target: { path } } = context;
    for (let place = this.#first(path, after); place >= 0; place = this.#following(place)) {
      const route = this.#routes[place]!;
      if (!takes(route, method, path)) continue;
      if (route.conditions === undefined || holdAll(route.conditions, context, headers)) {
        return place;
      }
    }
    return -1;
  }

  /** The same for a method and a path alone. */
  nextOf(method: string, path: string, after: number): number {
    for (let place = this.#first(path, after); place >= 0; place = this.#following(place)) {
      if (takes(this.#routes[place]!, method, path)) return place;
    }
    return -1;
  }

  /** Methods of the routes that match but for theirs; undefined when there is no such route. */
  allowedMethods(context: RequestContext, headers: HttpHeaders): readonly string[] | undefined {
    const allowed = new Set<string>();
    const { path } = context.target;
    for (let place = this.#first(path, -1); place >= 0; place = this.#following(place)) {
      const { matches, methods, conditions } = this.#routes[place]!;
      if (methods === undefined || !matches(path)) continue;
      if (conditions !== undefined && !holdAll(conditions, context, headers)) continue;
      for (const method of methods) allowed.add(method);
    }
    if (allowed.has("GET")) allowed.add("HEAD");
    return allowed.size > 0 ? [...allowed] : undefined;
  }

  /** The first of the routes behind `after` that the path may have; -1 where there is none. */
  #first(path: string, after: number): number {
    this.#index?.begin(path, after);
    return this.#following(after);
  }

  #following(place: number): number {
    if (this.#index !== undefined) return this.#index.next();
    return place + 1 < this.#routes.length ? place + 1 : -1;
  }
}

/** Whether the path is the route's. */
export function compileMatch(
  pattern: string | undefined,
  stripPrefix: string | undefined,
): RoutePattern {
  const matches = compilePattern(pattern);
  if (stripPrefix === undefined || pattern === `${stripPrefix}/*`) return matches;
  const isBelow = compilePattern(`${stripPrefix}/*`);
  return (path) => isBelow(path) && matches(path);
}

function takes({ matches, methods }: CompiledRoute, method: string, path: string): boolean {
  return matches(path) && (methods === undefined || allows(methods, method));
}

function holdAll(
  conditions: readonly CompiledCondition[],
  context: RequestContext,
  headers: HttpHeaders,
): boolean {
  for (const { holds } of conditions) if (!holds(context, headers)) return false;
  return true;
}

function allows(methods: readonly string[], method: string): boolean {
  return methods.includes(method) || (method === HEAD && methods.includes("GET"));
}
