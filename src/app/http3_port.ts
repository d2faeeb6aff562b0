/**
 * Where a client finds the same site over HTTP/3: at its own listener where that has it, else at another
 * one that serves the site. A port that does not serve it is no alternative (RFC 7838 section 2): the
 * client would ask there, and be told that there is no such site.
 */
import type { GatewaySite } from "../http/gateway.ts";
import { HostCache } from "../http/host.ts";
import type { SiteTable } from "../routing/site_table.ts";
import type { ServeAddress } from "../runtime/address.ts";
import type { HttpRequest } from "../runtime/http_request.ts";

type Sites = Pick<SiteTable<GatewaySite>, "find">;

/** The listeners of a configuration, by their places; known when the first request comes. */
export interface Http3Listening {
  /** Those with HTTP/3. */
  places(): Iterable<number>;
  addressOf(place: number): ServeAddress | undefined;
  /** Those that are served there. */
  sitesOf(place: number): Sites;
}

/** The port for a request; undefined where its site is served at none. */
export type FindHttp3Port = (request: Pick<HttpRequest, "headers">) => number | undefined;

/** That of the listener at the place `own`. */
export function http3PortFinder(own: number, listening: Http3Listening): FindHttp3Port {
  const hosts = new HostCache();
  let sites: Sites | undefined;
  let ports: readonly { readonly port: number; readonly sites: Sites }[] = [];
  return ({ headers }) => {
    if (sites === undefined) {
      sites = listening.sitesOf(own);
      ports = portsOf(own, listening);
    }
    const text = headers.get("host");
    const host = text === null ? undefined : hosts.read(text);
    const site = host && sites.find(host.name);
    if (site === undefined) return undefined;
    return ports.find((one) => one.sites.find(host!.name) === site)?.port;
  };
}

/** The listener's own first. */
function portsOf(own: number, listening: Http3Listening) {
  const places = [...listening.places()];
  const ordered = [
    ...places.filter((place) => place === own),
    ...places.filter((place) => place !== own),
  ];
  return ordered.flatMap((place) => {
    const address = listening.addressOf(place);
    const sites = listening.sitesOf(place);
    return address?.transport === "tcp" ? [{ port: address.port, sites }] : [];
  });
}
