/**
 * What each kind of route does with a request, compiled once: what a route does not use costs it
 * nothing. Nothing here needs Hono, so a request whose route has no middleware is answered without it.
 */
import type { CompressionOptions } from "../compression/options.ts";
import { isRefusal } from "../static/refusal.ts";
import { ownResponse } from "./own_responses.ts";
import { type Authorizer, createAuthorizer, NEVER_AUTHORIZERS } from "./authorize.ts";
import { exchange, type ExchangeRoute, type FastCgiRoute } from "./fastcgi_exchange.ts";
import { compileSectionRule, type ExchangeOptions } from "./exchange_options.ts";
import { compileNextRule } from "../upstream/next_server.ts";
import { redirectHandler, respondHandler } from "./fixed_responses.ts";
import { decideFilter, FilterRequest } from "./filter_route.ts";
import { createForwardAuth, type ForwardAuth } from "./forward_auth.ts";
import type { Handover } from "./handover.ts";
import type {
  AuthorizeOptions,
  FastCgiHandlerOptions,
  FilterHandlerOptions,
  ForwardAuthOptions,
  PhpHandlerOptions,
  RouteOptions,
  SiteOptions,
} from "./options.ts";
import { notePassed, passOrRefuse, sourceNames } from "./passing.ts";
import { compilePhpRoots } from "./php_roots.ts";
import { decidePhp } from "./php_route.ts";
import { proxyHandler } from "./proxy_route.ts";
import { ResponseStore, type StoreOptions } from "./response_store.ts";
import type { RouteHandler } from "./route_handler.ts";
import type { ResponseCompressor } from "./response_compressor.ts";
import { compileParameters } from "./route_parameters.ts";
import {
  asksForScripts,
  compileScriptTarget,
  isBelowFile,
  type ScriptTarget,
} from "./script_target.ts";
import { stripPath } from "./strip_path.ts";
import type { SiteDeps } from "./site_deps.ts";
import type { StaticRoute } from "./static_route.ts";

const NO_SCRIPT = { status: 404, code: "no_such_script" } as const;

export interface HandlerDeps extends SiteDeps {
  readonly handover: Handover;
  /** What compresses with these options; the same for routes that share them. */
  readonly compressor: (options: CompressionOptions | undefined) => ResponseCompressor | undefined;
  readonly statics: ReadonlyMap<RouteOptions, StaticRoute>;
}

export function compileHandler(
  route: RouteOptions,
  site: SiteOptions,
  deps: HandlerDeps,
): RouteHandler {
  const { handler: options, path: pattern, stripPrefix } = route;
  const compressor = deps.compressor(route.compression);
  const around = { pattern, compressor, bodies: route, stripPrefix };
  const own = withRootOf(route, site);
  switch (options.kind) {
    case "rewrite":
      return () => undefined;
    case "respond":
      return respondHandler(options);
    case "redirect":
      return redirectHandler(options, { pattern, maps: site.maps });
    case "fastcgi":
      return fastCgiHandler({ options, ...around }, own, deps);
    case "php":
      return phpHandler({ options, ...around }, own, deps);
    case "filter":
      return filterHandler({ options, ...around }, own, deps, route.internal);
    case "proxy":
      return proxyHandler(
        { options, ...around },
        site.maps,
        exchangeRoute({ options, ...around }, deps),
      );
    case "static":
      return staticHandler(deps.statics.get(route)!, route.internal);
  }
}

export function compileAuthorizer(
  { upstream, params }: AuthorizeOptions,
  route: RouteOptions,
  site: SiteOptions,
  deps: HandlerDeps,
): Authorizer {
  const options = { upstream, params: { ...params, ...NEVER_AUTHORIZERS } };
  const asked = { options, pattern: route.path, compressor: undefined };
  return createAuthorizer(fastCgiRoute(asked, withRootOf(route, site), deps));
}

/** A route's root stands in the place of the site's. */
function withRootOf({ root }: RouteOptions, site: SiteOptions): SiteOptions {
  return root === undefined ? site : { ...site, root };
}

export function compileForwardAuth(options: ForwardAuthOptions, deps: HandlerDeps): ForwardAuth {
  const of = { options, pattern: undefined, compressor: undefined };
  return createForwardAuth(options, exchangeRoute(of, deps));
}

/** A handler with what its route says around it. */
interface RouteOf<Options> {
  readonly options: Options;
  readonly pattern: string | undefined;
  readonly stripPrefix?: string | undefined;
  readonly compressor: ResponseCompressor | undefined;
  /** What the route says of bodies; nothing, left out. */
  readonly bodies?: Pick<RouteOptions, "requestBody" | "limits"> | undefined;
}

function fastCgiRoute(
  { options, pattern, compressor, bodies, stripPrefix = "" }: RouteOf<
    Pick<FastCgiHandlerOptions, "upstream" | "params" | "exchange">
  >,
  site: SiteOptions,
  deps: HandlerDeps,
): FastCgiRoute {
  return {
    ...exchangeRoute({ options, pattern, compressor, bodies }, deps),
    ...compileParameters(options.params, { pattern, maps: site.maps }, {
      serverSoftware: deps.serverSoftware,
      documentRoot: site.root,
    }),
    ...exchangeRules(options.exchange),
    store: compileStore(options.exchange?.store, site, stripPrefix, deps),
    onScriptError: deps.onScriptError,
  };
}

function exchangeRoute(
  { options, compressor, bodies }: RouteOf<{ readonly upstream: string }>,
  deps: HandlerDeps,
): ExchangeRoute {
  const upstream = deps.upstreams.get(options.upstream);
  if (upstream === undefined) throw new RangeError(`No upstream is named "${options.upstream}"`);
  return {
    upstream,
    limits: bodies?.limits === undefined ? deps.limits : { ...deps.limits, ...bodies.limits },
    bodyMode: bodies?.requestBody,
    handover: deps.handover,
    compressor,
    onError: deps.onError,
  };
}

/** Undefined where no copies are kept. */
function compileStore(
  options: StoreOptions | undefined,
  { root, routes }: SiteOptions,
  stripPrefix: string,
  { runtime: { files }, onStoreError = () => {} }: HandlerDeps,
): ResponseStore | undefined {
  if (options === undefined) return undefined;
  const { directory = root } = options;
  if (directory === undefined) throw new RangeError("Copies of responses have no directory");
  const never = sourceNames(routes);
  return new ResponseStore(options, {
    files,
    directory,
    stripPrefix,
    never,
    onError: onStoreError,
  });
}

function exchangeRules(options: ExchangeOptions | undefined) {
  if (options === undefined) return undefined;
  const { nextUpstream } = options;
  return {
    exchange: options,
    sectionRule: compileSectionRule(options),
    nextServer: nextUpstream && compileNextRule(nextUpstream),
  };
}

function fastCgiHandler(
  of: RouteOf<FastCgiHandlerOptions>,
  site: SiteOptions,
  deps: HandlerDeps,
): RouteHandler {
  const { options } = of;
  const { splitPath } = options;
  const namesScripts = asksForScripts(options, of.pattern);
  const named = namesScripts ? { ...of, options: withoutTranslation(options) } : of;
  const route = fastCgiRoute(named, site, deps);
  const { stripPrefix } = of;
  const target = compileScriptTarget(stripped(options, stripPrefix), site.root);
  const told = mountedAt(stripPrefix);
  if (!namesScripts || site.root === undefined) {
    return (request, context) =>
      exchange(route, request, context, told(target(context.target.path)));
  }
  const { root } = site;
  const { files } = deps.runtime;
  return (request, context) => {
    const script = target(context.target.path);
    const { scriptName, pathInfo } = script;
    // What has no script's name is no file of the application either; without `split_path` the whole
    // path is the script's.
    const asked = scriptName !== "" ? scriptName : splitPath ? `${pathInfo}/` : pathInfo;
    if (isBelowFile(files, root, asked)) {
      return ownResponse(context, request.headers.get("accept"), NO_SCRIPT);
    }
    return exchange(route, request, context, told(script));
  };
}

/** The options with what a route strips in the place of what its handler does. */
function stripped<Options extends { readonly strip?: string | undefined }>(
  options: Options,
  stripPrefix: string | undefined,
): Options {
  return stripPrefix === undefined ? options : { ...options, strip: stripPrefix };
}

/** What the route has stripped is the beginning of SCRIPT_NAME. */
function mountedAt(stripPrefix: string | undefined): (script: ScriptTarget) => ScriptTarget {
  if (stripPrefix === undefined) return (script) => script;
  return (script) => ({ ...script, scriptName: stripPrefix + script.scriptName });
}

/** PHP takes the script from there as well: such a route sends it where its `params` say so. */
function withoutTranslation<Options extends Pick<FastCgiHandlerOptions, "params">>(
  options: Options,
): Options {
  return { ...options, params: { PATH_TRANSLATED: null, ...options.params } };
}

function phpHandler(
  of: RouteOf<PhpHandlerOptions>,
  site: SiteOptions,
  deps: HandlerDeps,
): RouteHandler {
  const { runtime: { files }, followSymlinks = files.realPath } = deps;
  const php = { ...of, options: withoutTranslation(of.options) };
  const told = mountedAt(of.stripPrefix);
  const options = stripped(of.options, of.stripPrefix);
  const rootOf = compilePhpRoots(options, { ...site, root: site.root! }, {
    files,
    followSymlinks,
    compileRoute: (root) => fastCgiRoute(php, { ...site, root }, deps),
    onAttempt: deps.watch?.onAttempt,
  });
  return (request, context) => {
    const { route, look } = rootOf();
    const decision = decidePhp(look, context.target);
    switch (decision.kind) {
      case "run":
        return exchange(route, request, context, told(decision.script));
      case "pass":
        notePassed(context, { status: 404, code: "no_such_file" });
        return undefined;
      case "redirect":
        return new Response(null, { status: 308, headers: { location: decision.location } });
      case "refused":
        return ownResponse(context, request.headers.get("accept"), decision);
    }
  };
}

function filterHandler(
  filtered: RouteOf<FilterHandlerOptions>,
  site: SiteOptions,
  deps: HandlerDeps,
  isInternal: boolean | undefined,
): RouteHandler {
  const route = fastCgiRoute(filtered, site, deps);
  const { files } = deps.runtime;
  const { symlinkTargets } = site;
  const filter = { files, root: site.root!, symlinkTargets, never: sourceNames(site.routes) };
  const { stripPrefix = "" } = filtered;
  const told = mountedAt(filtered.stripPrefix);
  return (request, context) => {
    const decision = decideFilter(filter, stripPath(stripPrefix, context.target.path));
    if (decision.kind !== "send") return passOrRefuse(request, context, decision, isInternal);
    const { found, script } = decision;
    return exchange(route, request, context, told(script), (...asked) => {
      return new FilterRequest(filter, found, ...asked);
    });
  };
}

function staticHandler(route: StaticRoute, isInternal: boolean | undefined): RouteHandler {
  return (request, context) => {
    const response = route.respond(request, context);
    if (!(response instanceof Promise)) {
      return isRefusal(response) ? passOrRefuse(request, context, response, isInternal) : response;
    }
    // What is gone since it was found a moment ago is no other route's either.
    return response.then((settled) =>
      isRefusal(settled) ? ownResponse(context, request.headers.get("accept"), settled) : settled
    );
  };
}
