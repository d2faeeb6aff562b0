/** A site's checked routes → options: what a route says itself, and what it takes from its site. */
import type { HandlerOptions, ParamOptions, RouteOptions } from "../http/options.ts";
import { formatAddress } from "../runtime/address.ts";
import { bodyLimits } from "./body_schema.ts";
import { conditionOptions } from "./condition_schema.ts";
import { exchangeOptions } from "./exchange_schema.ts";
import { resolvePath } from "./paths.ts";
import { middlewareOptions, responseOptions } from "./response_config.ts";
import type { Config } from "./schema.ts";

export type UpstreamConfig = NonNullable<Config["upstreams"]>[string];
export type SiteConfig = NonNullable<Config["sites"]>[number];
type RouteConfig = SiteConfig["routes"][number];
/** The part of a route that names an application. */
type ApplicationConfig = NonNullable<RouteConfig["authorize"]>;
type Upstreams = Readonly<Record<string, UpstreamConfig>>;

/** Keys of a site from which its routes take nothing. */
const OF_SITE_ALONE: ReadonlySet<string> = new Set<keyof SiteConfig>([
  "hosts",
  "listen",
  "tls",
  "https",
  "hsts",
  "root",
  "follow_symlinks_to",
  "trusted_proxies",
  "proxy_headers",
  "trace_context",
  "paths",
  "local_redirects",
  "sendfile",
  "routes",
]);

/** Routes that stand at several sites, and take nothing from them, are made once. */
export class RouteOptionsMaker {
  readonly #upstreams: Upstreams;
  readonly #directory: string;
  readonly #made = new Map<SiteConfig["routes"], readonly RouteOptions[]>();

  /** `directory` is where the file's relative paths start. */
  constructor(upstreams: Upstreams, directory: string) {
    this.#upstreams = upstreams;
    this.#directory = directory;
  }

  make(site: SiteConfig): readonly RouteOptions[] {
    const known = this.#made.get(site.routes);
    const isAlone = givesNothing(site);
    if (isAlone && known !== undefined) return known;
    const made = site.routes.map((route) =>
      routeOptions(route, site, this.#upstreams, this.#directory)
    );
    if (isAlone) this.#made.set(site.routes, made);
    return made;
  }
}

function givesNothing(site: Readonly<Record<string, unknown>>): boolean {
  for (const key in site) if (site[key] !== undefined && !OF_SITE_ALONE.has(key)) return false;
  return true;
}

function routeOptions(
  route: RouteConfig,
  site: SiteConfig,
  upstreams: Upstreams,
  directory: string,
): RouteOptions {
  const paramsOf = (application: ApplicationConfig | undefined): ParamOptions => {
    const upstream = application && upstreams[application.upstream];
    return { ...upstream?.params, ...site.params, ...application?.params };
  };
  const params = paramsOf(route.fastcgi ?? route.php ?? route.filter);
  const isPhp = route.fastcgi !== undefined &&
    isPhpUpstream(route.fastcgi.upstream, upstreams[route.fastcgi.upstream]);
  const handler = handlerOptions(route, { params, isPhp, directory });
  const { path, internal, authorize, compression = site.compression } = route;
  const forwardAuth = route.forward_auth;
  const layers = [site, { ...route, headers: route.headers?.rules }];
  const responses = responseOptions(layers);
  const middleware = middlewareOptions(layers, directory);
  const conditions = conditionOptions(route);
  const bodies = bodyLimits(site.limits, route.limits);
  const requestBody = route.request_body ?? site.request_body;
  return {
    path,
    methods: allowedMethods(route, site),
    ...(conditions.length > 0 && { conditions }),
    ...(route.rewrite && { rewrite: route.rewrite }),
    ...(route.root !== undefined && { root: resolvePath(directory, route.root) }),
    ...(route.strip_prefix !== undefined && { stripPrefix: route.strip_prefix }),
    handler,
    ...(internal && { internal }),
    ...(authorize && {
      authorize: { upstream: authorize.upstream, params: paramsOf(authorize) },
    }),
    ...(forwardAuth && {
      forwardAuth: {
        upstream: forwardAuth.upstream,
        uri: forwardAuth.uri,
        copyHeaders: (forwardAuth.copy_headers ?? []).map((name) => name.toLowerCase()),
      },
    }),
    ...(compression && { compression }),
    ...(responses && { responses }),
    ...(bodies && { limits: bodies }),
    ...(requestBody && { requestBody }),
    ...(middleware && { middleware }),
  };
}

/** By what is started, and by names: of the upstream, of a socket (`php8.2-fpm.sock`), of a host. */
function isPhpUpstream(name: string, upstream: UpstreamConfig | undefined): boolean {
  const { spawn, servers = [] } = upstream ?? {};
  if (spawn !== undefined) {
    return spawn.command.some((word) => /(?:^|\/)php/.test(word)) || /php/i.test(name);
  }
  return [name, ...servers.map(({ address }) => formatAddress(address))]
    .some((text) => /php|fpm/i.test(text));
}

/** A browser asks with OPTIONS what another origin may do. */
function allowedMethods(route: RouteConfig, site: SiteConfig): readonly string[] | undefined {
  const { methods } = route;
  const hasCors = (route.cors === undefined ? site.cors : route.cors) != null;
  return !hasCors || methods === undefined || methods.includes("OPTIONS")
    ? methods
    : [...methods, "OPTIONS"];
}

/** That there is exactly one handler has been checked (`references.ts`). */
function handlerOptions(
  route: RouteConfig,
  { params, isPhp, directory }: {
    readonly params: ParamOptions;
    readonly isPhp: boolean;
    readonly directory: string;
  },
): HandlerOptions {
  const { respond, redirect, fastcgi, php, proxy, filter } = route;
  if (respond) return { kind: "respond", ...respond };
  if (redirect) return { kind: "redirect", ...redirect };
  if (fastcgi) {
    const { upstream, script_name: scriptName, strip, split_path: splitPath, index } = fastcgi;
    return {
      kind: "fastcgi",
      upstream,
      scriptName,
      strip,
      splitPath,
      index,
      params,
      ...exchangeOptions(fastcgi, directory),
      ...(isPhp && { isPhp }),
    };
  }
  if (php) {
    const { upstream, index, front_controller: frontController, strip } = php;
    const splitPath = php.split_path;
    return {
      kind: "php",
      upstream,
      index,
      frontController,
      strip,
      splitPath,
      params,
      ...exchangeOptions(php, directory),
      ...(php.try && { attempts: php.try }),
      ...(php.scripts && { scripts: php.scripts }),
      ...(php.no_scripts && { noScripts: php.no_scripts }),
      ...(php.application_root && { applicationRoot: php.application_root }),
      ...(php.resolve_root && { resolveRoot: true }),
    };
  }
  if (proxy) {
    const { upstream, host, headers = {} } = proxy;
    return { kind: "proxy", upstream, host, headers };
  }
  if (filter) return { kind: "filter", upstream: filter.upstream, params };
  if (route.static === undefined) return { kind: "rewrite" };
  const { index, precompressed, cache_control: cacheControl, listing } = route.static;
  return {
    kind: "static",
    index,
    listing,
    ...(precompressed && { precompressed }),
    ...(cacheControl && { cacheControl: Object.entries(cacheControl) }),
  };
}
