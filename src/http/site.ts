/**
 * A site as a Hono app: its routes compiled once, with a handler each. What a route does not use
 * costs it nothing.
 */
import { type Handler, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import type { H, RouterRoute } from "hono/types";
import type { CompressionOptions } from "../compression/options.ts";
import { asResponse, type HttpAnswer } from "../runtime/http_answer.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { StaticAnswer } from "../static/static_files.ts";
import { ownResponse } from "./answers.ts";
import { type Authorizer, createAuthorizer, NEVER_AUTHORIZERS } from "./authorize.ts";
import { type Destination, exchange, type FastCgiRoute } from "./fastcgi_exchange.ts";
import { redirectHandler, respondHandler } from "./fixed_answers.ts";
import { decideFilter, FilterRequest } from "./filter_route.ts";
import type { FrontEnv, FrontRequest } from "./front_request.ts";
import type { Handover } from "./handover.ts";
import { LengthGathering } from "./length_gathering.ts";
import type {
  AuthorizeOptions,
  FastCgiHandlerOptions,
  FilterHandlerOptions,
  HttpLimits,
  PhpHandlerOptions,
  RouteOptions,
  SiteOptions,
} from "./options.ts";
import { notePassed, passOrRefuse, sourceNames } from "./passing.ts";
import { compilePhpRoots } from "./php_roots.ts";
import { type AttemptWatch, decidePhp } from "./php_route.ts";
import { middlewareRefusal } from "./route_middleware.ts";
import { compileParameters } from "./route_parameters.ts";
import { compileScriptTarget } from "./script_target.ts";
import { ResponseCompressor } from "./response_compressor.ts";
import { namedFiles } from "./sendfile.ts";
import { matchedPath, routeKey, SiteRouter } from "./site_router.ts";
import { beforeHandler, compileRules, hasRules } from "./site_rules.ts";
import { compileStatics, type StaticRoute } from "./static_route.ts";

export interface SiteParts {
  readonly runtime: Pick<Runtime, "files" | "clock" | "createCompressor">;
  readonly upstreams: ReadonlyMap<string, Destination>;
  readonly limits: HttpLimits;
  /** Such as `afcgi/1.0.0`. */
  readonly serverSoftware: string;
  readonly onFault: (error: unknown, front: FrontRequest) => void;
  /** A trusted proxy sent forwarding fields that could not be read. */
  readonly onForwardedIgnored?: (site: string, front: FrontRequest) => void;
  /** As {@link FastCgiRoute.onScriptFault}. */
  readonly onScriptFault?: FastCgiRoute["onScriptFault"];
  /** As `files.realPath`, but never what was true a moment ago; left out: that of `runtime`. */
  readonly followLinks?: (path: string) => string | undefined;
  /** What gathers bodies of declared length, for all sites; left out: one of the site's own. */
  readonly lengths?: LengthGathering;
  /** Who wants to see which routes a request meets; nobody, when left out. */
  readonly watch?: RouteWatch;
}

/** Routes are named by their place in the site. */
export interface RouteWatch {
  /** The route matches, and is asked. */
  onRoute(index: number): void;
  /** It leaves the request to the next one that matches. */
  onPass(index: number): void;
  /** What the route that is asked has tried. */
  onAttempt: AttemptWatch;
}

type RouteHandler = Handler<FrontEnv>;
/** Undefined: it is for Hono. */
type DirectHandler = (
  request: Request,
  front: FrontRequest,
) => HttpAnswer | Promise<HttpAnswer> | undefined;

/** What the handlers of one site share. */
interface CompileParts extends SiteParts {
  readonly handover: Handover;
  /** What compresses with these options; the same for routes that share them. */
  readonly compressor: (options: CompressionOptions | undefined) => ResponseCompressor | undefined;
  readonly lengths: LengthGathering;
  readonly statics: ReadonlyMap<RouteOptions, StaticRoute>;
}

/** A site's routes as Hono runs them, and those that can be asked without it. */
export interface CompiledSite {
  readonly app: Hono<FrontEnv>;
  /**
   * Answers what {@link app} would answer, where nothing of Hono's is needed; else undefined. At 64
   * clients that saves 4 of 30 µs a request.
   */
  readonly direct: DirectHandler;
  /** Whether its answers may have rules. */
  readonly hasRules: boolean;
}

export function compileSite(site: SiteOptions, parts: SiteParts): CompiledSite {
  const compiled: RouteHandler[][] = [];
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
  const compressor: CompileParts["compressor"] = (options) => {
    if (options === undefined) return undefined;
    const known = compressors.get(options) ?? new ResponseCompressor(options, parts.runtime);
    compressors.set(options, known);
    return known;
  };
  const lengths = parts.lengths ?? new LengthGathering(parts.runtime.clock);
  const keepsFiles = parts.watch === undefined;
  const staticParts = { runtime: parts.runtime, root: site.root ?? "", keepsFiles };
  const statics = compileStatics(site.routes, staticParts, compressor);
  const shared: CompileParts = { ...parts, handover, compressor, lengths, statics };
  site.routes.forEach((route, index) => {
    const plain = compileHandler(route, site, shared);
    const handler = route.authorize === undefined
      ? plain
      : behind(compileAuthorizer(route.authorize, route.path, site, shared), plain);
    compiled.push(
      watched([...beforeHandler(route, site, parts.runtime.files), handler], index, parts.watch),
    );
  });
  const router = new SiteRouter<[H, RouterRoute]>(site.routes.map(asClientsMeetIt));
  const forClients = compiled.map((handlers, index) =>
    site.routes[index]!.internal ? watched([denyClient], index, parts.watch) : handlers
  );
  const app = createApp(site, router, forClients, parts);
  // A watched site shows each step, so it has to take each.
  const directs = parts.watch === undefined
    ? site.routes.map((route) => compileDirect(route, site, shared))
    : [];
  return {
    app,
    direct: (request, front) => {
      const index = router.first(front.method, front.target.path);
      return index < 0 ? undefined : directs[index]?.(request, front);
    },
    hasRules: hasRules(site),
  };
}

/** An internal route takes clients' requests of every method: no later route shall show its files. */
function asClientsMeetIt(route: RouteOptions): RouteOptions {
  return route.internal ? { ...route, methods: undefined } : route;
}

/** As if there were no route at all, and none behind it. */
function denyClient(c: Parameters<RouteHandler>[0]): Response | Promise<Response> {
  c.env.passed = { status: 404, code: "no_such_route" };
  return c.notFound();
}

/** The routes that `router` reaches, as Hono runs them. */
function createApp(
  site: SiteOptions,
  router: SiteRouter<[H, RouterRoute]>,
  handlers: readonly (readonly RouteHandler[])[],
  parts: SiteParts,
): Hono<FrontEnv> {
  const app = new Hono<FrontEnv>({
    router,
    getPath: (_request, options) => matchedPath(options?.env as FrontRequest),
  });
  handlers.forEach((list, index) => {
    for (const handler of list) app.all(routeKey(index), handler);
  });
  const rules = compileRules(site.answers, undefined, site, parts.runtime.files);
  app.notFound((c) => {
    const front = c.env;
    front.rules = rules;
    const accept = c.req.raw.headers.get("accept");
    if (front.passed !== undefined) return ownResponse(front, accept, front.passed);
    const allowed = router.allowedMethods(front.target.path);
    return allowed === undefined
      ? ownResponse(front, accept, { status: 404, code: "no_such_route" })
      : ownResponse(front, accept, {
        status: 405,
        code: "method_not_allowed",
        headers: { allow: allowed.join(", ") },
      });
  });
  app.onError((error, c) => {
    const accept = c.req.raw.headers.get("accept");
    if (error instanceof HTTPException) {
      const { status, headers } = error.getResponse();
      return ownResponse(c.env, accept, middlewareRefusal(status, headers));
    }
    parts.onFault(error, c.env);
    return ownResponse(c.env, accept, { status: 500, code: "internal_error" });
  });
  return app;
}

/** Decided here, so that a route which nobody watches is called directly. */
function watched(
  handlers: RouteHandler[],
  index: number,
  watch: RouteWatch | undefined,
): RouteHandler[] {
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

function compileHandler(
  route: RouteOptions,
  site: SiteOptions,
  parts: CompileParts,
): RouteHandler {
  const { handler: options, path: pattern } = route;
  const compressor = parts.compressor(route.compression);
  const around = { pattern, compressor, bodies: route };
  switch (options.kind) {
    case "respond":
      return respondHandler(options);
    case "redirect":
      return redirectHandler(options, pattern);
    case "fastcgi": {
      const handler = fastCgiHandler({ options, ...around }, site, parts);
      return (c) => asResponse(handler(c.req.raw, c.env));
    }
    case "php":
      return phpHandler({ options, ...around }, site, parts);
    case "filter":
      return filterHandler({ options, ...around }, site, parts);
    case "static":
      return staticHandler(parts.statics.get(route)!);
  }
}

/** Only what the authorizer lets in reaches the handler. */
function behind(authorizer: Authorizer, handler: RouteHandler): RouteHandler {
  return async (c, next) => await authorizer(c.req.raw, c.env) ?? await handler(c, next);
}

function compileAuthorizer(
  { upstream, params }: AuthorizeOptions,
  pattern: string | undefined,
  site: SiteOptions,
  parts: CompileParts,
): Authorizer {
  const options = { upstream, params: { ...params, ...NEVER_AUTHORIZERS } };
  return createAuthorizer(fastCgiRoute({ options, pattern, compressor: undefined }, site, parts));
}

/**
 * For a handler that answers whatever comes to it, so that no other route needs to be asked; for a
 * static one, which answers with a file that it keeps.
 */
function compileDirect(
  route: RouteOptions,
  site: SiteOptions,
  parts: CompileParts,
): DirectHandler | undefined {
  const { path: pattern, handler: options, compression, middleware, answers } = route;
  const isPlain = middleware === undefined && route.authorize === undefined && !route.internal;
  if (!isPlain) return undefined;
  const compressor = parts.compressor(compression);
  let direct: DirectHandler;
  if (options.kind === "fastcgi") {
    direct = fastCgiHandler({ options, pattern, compressor, bodies: route }, site, parts);
  } else if (options.kind === "static") {
    const files = parts.statics.get(route)!;
    direct = (request, front) => files.kept(request, front);
  } else return undefined;
  const rules = compileRules(answers, pattern, site, parts.runtime.files);
  if (rules === undefined) return direct;
  return (request, front) => {
    front.rules = rules;
    return direct(request, front);
  };
}

/** A handler with what its route says around it. */
interface RouteOf<Options> {
  readonly options: Options;
  readonly pattern: string | undefined;
  readonly compressor: ResponseCompressor | undefined;
  /** What the route says of bodies; nothing, left out. */
  readonly bodies?: Pick<RouteOptions, "requestBody" | "limits">;
}

function fastCgiRoute(
  { options, pattern, compressor, bodies }: RouteOf<
    Pick<FastCgiHandlerOptions, "upstream" | "params">
  >,
  site: SiteOptions,
  parts: CompileParts,
): FastCgiRoute {
  const upstream = parts.upstreams.get(options.upstream);
  if (upstream === undefined) throw new RangeError(`No upstream is named "${options.upstream}"`);
  return {
    upstream,
    ...compileParameters(options.params, pattern, {
      serverSoftware: parts.serverSoftware,
      documentRoot: site.root,
    }),
    limits: bodies?.limits === undefined ? parts.limits : { ...parts.limits, ...bodies.limits },
    bodyMode: bodies?.requestBody,
    handover: parts.handover,
    compressor,
    lengths: parts.lengths,
    onFault: parts.onFault,
    onScriptFault: parts.onScriptFault,
  };
}

function fastCgiHandler(
  of: RouteOf<FastCgiHandlerOptions>,
  site: SiteOptions,
  parts: CompileParts,
): (request: Request, front: FrontRequest) => Promise<HttpAnswer> {
  const route = fastCgiRoute(of, site, parts);
  const target = compileScriptTarget(of.options, site.root);
  return (request, front) => exchange(route, request, front, target(front.target.path));
}

function phpHandler(
  of: RouteOf<PhpHandlerOptions>,
  site: SiteOptions,
  parts: CompileParts,
): RouteHandler {
  const { runtime: { files }, followLinks = files.realPath } = parts;
  const rootOf = compilePhpRoots(of.options, site.root!, {
    files,
    followLinks,
    compileRoute: (root) => fastCgiRoute(of, { ...site, root }, parts),
    onAttempt: parts.watch?.onAttempt,
  });
  return (c, next) => {
    const front = c.env;
    const { route, look } = rootOf();
    const decision = decidePhp(look, front.target);
    switch (decision.kind) {
      case "run":
        return asResponse(exchange(route, c.req.raw, front, decision.script));
      case "pass":
        notePassed(front, { status: 404, code: "no_such_file" });
        return next() as Promise<never>;
      case "redirect":
        return c.redirect(decision.location, 308);
      case "refused":
        return ownResponse(front, c.req.raw.headers.get("accept"), decision);
    }
  };
}

function filterHandler(
  filtered: RouteOf<FilterHandlerOptions>,
  site: SiteOptions,
  parts: CompileParts,
): RouteHandler {
  const route = fastCgiRoute(filtered, site, parts);
  const { files } = parts.runtime;
  const filter = { files, root: site.root!, never: sourceNames(site.routes) };
  return (c, next) => {
    const front = c.env;
    const decision = decideFilter(filter, front.target.path);
    if (decision.kind === "send") {
      const { found, script } = decision;
      const sent = exchange(route, c.req.raw, front, script, (...asked) => {
        return new FilterRequest(found, files, ...asked);
      });
      return asResponse(sent);
    }
    return passOrRefuse(c, next, decision);
  };
}

function staticHandler(route: StaticRoute): RouteHandler {
  return (c, next) => {
    const answer = route.answer(c.req.raw, c.env);
    const finish = (settled: StaticAnswer): Response | Promise<Response> => {
      return settled instanceof Response ? settled : passOrRefuse(c, next, settled);
    };
    return answer instanceof Promise ? answer.then(finish) : finish(answer);
  };
}
