/** The sites of a configuration, ready to answer: for the program that serves, and for `explain`. */
import { compileArrival } from "../http/arrival.ts";
import type { FrontSite } from "../http/front.ts";
import type { ListenerInfo } from "../http/front_request.ts";
import type { SiteOptions } from "../http/options.ts";
import { compileSite } from "../http/site.ts";
import type { SiteParts } from "../http/site_parts.ts";
import type { Address } from "../runtime/address.ts";

/** A site under the name that metrics know it by. */
export function compileFrontSite(site: SiteOptions, parts: SiteParts): FrontSite {
  const name = site.hosts[0] ?? "default";
  const arrive = compileArrival(
    site,
    (front, fault) => parts.onForwardedFault?.(name, front, fault),
  );
  return { name, ...compileSite(site, parts), arrive };
}

/** What requests that come in at an address can know of it. */
export function listenerInfo(address: Address, scheme: "http" | "https"): ListenerInfo {
  if (address.transport === "unix") return { scheme, host: "", port: 0 };
  const isAny = address.host === "0.0.0.0" || address.host === "::";
  return { scheme, host: isAny ? "" : address.host, port: address.port };
}

/** What the applications are told of us. */
export function serverSoftware(version: string): string {
  return `afcgi/${version}`;
}
