/** A Gemini site: its routes compiled once, the first that matches and has a response gives it. */
import { Authorities } from "../certificates/authorities.ts";
import { compilePattern, type RoutePattern } from "../routing/route_pattern.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { ownReply, plainHeader } from "./own_replies.ts";
import { checkClientCert, type ClientCertRule } from "./client_cert.ts";
import { exchange } from "./fastcgi_route.ts";
import type {
  ClientCertOptions,
  GeminiHandlerOptions,
  GeminiRouteOptions,
  GeminiSiteOptions,
} from "./options.ts";
import type { GeminiReply, GeminiRequest } from "./request.ts";
import { expandMeta } from "./respond_template.ts";
import { serveStatic } from "./static_files.ts";

export interface GeminiSiteDeps {
  readonly runtime: Runtime;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** Such as `afcgi/1.0.0`. */
  readonly serverSoftware: string;
  readonly onError: (error: unknown, request: GeminiRequest) => void;
}

type Handler = (request: GeminiRequest) => Promise<GeminiReply | undefined>;

interface CompiledRoute {
  readonly matches: RoutePattern;
  readonly clientCert: ClientCertRule | undefined;
  readonly handle: Handler;
}

/** A site that is ready to answer. */
export interface GeminiSite {
  /** Its first host, for metrics. */
  readonly name: string;
  readonly port: number | undefined;
  reply(request: GeminiRequest): Promise<GeminiReply>;
}

/** @throws {TlsError} when a file of authorities cannot be used */
export async function compileGeminiSite(
  site: GeminiSiteOptions,
  deps: GeminiSiteDeps,
): Promise<GeminiSite> {
  const routes: CompiledRoute[] = [];
  for (const route of site.routes) {
    routes.push({
      matches: compilePattern(route.path),
      clientCert: route.clientCert && await compileClientCert(route.clientCert, deps.runtime),
      handle: compileHandler(route, site, deps),
    });
  }
  const { clock } = deps.runtime;
  return {
    name: site.hosts[0] ?? "",
    port: site.port,
    reply: async (request) => {
      for (const { matches, clientCert, handle } of routes) {
        if (!matches(request.uri.path)) continue;
        const refusal = clientCert &&
          checkClientCert(clientCert, request.connection, clock.wallMs());
        if (refusal !== undefined) return ownReply(request, "client_cert", refusal);
        const reply = await handle(request);
        if (reply !== undefined) return reply;
        request.trace.code = "no_such_file";
      }
      return ownReply(request, request.trace.code ?? "no_such_route", plainHeader(51));
    },
  };
}

async function compileClientCert(
  { required, ca, fingerprints }: ClientCertOptions,
  runtime: Runtime,
): Promise<ClientCertRule> {
  const authorities = new Authorities();
  if (ca !== undefined) await authorities.read(ca, runtime);
  return {
    required,
    authorities: ca === undefined ? undefined : authorities.of({ ca }),
    fingerprints: new Set(fingerprints),
  };
}

function compileHandler(
  { handler }: GeminiRouteOptions,
  site: GeminiSiteOptions,
  deps: GeminiSiteDeps,
): Handler {
  switch (handler.kind) {
    case "respond":
      return respondHandler(handler);
    case "static": {
      const { root, symlinkTargets } = site;
      const options = { ...handler, files: deps.runtime.files, root: root!, symlinkTargets };
      return (request) => serveStatic(options, request);
    }
    case "fastcgi": {
      const upstream = deps.upstreams.get(handler.upstream);
      if (upstream === undefined) {
        throw new RangeError(`No upstream is named "${handler.upstream}"`);
      }
      const { serverSoftware, onError } = deps;
      const { convert } = handler;
      const route = { serverSoftware, route: handler, upstream, convert, onError };
      return (request) => exchange(route, request);
    }
  }
}

function respondHandler(
  { code, meta, body }: GeminiHandlerOptions & { readonly kind: "respond" },
): Handler {
  const bytes = new TextEncoder().encode(body);
  return async (request) => ({
    header: { code, meta: expandMeta(meta, request) },
    body: code < 30 && code >= 20 ? bytes : null,
  });
}
