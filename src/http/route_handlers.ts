/**
 * What each kind of route does with a request, compiled once: what a route does not use costs it
 * nothing. Nothing here needs Hono, so a request whose route has no middleware is answered without it.
 */
import type { CompressionOptions } from "../compression/options.ts";
import { isRefusal } from "../static/refusal.ts";
import { ownResponse } from "./answers.ts";
import { type Authorizer, createAuthorizer, NEVER_AUTHORIZERS } from "./authorize.ts";
import { exchange, type FastCgiRoute } from "./fastcgi_exchange.ts";
import { redirectHandler, respondHandler } from "./fixed_answers.ts";
import { decideFilter, FilterRequest } from "./filter_route.ts";
import type { Handover } from "./handover.ts";
import type {
  AuthorizeOptions,
  FastCgiHandlerOptions,
  FilterHandlerOptions,
  PhpHandlerOptions,
  RouteOptions,
  SiteOptions,
} from "./options.ts";
import { notePassed, passOrRefuse, sourceNames } from "./passing.ts";
import { compilePhpRoots } from "./php_roots.ts";
import { decidePhp } from "./php_route.ts";
import type { RouteHandler } from "./route_handler.ts";
import type { ResponseCompressor } from "./response_compressor.ts";
import { compileParameters } from "./route_parameters.ts";
import { asksForScripts, compileScriptTarget, isBelowFile } from "./script_target.ts";
import type { SiteParts } from "./site_parts.ts";
import type { StaticRoute } from "./static_route.ts";

const NO_SCRIPT = { status: 404, code: "no_such_script" } as const;

/** What the handlers of one site share. */
export interface HandlerParts extends SiteParts {
  readonly handover: Handover;
  /** What compresses with these options; the same for routes that share them. */
  readonly compressor: (options: CompressionOptions | undefined) => ResponseCompressor | undefined;
  readonly statics: ReadonlyMap<RouteOptions, StaticRoute>;
}

export function compileHandler(
  route: RouteOptions,
  site: SiteOptions,
  parts: HandlerParts,
): RouteHandler {
  const { handler: options, path: pattern } = route;
  const compressor = parts.compressor(route.compression);
  const around = { pattern, compressor, bodies: route };
  switch (options.kind) {
    case "respond":
      return respondHandler(options);
    case "redirect":
      return redirectHandler(options, pattern);
    case "fastcgi":
      return fastCgiHandler({ options, ...around }, site, parts);
    case "php":
      return phpHandler({ options, ...around }, site, parts);
    case "filter":
      return filterHandler({ options, ...around }, site, parts, route.internal);
    case "static":
      return staticHandler(parts.statics.get(route)!, route.internal);
  }
}

export function compileAuthorizer(
  { upstream, params }: AuthorizeOptions,
  pattern: string | undefined,
  site: SiteOptions,
  parts: HandlerParts,
): Authorizer {
  const options = { upstream, params: { ...params, ...NEVER_AUTHORIZERS } };
  return createAuthorizer(fastCgiRoute({ options, pattern, compressor: undefined }, site, parts));
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
  parts: HandlerParts,
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
    onFault: parts.onFault,
    onScriptFault: parts.onScriptFault,
  };
}

function fastCgiHandler(
  of: RouteOf<FastCgiHandlerOptions>,
  site: SiteOptions,
  parts: HandlerParts,
): RouteHandler {
  const { options } = of;
  const { splitPath } = options;
  const namesScripts = asksForScripts(options, of.pattern);
  const named = namesScripts ? { ...of, options: withoutTranslation(options) } : of;
  const route = fastCgiRoute(named, site, parts);
  const target = compileScriptTarget(options, site.root);
  if (!namesScripts || site.root === undefined) {
    return (request, front) => exchange(route, request, front, target(front.target.path));
  }
  const { root } = site;
  const { files } = parts.runtime;
  return (request, front) => {
    const script = target(front.target.path);
    const { scriptName, pathInfo } = script;
    // What has no script's name is no file of the application either; without `split_path` the whole
    // path is the script's.
    const asked = scriptName !== "" ? scriptName : splitPath ? `${pathInfo}/` : pathInfo;
    if (isBelowFile(files, root, asked)) {
      return ownResponse(front, request.headers.get("accept"), NO_SCRIPT);
    }
    return exchange(route, request, front, script);
  };
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
  parts: HandlerParts,
): RouteHandler {
  const { runtime: { files }, followLinks = files.realPath } = parts;
  const php = { ...of, options: withoutTranslation(of.options) };
  const rootOf = compilePhpRoots(of.options, { ...site, root: site.root! }, {
    files,
    followLinks,
    compileRoute: (root) => fastCgiRoute(php, { ...site, root }, parts),
    onAttempt: parts.watch?.onAttempt,
  });
  return (request, front) => {
    const { route, look } = rootOf();
    const decision = decidePhp(look, front.target);
    switch (decision.kind) {
      case "run":
        return exchange(route, request, front, decision.script);
      case "pass":
        notePassed(front, { status: 404, code: "no_such_file" });
        return undefined;
      case "redirect":
        return new Response(null, { status: 308, headers: { location: decision.location } });
      case "refused":
        return ownResponse(front, request.headers.get("accept"), decision);
    }
  };
}

function filterHandler(
  filtered: RouteOf<FilterHandlerOptions>,
  site: SiteOptions,
  parts: HandlerParts,
  isInternal: boolean | undefined,
): RouteHandler {
  const route = fastCgiRoute(filtered, site, parts);
  const { files } = parts.runtime;
  const { linkTargets } = site;
  const filter = { files, root: site.root!, linkTargets, never: sourceNames(site.routes) };
  return (request, front) => {
    const decision = decideFilter(filter, front.target.path);
    if (decision.kind !== "send") return passOrRefuse(request, front, decision, isInternal);
    const { found, script } = decision;
    return exchange(route, request, front, script, (...asked) => {
      return new FilterRequest(filter, found, ...asked);
    });
  };
}

function staticHandler(route: StaticRoute, isInternal: boolean | undefined): RouteHandler {
  return (request, front) => {
    const answer = route.answer(request, front);
    if (!(answer instanceof Promise)) {
      return isRefusal(answer) ? passOrRefuse(request, front, answer, isInternal) : answer;
    }
    // What is gone since it was found a moment ago is no other route's either.
    return answer.then((settled) =>
      isRefusal(settled) ? ownResponse(front, request.headers.get("accept"), settled) : settled
    );
  };
}
