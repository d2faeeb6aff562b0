/**
 * What a site's options put around its routes' handlers: middleware before them, and the rules that
 * the route which answers leaves with the request. A site without rules leaves none.
 */
import type { Handler } from "hono";
import type { ResponseOptions } from "./response_options.ts";
import { ResponseRules } from "./response_rules.ts";
import type { GatewayEnv, ResponsePart } from "./request_context.ts";
import type { RouteOptions, SiteOptions } from "./options.ts";
import { sourceNames } from "./passing.ts";
import { compileMiddleware } from "./route_middleware.ts";
import type { SiteDeps } from "./site_deps.ts";

export function hasRules({ responses, routes }: SiteOptions): boolean {
  return responses !== undefined || routes.some((route) => route.responses !== undefined);
}

/** What a route's options put before its handler; nothing where there are none. */
export function beforeHandler(
  route: RouteOptions,
  site: SiteOptions,
  deps: SiteDeps,
): Handler<GatewayEnv>[] {
  const list = compileMiddleware(route.middleware ?? {}, deps);
  if (!hasRules(site)) return list;
  const rules = compileRules(route.responses, route.path, site, deps);
  // Also for a route without: one before it that passed on has left its own.
  const leaveRules: Handler<GatewayEnv> = (c, next) => {
    const part: ResponsePart = c.env;
    part.rules = rules;
    return next() as Promise<never>;
  };
  return [leaveRules, ...list];
}

/** `pattern` is the route's `path`. */
export function compileRules(
  options: ResponseOptions | undefined,
  pattern: string | undefined,
  { root, symlinkTargets, routes, maps }: SiteOptions,
  { runtime: { files }, onError }: Pick<SiteDeps, "runtime" | "onError">,
): ResponseRules | undefined {
  if (options === undefined) return undefined;
  const never = sourceNames(routes);
  const scope = { pattern, maps };
  return new ResponseRules(options, scope, { files, root, symlinkTargets, never, onError });
}
