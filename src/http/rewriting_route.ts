/** A route that rewrites, and what becomes of the request then; `rewrite.ts` makes the new path. */
import type { RouteOptions, SiteOptions } from "./options.ts";
import { ownResponse } from "./own_responses.ts";
import type { RequestContext, RewritePart } from "./request_context.ts";
import { compileRewrite, guardsAgainst, REWRITE_LOOP, REWRITES_MAX } from "./rewrite.ts";
import type { RouteHandler } from "./route_handler.ts";
import type { SiteRouter } from "./site_router.ts";
import type { HttpRequest } from "../runtime/http_request.ts";
import type { HttpResponse } from "../runtime/http_response.ts";

export interface RewritingDeps {
  readonly site: SiteOptions;
  readonly index: number;
  /** The route's handler; undefined where the request is for others. */
  readonly handler: RouteHandler | undefined;
  readonly router: () => Pick<SiteRouter<unknown>, "next">;
  /** Asks the routes of the site behind the place `after`. */
  readonly ask: (
    request: HttpRequest,
    context: RequestContext,
    after: number,
  ) => HttpResponse | Promise<HttpResponse>;
  /** Hears the new path. */
  readonly onRewrite: ((index: number, path: string) => void) | undefined;
}

export function rewritingHandler(route: RouteOptions, deps: RewritingDeps): RouteHandler {
  const { site, index, handler, ask, onRewrite } = deps;
  const options = route.rewrite!;
  const rewrite = compileRewrite(
    options,
    { pattern: route.path, maps: site.maps },
    site.keepsBytes,
  );
  return (request, context) => {
    const before = context.rewrites;
    if (!options.repeat && before?.by.has(index)) {
      return handler === undefined ? undefined : handler(request, context);
    }
    const refuse = (own: typeof REWRITE_LOOP) =>
      ownResponse(context, request.headers.get("accept"), own);
    const count = (before?.count ?? 0) + 1;
    if (count > REWRITES_MAX) return refuse(REWRITE_LOOP);
    const target = rewrite(context, request.headers);
    if (!("kind" in target)) return refuse(target);
    const part: RewritePart = context;
    part.matchedPath = context.target.path;
    part.target = target;
    part.rewrites = { count, by: new Set([...before?.by ?? [], index]) };
    if (options.internal) part.reachesInternal = true;
    onRewrite?.(index, target.path);
    if (handler !== undefined && !isGuarded(route, request, context, deps)) {
      const response = handler(request, context);
      if (response !== undefined) return response;
      part.matchedPath = undefined;
      return ask(request, context, index);
    }
    part.matchedPath = undefined;
    return ask(request, context, -1);
  };
}

/** Whether the new path is one that another route would keep from this one. */
function isGuarded(
  route: RouteOptions,
  request: HttpRequest,
  context: RequestContext,
  { site: { routes, root }, index, router }: RewritingDeps,
): boolean {
  // One file that the configuration names, in a directory of its own: no rule is about its path.
  if (route.root !== undefined && route.root !== root && !route.rewrite!.to.includes("${")) {
    return false;
  }
  const table = router();
  for (let at = table.next(context, request.headers, -1); at >= 0;) {
    if (at === index) return false;
    const other = routes[at]!;
    if (guardsAgainst(other, route)) return true;
    if (!PASSES_ON.has(other.handler.kind) && other.rewrite === undefined) return false;
    at = table.next(context, request.headers, at);
  }
  return false;
}

const PASSES_ON: ReadonlySet<string> = new Set(["php", "static", "filter"]);
