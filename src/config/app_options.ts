/** The file's checked values → {@link AppOptions}: names and directories, no decisions. */
import type { AppOptions } from "../app/options.ts";
import type { SiteOptions } from "../http/options.ts";
import type { UpstreamLimits, UpstreamOptions } from "../upstream/options.ts";
import { responseOptions } from "./response_config.ts";
import { geminiLimits, geminiSiteOptions } from "./gemini_options.ts";
import { http2Limits } from "./http2_schema.ts";
import { clientOptions, httpTimeouts } from "./http_schema.ts";
import { resolveAddress, resolvePath } from "./paths.ts";
import { acmeOptions } from "./acme_schema.ts";
import type { Config } from "./schema.ts";
import { valueMaps } from "./map_schema.ts";
import { RouteOptionsMaker, type SiteConfig, type UpstreamConfig } from "./route_options.ts";
import { spawnOptions } from "./spawn_schema.ts";
import { symlinkTargetOptions } from "./symlinks.ts";
import { listenerTlsOptions, schemeOptions, siteTlsOptions } from "./tls_schema.ts";

/** `directory` is where the file's relative paths start. */
export function toAppOptions(config: Config, directory: string): AppOptions {
  const { limits, log } = config;
  const connectionLimits = http2Limits(limits.http2);
  const maps = valueMaps(config.map);
  const routes = new RouteOptionsMaker(config.upstreams ?? {}, directory);
  const upstreamLimits: UpstreamLimits = {
    responseHeaderMax: limits.response_header,
    responseBufferMax: limits.response_buffer,
    spillMax: limits.spill,
  };
  return {
    // A file that serves Gemini alone opens no port for HTTP.
    listen: (config.sites === undefined ? [] : config.listen).map((
      { address, tls, http2, http3, proxyProtocol },
    ) => ({
      address: resolveAddress(directory, address),
      tls: listenerTlsOptions(tls, config.tls, directory),
      ...(!http2 && { http2 }),
      ...(http3 && { http3 }),
      ...(proxyProtocol && { proxyProtocol }),
    })),
    upstreams: Object.entries(config.upstreams ?? {}).map(([name, upstream]) =>
      upstreamOptions(name, upstream, upstreamLimits, directory)
    ),
    ...spawnsOf(config, directory),
    sites: (config.sites ?? []).map((site) => ({
      ...siteOptions(site, routes, directory),
      ...(maps && { maps }),
    })),
    ...(config.gemini && {
      gemini: {
        sites: config.gemini.map((site) => geminiSiteOptions(site, directory)),
        limits: geminiLimits(limits.gemini),
      },
    }),
    ...(config.tls.store !== undefined && { store: resolvePath(directory, config.tls.store) }),
    acme: acmeOptions(config.acme, directory),
    admin: config.admin && resolveAddress(directory, config.admin.listen),
    ...(config.admin?.health && { health: resolveAddress(directory, config.admin.health) }),
    ...(config.admin && { readyWhen: config.admin.ready }),
    ...(config.admin?.hosts && { adminHosts: config.admin.hosts }),
    log: { level: log.level, format: log.format, access: accessTarget(log.access, directory) },
    limits: {
      requestBodyMax: limits.request_body,
      requestHeaderMax: limits.request_header,
      requestBufferMax: limits.request_buffer,
      requestRateMin: limits.request_rate,
      ...(limits.request_body_chunked !== undefined && {
        requestBodyChunkedMax: limits.request_body_chunked,
      }),
    },
    httpTimeouts: httpTimeouts(limits.http),
    ...(connectionLimits && { http2Limits: connectionLimits }),
    spillTotalMax: limits.spill_total,
    bufferMemoryMax: limits.memory,
    clients: clientOptions(limits.http),
    shutdownGraceMs: config.shutdown.grace,
    ...(config.shutdown.delay > 0 && { shutdownDelayMs: config.shutdown.delay }),
    ...(config.user !== undefined && { user: config.user }),
    workers: config.workers,
  };
}

function spawnsOf(config: Config, directory: string): Pick<AppOptions, "spawns"> {
  const spawns = Object.entries(config.upstreams ?? {}).flatMap(([name, upstream]) => {
    const { spawn, connections } = upstream;
    return spawn === undefined
      ? []
      : [spawnOptions(name, spawn, directory, connectionsMax(connections.max))];
  });
  return spawns.length === 0 ? {} : { spawns };
}

/** Of a spawned application it is known how many each worker takes. */
function connectionsMax(configured: number | "auto"): number | undefined {
  return configured === "auto" ? undefined : configured;
}

/** `-` and `off` are no paths. */
export function accessTarget(access: string, directory: string): string {
  return access === "-" || access === "off" ? access : resolvePath(directory, access);
}

function upstreamOptions(
  name: string,
  upstream: UpstreamConfig,
  limits: UpstreamLimits,
  directory: string,
): UpstreamOptions {
  const { connections, queue, timeouts, retry, health, resolve } = upstream;
  return {
    name,
    servers: (upstream.servers ?? upstream.http ?? []).map(({ address, weight, backup }) => ({
      weight,
      backup,
      address: resolveAddress(directory, address),
    })),
    protocol: upstream.http === undefined ? "fastcgi" : "http",
    ...upstreamTls(upstream, directory),
    tunnels: { max: upstream.tunnels.max, idleMs: upstream.tunnels.idle_timeout },
    ...(upstream.spawn && { supplied: true }),
    multiplex: upstream.multiplex,
    balance: upstream.balance,
    hash: upstream.hash,
    connections: {
      max: connections.max,
      streamsMax: connections.streams,
      idleTimeoutMs: connections.idle_timeout,
      requestsMax: connections.max_requests,
      reuse: connections.reuse,
    },
    queue: { lengthMax: queue.max, timeoutMs: queue.timeout },
    timeouts: {
      connectMs: timeouts.connect,
      firstByteMs: timeouts.first_byte,
      idleMs: timeouts.idle,
      totalMs: timeouts.total,
      abortMs: timeouts.abort,
    },
    retry: {
      attemptsMax: retry.attempts,
      methods: retry.methods,
      delayMs: retry.delay,
      sameServer: retry.same_server,
    },
    health: {
      intervalMs: health.interval,
      timeoutMs: health.timeout,
      rise: health.rise,
      fall: health.fall,
      script: upstream.http === undefined ? health.script : health.path ?? "/",
    },
    slowStartMs: upstream.slow_start,
    resolve: {
      ttlMs: resolve.ttl,
      timeoutMs: resolve.timeout,
      family: resolve.family,
      servers: resolve.servers ?? [],
    },
    limits,
  };
}

/** The host of a name that is looked up is the certificate's. */
function upstreamTls(
  { http = [], tls }: UpstreamConfig,
  directory: string,
): Pick<UpstreamOptions, "tls"> {
  const first = http.find(({ isTls }) => isTls);
  if (first === undefined) return {};
  const host = first.address.transport === "tcp" ? first.address.host : undefined;
  const caFile = tls.ca === undefined ? undefined : resolvePath(directory, tls.ca);
  return { tls: { serverName: tls.server_name ?? host, authorities: undefined, caFile } };
}

function siteOptions(
  site: SiteConfig,
  routes: RouteOptionsMaker,
  directory: string,
): SiteOptions {
  const siteResponses = responseOptions([site]);
  const tls = siteTlsOptions(site.tls, directory);
  return {
    hosts: site.hosts ?? [],
    ...(site.listen && {
      listen: site.listen.map((address) => resolveAddress(directory, address)),
    }),
    ...(tls && { tls }),
    ...schemeOptions(site, tls !== undefined),
    root: site.root === undefined ? undefined : resolvePath(directory, site.root),
    ...symlinkTargetOptions(site, directory),
    proxies: site.trusted_proxies &&
      { trusted: site.trusted_proxies, headers: site.proxy_headers },
    traceContext: site.trace_context,
    ...(site.paths === "bytes" && { keepsBytes: true }),
    routes: routes.make(site),
    ...(siteResponses && { responses: siteResponses }),
    ...(site.sendfile && {
      sendfile: site.sendfile.map((path) => resolvePath(directory, path)),
    }),
    ...(site.local_redirects && { localRedirects: true }),
  };
}
