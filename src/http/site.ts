/**
 * A site as a Hono app: its routes compiled once, with a handler each. Where nothing of Hono's is
 * wanted, the handlers are called without it.
 */
import { type Handler, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import type { H, RouterRoute } from "hono/types";
import type { CompressionOptions } from "../compression/options.ts";
import { FileError } from "../runtime/file_error.ts";
import { ownResponse, responseForError } from "./own_responses.ts";
import type { Authorizer } from "./authorize.ts";
import type {
  ForwardedPart,
  GatewayEnv,
  RequestContext,
  ResponsePart,
  RewritePart,
  RoutingPart,
} from "./request_context.ts";
import type { Handover } from "./handover.ts";
import { forHono, keepOddStatus } from "./odd_status.ts";
import type { RouteOptions, SiteOptions } from "./options.ts";
import { responseToUnmatched } from "./passing.ts";
import type { RouteHandler } from "./route_handler.ts";
import {
  compileAuthorizer,
  compileForwardAuth,
  compileHandler,
  type HandlerDeps,
} from "./route_handlers.ts";
import { middlewareRefusal } from "./route_middleware.ts";
import { ResponseCompressor } from "./response_compressor.ts";
import { namedFiles } from "./sendfile.ts";
import type { RouteWatch, SiteDeps } from "./site_deps.ts";
import type { ConditionScope } from "./route_conditions.ts";
import { routeKey, SiteRouter } from "./site_router.ts";
import { rewritingHandler } from "./rewriting_route.ts";
import { beforeHandler, compileRules, hasRules } from "./site_rules.ts";
import { compileStatics } from "./static_route.ts";
import type { HttpRequest } from "../runtime/http_request.ts";
import { honoFetch } from "./hono_fetch.ts";

type HonoHandler = Handler<GatewayEnv>;

/** A site's routes as Hono runs them, and those that can be asked without it. */
export interface CompiledSite {
  readonly app: Pick<Hono<GatewayEnv>, "fetch">;
  /**
   * Answers what {@link app} would answer, where nothing of Hono's is needed; else undefined. At 64
   * clients that saves 4 of 30 µs a request.
   */
  readonly direct: RouteHandler;
  /** Whether its responses may have rules. */
  readonly hasRules: boolean;
}

export function compileSite(site: SiteOptions, deps: SiteDeps): CompiledSite {
  const compiled: HonoHandler[][] = [];
  const rules = compileRules(site.responses, undefined, site, deps);
  let internal: Hono<GatewayEnv> | undefined;
  const scopeOf = conditionScope(site, deps);
  const internalApp = () => {
    return internal ??= createApp(new SiteRouter(site.routes, scopeOf), compiled, rules, deps);
  };
  const handover: Handover = {
    clock: deps.runtime.clock,
    sendNamedFile: namedFiles(deps.runtime.files, site.sendfile ?? []),
    localRedirects: site.localRedirects ?? false,
    keepsBytes: site.keepsBytes ?? false,
    fetch: (request, context) => honoFetch(internalApp(), request, context),
  };
  const compressors = new Map<CompressionOptions, ResponseCompressor>();
  const compressor: HandlerDeps["compressor"] = (options) => {
    if (options === undefined) return undefined;
    const known = compressors.get(options) ?? new ResponseCompressor(options, deps.runtime);
    compressors.set(options, known);
    return known;
  };
  const keepsFiles = deps.watch === undefined;
  const { root = "", symlinkTargets } = site;
  const staticDeps = { runtime: deps.runtime, root, symlinkTargets, keepsFiles };
  const statics = compileStatics(site.routes, staticDeps, compressor);
  const shared: HandlerDeps = { ...deps, handover, compressor, statics };
  const plain = site.routes.map((route) => compileHandler(route, site, shared));
  const handlers = site.routes.map((route, index) =>
    route.rewrite === undefined ? plain[index]! : rewritingHandler(route, {
      site,
      index,
      handler: route.handler.kind === "rewrite" ? undefined : plain[index],
      router: () => router,
      ask: (request, context, after) => askFrom(request, context, after),
      onRewrite: deps.watch?.onRewrite,
    })
  );
  site.routes.forEach((route, index) => {
    const handler = behindAuthorizers(route, handlers[index]!, site, shared);
    compiled.push(watched([...beforeHandler(route, site, deps), handler], index, deps.watch));
  });
  const router = new SiteRouter<[H, RouterRoute]>(
    site.routes.map(asClientsMeetIt),
    scopeOf,
  );
  const forClients = compiled.map((handlers, index) =>
    site.routes[index]!.internal ? watched([denyClient], index, deps.watch) : handlers
  );
  let hono: Hono<GatewayEnv> | undefined;
  // Most sites never need it, and a thousand of them take a third of the time of a start.
  const app: CompiledSite["app"] = {
    fetch: (request, context) => {
      hono ??= createApp(router, forClients, rules, deps);
      return hono.fetch(request, context);
    },
  };
  // A watched site shows each step, so it has to take each.
  const directs = deps.watch === undefined
    ? site.routes.map((route, index) => compileDirect(route, handlers[index]!, site, deps))
    : [];
  const direct = compileDirects(router, directs);
  return {
    app,
    direct: (request, context) => direct(request, context, -1),
    hasRules: hasRules(site),
  };

  function askFrom(request: HttpRequest, context: RequestContext, after: number) {
    const part: RewritePart = context;
    part.goesOnBehind = after;
    const response = direct(request, context, after);
    if (response !== undefined) return response;
    return honoFetch(context.reachesInternal ? internalApp() : app, request, context);
  }
}

/** Where the conditions of a route look for files and maps. */
function conditionScope(site: SiteOptions, { runtime }: SiteDeps) {
  return ({ path: pattern, root = site.root, stripPrefix }: RouteOptions): ConditionScope => ({
    pattern,
    maps: site.maps,
    stripPrefix,
    ...(root !== undefined && {
      tree: { files: runtime.files, root, symlinkTargets: site.symlinkTargets },
    }),
  });
}

/** As a handler of the routes behind the place `after`. */
type DirectRoutes = (
  request: HttpRequest,
  context: RequestContext,
  after: number,
) => ReturnType<RouteHandler>;

/** The routes that match, one after the other, up to the first that answers or wants Hono. */
function compileDirects(
  router: Pick<SiteRouter<unknown>, "next">,
  directs: readonly (RouteHandler | undefined)[],
): DirectRoutes {
  return (request, context, after) => {
    for (let index = after;;) {
      index = router.next(context, request.headers, index);
      const direct = directs[index];
      if (direct === undefined) return undefined;
      const result = direct(request, context);
      if (result !== undefined) return result;
    }
  };
}

/**
 * The route's handler with its rules, where that is all there is. A route with an authorizer is
 * Hono's: were it to pass a request on, Hono would ask again.
 */
function compileDirect(
  { path: pattern, middleware, authorize, forwardAuth, internal, responses }: RouteOptions,
  handler: RouteHandler,
  site: SiteOptions,
  deps: SiteDeps,
): RouteHandler | undefined {
  if (middleware !== undefined || authorize !== undefined || internal) return undefined;
  if (forwardAuth !== undefined) return undefined;
  if (!hasRules(site)) return handler;
  const rules = compileRules(responses, pattern, site, deps);
  return (request, context) => {
    const part: ResponsePart = context;
    part.rules = rules;
    return handler(request, context);
  };
}

/** What a route does, behind whoever is asked before; an HTTP server first, which may add fields. */
function behindAuthorizers(
  route: RouteOptions,
  handler: RouteHandler,
  site: SiteOptions,
  deps: HandlerDeps,
): HonoHandler {
  const { authorize, forwardAuth } = route;
  const ask = forwardAuth && compileForwardAuth(forwardAuth, deps);
  const plain = asHono(handler);
  const authorized = authorize === undefined
    ? plain
    : behind(compileAuthorizer(authorize, route, site, deps), plain);
  if (ask === undefined) return authorized;
  return async (c, next) => {
    const verdict = await ask(c.req.raw, c.env);
    if ("response" in verdict) return keepOddStatus(c.env, verdict.response);
    const part: ForwardedPart = c.env;
    part.forwarded = verdict.request;
    return await authorized(c, next);
  };
}

function asHono(handler: RouteHandler): HonoHandler {
  return (c, next) => {
    const result = handler(c.env.forwarded ?? c.req.raw, c.env);
    if (result === undefined) return next() as Promise<never>;
    return result instanceof Promise
      ? result.then((settled) => forHono(c.env, settled))
      : forHono(c.env, result);
  };
}

function behind(authorizer: Authorizer, handler: HonoHandler): HonoHandler {
  return async (c, next) => {
    const refusal = await authorizer(c.env.forwarded ?? c.req.raw, c.env);
    return refusal === undefined ? await handler(c, next) : keepOddStatus(c.env, refusal);
  };
}

/** An internal route takes clients' requests of every method: no later route shall show its files. */
function asClientsMeetIt(route: RouteOptions): RouteOptions {
  return route.internal ? { ...route, methods: undefined } : route;
}

/** As if there were no route at all, and none behind it. */
function denyClient(c: Parameters<HonoHandler>[0]): Response | Promise<Response> {
  const part: RoutingPart = c.env;
  part.passed = { status: 404, code: "no_such_route" };
  return c.notFound();
}

/** The routes that `router` reaches, as Hono runs them. */
function createApp(
  router: SiteRouter<[H, RouterRoute]>,
  handlers: readonly (readonly HonoHandler[])[],
  rules: ResponsePart["rules"],
  deps: SiteDeps,
): Hono<GatewayEnv> {
  const app = new Hono<GatewayEnv>({
    router,
    getPath: ({ headers }, options) => router.ask(options?.env as RequestContext, headers),
  });
  handlers.forEach((list, index) => {
    for (const handler of list) app.all(routeKey(index), handler);
  });
  app.notFound((c) => {
    const context = c.env;
    const part: ResponsePart = context;
    part.rules = rules;
    const accept = c.req.raw.headers.get("accept");
    const allowed = router.allowedMethods(context, c.req.raw.headers);
    return ownResponse(context, accept, responseToUnmatched(context, allowed));
  });
  app.onError((error, c) => {
    const accept = c.req.raw.headers.get("accept");
    if (error instanceof HTTPException) {
      const { status, headers } = error.getResponse();
      return ownResponse(c.env, accept, middlewareRefusal(status, headers));
    }
    deps.onError(error, c.env);
    return ownResponse(
      c.env,
      accept,
      error instanceof FileError
        ? responseForError(error)
        : { status: 500, code: "internal_error" },
    );
  });
  return app;
}

/** Decided here, so that a route which nobody watches is called directly. */
function watched(
  handlers: HonoHandler[],
  index: number,
  watch: RouteWatch | undefined,
): HonoHandler[] {
  if (watch === undefined) return handlers;
  const last = handlers.pop()!;
  return [
    (_c, next) => {
      watch.onRoute(index);
      return next() as Promise<never>;
    },
    ...handlers,
    (c, next) =>
      last(c, () => {
        watch.onPass(index);
        return next();
      }),
  ];
}
