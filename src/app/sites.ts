/** The sites of a configuration, ready to serve: for the program that serves, and for `explain`. */
import { compileArrival } from "../http/arrival.ts";
import type { GatewaySite } from "../http/gateway.ts";
import type { ListenerInfo } from "../http/request_context.ts";
import type { SiteOptions } from "../http/options.ts";
import { answerPlainHttp } from "../http/scheme.ts";
import { compileSite } from "../http/site.ts";
import type { SiteDeps } from "../http/site_deps.ts";
import { formatAddress, type ServeAddress } from "../runtime/address.ts";
import type { ListenOptions } from "./options.ts";

/** A site under the name that metrics know it by. */
export function compileGatewaySite(site: SiteOptions, deps: SiteDeps): GatewaySite {
  const name = site.hosts[0] ?? "default";
  const arrive = compileArrival(
    site,
    (context, error) => deps.onForwardedError?.(name, context, error),
  );
  const { https = "allow", hsts } = site;
  return {
    name,
    ...compileSite(site, deps),
    arrive,
    asksForCertificate: asksForCertificate(site),
    plainHttp: answerPlainHttp(https),
    keepsBytes: site.keepsBytes,
    hsts,
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
