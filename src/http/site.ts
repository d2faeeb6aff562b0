/**
 * A site as a Hono app: its routes compiled once, with a handler each. Where nothing of Hono's is
 * wanted, the handlers are called without it.
 */
import { type Handler, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import type { H, RouterRoute } from "hono/types";
import type { CompressionOptions } from "../compression/options.ts";
import { FileError } from "../runtime/file_error.ts";
import { asResponse } from "../runtime/http_answer.ts";
import { answerForFault, ownResponse } from "./answers.ts";
import type { Authorizer } from "./authorize.ts";
import type { FrontEnv, FrontRequest } from "./front_request.ts";
import type { Handover } from "./handover.ts";
import { keepOddStatus } from "./odd_status.ts";
import type { RouteOptions, SiteOptions } from "./options.ts";
import { answerToUnanswered } from "./passing.ts";
import type { RouteHandler } from "./route_handler.ts";
import { compileAuthorizer, compileHandler, type HandlerParts } from "./route_handlers.ts";
import { middlewareRefusal } from "./route_middleware.ts";
import { ResponseCompressor } from "./response_compressor.ts";
import { namedFiles } from "./sendfile.ts";
import type { RouteWatch, SiteParts } from "./site_parts.ts";
import { matchedPath, routeKey, SiteRouter } from "./site_router.ts";
import { beforeHandler, compileRules, hasRules } from "./site_rules.ts";
import { compileStatics } from "./static_route.ts";

type HonoHandler = Handler<FrontEnv>;

/** A site's routes as Hono runs them, and those that can be asked without it. */
export interface CompiledSite {
  readonly app: Hono<FrontEnv>;
  /**
   * Answers what {@link app} would answer, where nothing of Hono's is needed; else undefined. At 64
   * clients that saves 4 of 30 µs a request.
   */
  readonly direct: RouteHandler;
  /** Whether its answers may have rules. */
  readonly hasRules: boolean;
}

export function compileSite(site: SiteOptions, parts: SiteParts): CompiledSite {
  const compiled: HonoHandler[][] = [];
  let internal: Hono<FrontEnv> | undefined;
  const handover: Handover = {
    clock: parts.runtime.clock,
    sendNamedFile: namedFiles(parts.runtime.files, site.sendfile ?? []),
    localRedirects: site.localRedirects ?? false,
    fetch: (request, front) => {
      internal ??= createApp(site, new SiteRouter(site.routes), compiled, parts);
      return internal.fetch(request, front);
    },
  };
  const compressors = new Map<CompressionOptions, ResponseCompressor>();
  const compressor: HandlerParts["compressor"] = (options) => {
    if (options === undefined) return undefined;
    const known = compressors.get(options) ?? new ResponseCompressor(options, parts.runtime);
    compressors.set(options, known);
    return known;
  };
  const keepsFiles = parts.watch === undefined;
  const { root = "", linkTargets } = site;
  const staticParts = { runtime: parts.runtime, root, linkTargets, keepsFiles };
  const statics = compileStatics(site.routes, staticParts, compressor);
  const shared: HandlerParts = { ...parts, handover, compressor, statics };
  const handlers = site.routes.map((route) => compileHandler(route, site, shared));
  site.routes.forEach((route, index) => {
    const plain = asHono(handlers[index]!);
    const handler = route.authorize === undefined
      ? plain
      : behind(compileAuthorizer(route.authorize, route.path, site, shared), plain);
    compiled.push(
      watched([...beforeHandler(route, site, parts), handler], index, parts.watch),
    );
  });
  const router = new SiteRouter<[H, RouterRoute]>(site.routes.map(asClientsMeetIt));
  const forClients = compiled.map((handlers, index) =>
    site.routes[index]!.internal ? watched([denyClient], index, parts.watch) : handlers
  );
  const app = createApp(site, router, forClients, parts);
  // A watched site shows each step, so it has to take each.
  const directs = parts.watch === undefined
    ? site.routes.map((route, index) => compileDirect(route, handlers[index]!, site, parts))
    : [];
  return { app, direct: compileDirects(router, directs), hasRules: hasRules(site) };
}

/** The routes that match, one after the other, up to the first that answers or wants Hono. */
function compileDirects(
  router: Pick<SiteRouter<unknown>, "next">,
  directs: readonly (RouteHandler | undefined)[],
): RouteHandler {
  return (request, front) => {
    for (let index = -1;;) {
      index = router.next(front.method, front.target.path, index);
      const direct = directs[index];
      if (direct === undefined) return undefined;
      const answer = direct(request, front);
      if (answer !== undefined) return answer;
    }
  };
}

/**
 * The route's handler with its rules, where that is all there is. A route with an authorizer is
 * Hono's: were it to pass a request on, Hono would ask again.
 */
function compileDirect(
  { path: pattern, middleware, authorize, internal, answers }: RouteOptions,
  handler: RouteHandler,
  site: SiteOptions,
  parts: SiteParts,
): RouteHandler | undefined {
  if (middleware !== undefined || authorize !== undefined || internal) return undefined;
  if (!hasRules(site)) return handler;
  const rules = compileRules(answers, pattern, site, parts);
  return (request, front) => {
    front.rules = rules;
    return handler(request, front);
  };
}

/** A route's handler as one of Hono's. */
function asHono(handler: RouteHandler): HonoHandler {
  return (c, next) => {
    const answer = handler(c.req.raw, c.env);
    if (answer === undefined) return next() as Promise<never>;
    const response = asResponse(answer);
    return response instanceof Promise
      ? response.then((settled) => keepOddStatus(c.env, settled))
      : keepOddStatus(c.env, response);
  };
}

/** Only what the authorizer lets in reaches the handler. */
function behind(authorizer: Authorizer, handler: HonoHandler): HonoHandler {
  return async (c, next) => {
    const refusal = await authorizer(c.req.raw, c.env);
    return refusal === undefined ? await handler(c, next) : keepOddStatus(c.env, refusal);
  };
}

/** An internal route takes clients' requests of every method: no later route shall show its files. */
function asClientsMeetIt(route: RouteOptions): RouteOptions {
  return route.internal ? { ...route, methods: undefined } : route;
}

/** As if there were no route at all, and none behind it. */
function denyClient(c: Parameters<HonoHandler>[0]): Response | Promise<Response> {
  c.env.passed = { status: 404, code: "no_such_route" };
  return c.notFound();
}

/** The routes that `router` reaches, as Hono runs them. */
function createApp(
  site: SiteOptions,
  router: SiteRouter<[H, RouterRoute]>,
  handlers: readonly (readonly HonoHandler[])[],
  parts: SiteParts,
): Hono<FrontEnv> {
  const app = new Hono<FrontEnv>({
    router,
    getPath: (_request, options) => matchedPath(options?.env as FrontRequest),
  });
  handlers.forEach((list, index) => {
    for (const handler of list) app.all(routeKey(index), handler);
  });
  const rules = compileRules(site.answers, undefined, site, parts);
  app.notFound((c) => {
    const front = c.env;
    front.rules = rules;
    const accept = c.req.raw.headers.get("accept");
    const allowed = router.allowedMethods(front.target.path);
    return ownResponse(front, accept, answerToUnanswered(front, allowed));
  });
  app.onError((error, c) => {
    const accept = c.req.raw.headers.get("accept");
    if (error instanceof HTTPException) {
      const { status, headers } = error.getResponse();
      return ownResponse(c.env, accept, middlewareRefusal(status, headers));
    }
    parts.onFault(error, c.env);
    return ownResponse(
      c.env,
      accept,
      error instanceof FileError ? answerForFault(error) : { status: 500, code: "internal_error" },
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
