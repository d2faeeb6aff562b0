/**
 * A static route, compiled: patterns and names once, small files kept. What it does not serve is for
 * the caller to answer or to pass on.
 */
import { compilePattern } from "../routing/route_pattern.ts";
import { BytesResponse, type HttpResponse, toResponse } from "../runtime/http_response.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { FileMemory } from "../static/file_memory.ts";
import { isRefusal, refuse } from "../static/refusal.ts";
import {
  serveStatic,
  type StaticOptions,
  type StaticResponse,
  type StaticTarget,
} from "../static/static_files.ts";
import type { RequestContext } from "./request_context.ts";
import type { RouteOptions, StaticHandlerOptions } from "./options.ts";
import { sourceNames } from "./passing.ts";
import type { ResponseCompressor } from "./response_compressor.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

export interface StaticRouteDeps {
  readonly runtime: Pick<Runtime, "files" | "clock">;
  /** Absolute path. */
  readonly root: string;
  /** The beginning of the path that is no directory below the root; left out: none. */
  readonly stripPrefix?: string | undefined;
  readonly symlinkTargets?: readonly string[] | undefined;
  /** See `StaticOptions`. */
  readonly never: (path: string) => boolean;
  readonly compressor: ResponseCompressor | undefined;
  /** Whether small files are kept in memory: not where each look at a file is to be seen. */
  readonly keepsFiles: boolean;
}

export class StaticRoute {
  readonly #options: StaticOptions;
  readonly #compressor: ResponseCompressor | undefined;
  readonly #stripPrefix: string;

  constructor(handler: StaticHandlerOptions, deps: StaticRouteDeps) {
    const { runtime: { files, clock }, root, symlinkTargets, never, keepsFiles } = deps;
    this.#compressor = deps.compressor;
    this.#stripPrefix = deps.stripPrefix ?? "";
    this.#options = {
      files,
      root,
      symlinkTargets,
      prefix: this.#stripPrefix,
      index: handler.index,
      never,
      precompressed: handler.precompressed ?? [],
      cacheControl: firstMatch(handler.cacheControl ?? []),
      listing: handler.listing ?? false,
      ...(keepsFiles && { memory: new FileMemory(files, clock) }),
    };
  }

  respond(request: HttpRequest, context: RequestContext): StaticResponse | Promise<StaticResponse> {
    const { handedOver } = context;
    const target = this.#belowRoot(context.target);
    // Its name alone says that it is not for us: no need to look for the file.
    if (this.#options.never(target.path)) return refuse("script_source");
    const response = serveStatic(this.#options, request, target, handedOver);
    const finish = (settled: StaticResponse): StaticResponse | Promise<StaticResponse> =>
      isRefusal(settled) ? settled : this.#compressed(request, context, settled);
    return response instanceof Promise ? response.then(finish) : finish(response);
  }

  /** The prefix alone is the root without its slash. */
  #belowRoot(target: StaticTarget): StaticTarget {
    const { length } = this.#stripPrefix;
    return length === 0 ? target : { path: target.path.slice(length), query: target.query };
  }

  #compressed(
    request: HttpRequest,
    context: RequestContext,
    response: HttpResponse,
  ): HttpResponse | Promise<HttpResponse> {
    const compressor = this.#compressor;
    if (compressor === undefined) return response;
    const whole = response instanceof BytesResponse ? response.body : undefined;
    return compressor.apply(request, context, toResponse(response), whole);
  }
}

/** The static routes of a site, each compiled once. */
export function compileStatics(
  routes: readonly RouteOptions[],
  deps: Omit<StaticRouteDeps, "compressor" | "never">,
  compressorOf: (options: RouteOptions["compression"]) => ResponseCompressor | undefined,
): ReadonlyMap<RouteOptions, StaticRoute> {
  const never = sourceNames(routes);
  const statics = new Map<RouteOptions, StaticRoute>();
  for (const route of routes) {
    const { handler, compression, stripPrefix, root = deps.root } = route;
    if (handler.kind !== "static") continue;
    const compressor = compressorOf(compression);
    statics.set(route, new StaticRoute(handler, { ...deps, root, stripPrefix, never, compressor }));
  }
  return statics;
}

/** The value of the first pattern that matches a path. */
function firstMatch(
  patterns: readonly (readonly [pattern: string, value: string])[],
): (path: string) => string | undefined {
  const compiled = patterns.map(([pattern, value]) => ({
    matches: compilePattern(pattern),
    value,
  }));
  return (path) => compiled.find(({ matches }) => matches(path))?.value;
}
