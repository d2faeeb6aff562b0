/** The sites of a configuration, ready to serve: for the program that serves, and for `explain`. */
import { compileArrival } from "../http/arrival.ts";
import type { GatewaySite } from "../http/gateway.ts";
import type { ListenerInfo } from "../http/request_context.ts";
import type { SiteOptions } from "../http/options.ts";
import { answerPlainHttp } from "../http/scheme.ts";
import { type CompiledSite, compileSite } from "../http/site.ts";
import type { SiteDeps } from "../http/site_deps.ts";
import { hasRules } from "../http/site_rules.ts";
import { formatAddress, type ServeAddress } from "../runtime/address.ts";
import type { ListenOptions } from "./options.ts";

/** More sites are compiled one by one, each with its first request. */
export const SITES_AT_ONCE_MAX = 64;

/**
 * A site under the name that metrics know it by. With `isLate` its routes are compiled when the first
 * request comes: of a thousand sites that is most of a start, and what the configuration says of them
 * has been checked.
 */
export function compileGatewaySite(site: SiteOptions, deps: SiteDeps, isLate = false): GatewaySite {
  const name = site.hosts[0] ?? "default";
  const arrive = compileArrival(
    site,
    (context, error) => deps.onForwardedError?.(name, context, error),
  );
  const { https = "allow", hsts } = site;
  return {
    name,
    ...(isLate ? compileLate(site, deps) : compileSite(site, deps)),
    arrive,
    asksForCertificate: asksForCertificate(site),
    plainHttp: answerPlainHttp(https),
    keepsBytes: site.keepsBytes,
    hsts,
  };
}

function compileLate(site: SiteOptions, deps: SiteDeps): CompiledSite {
  let compiled: CompiledSite | undefined;
  const compile = () => compiled ??= compileSite(site, deps);
  return {
    app: { fetch: (request, context) => compile().app.fetch(request, context) },
    direct: (request, context) => compile().direct(request, context),
    hasRules: hasRules(site),
  };
}

export function asksForCertificate({ routes }: SiteOptions): boolean {
  return routes.some(({ middleware }) => middleware?.clientAuth !== undefined);
}

/** What requests that come in at an address can know of it. */
export function listenerInfo(address: ServeAddress, scheme: "http" | "https"): ListenerInfo {
  if (address.transport !== "tcp") return { scheme, host: "", port: 0 };
  const isAny = address.host === "0.0.0.0" || address.host === "::";
  return { scheme, host: isAny ? "" : address.host, port: address.port };
}

/** Where plain HTTP is sent to: 443 where TLS is spoken there, else the first port with it. */
export function tlsPort(
  listen: readonly Pick<ListenOptions, "tls">[],
  inForce: (index: number) => ServeAddress | undefined,
): number | undefined {
  const ports = listen.flatMap(({ tls }, index) => {
    const address = tls && inForce(index);
    return address?.transport === "tcp" ? [address.port] : [];
  });
  return ports.find((port) => port === 443) ?? ports[0];
}

/** What the applications are told of us. */
export function serverSoftware(version: string): string {
  return `afcgi/${version}`;
}

/** Whether the site is served at the listener of this address. */
export function isServedAt(
  { listen }: Pick<SiteOptions, "listen">,
  address: ServeAddress,
): boolean {
  return listen === undefined ||
    listen.some((one) => formatAddress(one) === formatAddress(address));
}
