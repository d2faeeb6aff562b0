/**
 * The checked values of `gemini` → {@link GeminiSiteOptions}: names and directories, no decisions.
 */
import type {
  GeminiHandlerOptions,
  GeminiLimits,
  GeminiRouteOptions,
  GeminiSiteOptions,
  GeminiTlsOptions,
} from "../gemini/options.ts";
import type { GeminiConfig, GeminiLimitsConfig } from "./gemini_schema.ts";
import { resolvePath } from "./paths.ts";
import { symlinkTargetOptions } from "./symlinks.ts";

type SiteConfig = GeminiConfig[number];
type RouteConfig = SiteConfig["routes"][number];

/** `directory` is where the file's relative paths start. */
export function geminiSiteOptions(site: SiteConfig, directory: string): GeminiSiteOptions {
  return {
    listen: site.listen,
    port: site.port,
    hosts: site.hosts,
    tls: tlsOptions(site.tls, directory),
    versionMin: site.tls.min,
    root: site.root === undefined ? undefined : resolvePath(directory, site.root),
    ...symlinkTargetOptions(site, directory),
    routes: site.routes.map((route) => routeOptions(route, directory)),
  };
}

export function geminiLimits(limits: GeminiLimitsConfig): GeminiLimits {
  return {
    connectionsMax: limits.connections,
    connectionsPerAddressMax: limits.connections_per_address,
    requestsPerSecondMax: limits.requests_per_second,
    requestTimeoutMs: limits.request_timeout,
    sendTimeoutMs: limits.send_timeout,
    closeTimeoutMs: limits.close_timeout,
  };
}

/** That it is one of the two forms has been checked (`gemini_references.ts`). */
function tlsOptions(tls: SiteConfig["tls"], directory: string): GeminiTlsOptions {
  return tls.self_signed ? { kind: "self_signed", store: resolvePath(directory, tls.store!) } : {
    kind: "files",
    cert: resolvePath(directory, tls.cert!),
    key: resolvePath(directory, tls.key!),
  };
}

function routeOptions(route: RouteConfig, directory: string): GeminiRouteOptions {
  const { path, client_cert: cert } = route;
  return {
    path,
    clientCert: cert && {
      required: cert.required,
      ca: cert.ca === undefined ? undefined : resolvePath(directory, cert.ca),
      fingerprints: cert.fingerprints ?? [],
    },
    handler: handlerOptions(route),
  };
}

/** That there is exactly one handler has been checked (`gemini_references.ts`). */
function handlerOptions({ fastcgi, respond, static: files }: RouteConfig): GeminiHandlerOptions {
  if (respond) return { kind: "respond", ...respond };
  if (fastcgi) {
    const { upstream, strip, script_name: scriptName, params, convert } = fastcgi;
    return { kind: "fastcgi", upstream, strip, scriptName, params, convert };
  }
  const { index, listing, lang } = files!;
  return { kind: "static", index, listing, lang };
}
