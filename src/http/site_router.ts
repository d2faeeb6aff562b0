/**
 * Hono's router for our routes: in the order of the config, the first that matches answers, and one
 * that passes (`next`) leaves the request to the next that matches. Hono's own routers know neither
 * suffixes nor decoded paths.
 *
 * Hono knows a route by its method and path; we register ours under `ALL` and the path that
 * {@link routeKey} makes of its place in the config.
 */
import type { Result, Router } from "hono/router";
import { compilePattern, type RoutePattern } from "../routing/route_pattern.ts";
import type { RouteOptions } from "./options.ts";

/** Under which path a route is registered with Hono. */
export function routeKey(index: number): string {
  return `/${index}`;
}

const HEAD = "HEAD";

/**
 * The path by which a request is matched: its own, with "HEAD" before it where that is the method,
 * because Hono asks its router for GET then.
 */
export function matchedPath(
  { method, target }: { readonly method: string; readonly target: { readonly path: string } },
): string {
  return method === HEAD ? HEAD + target.path : target.path;
}

interface CompiledRoute {
  readonly matches: RoutePattern;
  readonly methods: readonly string[] | undefined;
}

export class SiteRouter<T> implements Router<T> {
  readonly name = "SiteRouter";
  readonly #routes: readonly CompiledRoute[];
  /** For each route what Hono registered: the handler and what stands before it. */
  readonly #handlers: (readonly [T, Record<string, string>])[][];

  constructor(routes: readonly RouteOptions[]) {
    this.#routes = routes.map(({ path, methods }) => ({ matches: compilePattern(path), methods }));
    this.#handlers = routes.map(() => []);
  }

  add(_method: string, path: string, handler: T): void {
    const handlers = this.#handlers[Number(path.slice(1))];
    if (handlers === undefined) throw new RangeError(`Cannot add a route "${path}"`);
    handlers.push([handler, {}]);
  }

  match(asked: string, matchedPath: string): Result<T> {
    const isHeadRequest = !matchedPath.startsWith("/");
    const method = isHeadRequest ? HEAD : asked;
    const path = isHeadRequest ? matchedPath.slice(HEAD.length) : matchedPath;
    const matched: [T, Record<string, string>][] = [];
    for (let index = 0; index < this.#routes.length; index++) {
      const route = this.#routes[index]!;
      if (!takes(route, method, path)) continue;
      for (const [handler, params] of this.#handlers[index]!) matched.push([handler, params]);
    }
    return [matched];
  }

  /** The place of the first route behind `after` that matches; -1 when there is none. */
  next(method: string, path: string, after: number): number {
    for (let index = after + 1; index < this.#routes.length; index++) {
      if (takes(this.#routes[index]!, method, path)) return index;
    }
    return -1;
  }

  /** Methods of the routes that match the path; undefined when there is no such route. */
  allowedMethods(path: string): readonly string[] | undefined {
    const allowed = new Set<string>();
    for (const { matches, methods } of this.#routes) {
      if (!matches(path)) continue;
      for (const method of methods ?? []) allowed.add(method);
    }
    if (allowed.has("GET")) allowed.add("HEAD");
    return allowed.size > 0 ? [...allowed] : undefined;
  }
}

function takes({ matches, methods }: CompiledRoute, method: string, path: string): boolean {
  return matches(path) && (methods === undefined || allows(methods, method));
}

function allows(methods: readonly string[], method: string): boolean {
  return methods.includes(method) || (method === HEAD && methods.includes("GET"));
}
