/**
 * Who the client is, behind proxies that a site trusts. From the connection's peer outwards, each hop
 * is believed as long as the one that tells it is trusted; the first that is not trusted is the
 * client, and what stands before it in the fields is its own invention. Where anything on this way
 * cannot be read, all of it is ignored: the peer's own address is at least true.
 */
import type { FrontRequest } from "./front_request.ts";
import { type ForwardedHop, type ProxyHeaders, readForwarded } from "./forwarded.ts";
import type { IpNetworks } from "./ip_networks.ts";

export interface ProxyTrust {
  readonly networks: IpNetworks;
  readonly headers: ProxyHeaders;
}

/** What a trusted proxy may name a request; longer or stranger ids are not taken. */
const REQUEST_ID = /^[A-Za-z0-9_.:@+/=-]{1,128}$/;

/** The request as its client made it, or the same when its peer is not trusted. */
export function throughProxies(
  trust: ProxyTrust,
  front: FrontRequest,
  headers: Headers,
  onIgnored: (front: FrontRequest) => void,
): FrontRequest {
  if (!trust.networks.has(front.peer.host)) return front;
  const id = headers.get("x-request-id");
  const named = id !== null && REQUEST_ID.test(id) ? { ...front, id } : front;
  const hops = readForwarded(trust.headers, headers);
  const hop = hops && clientHop(trust.networks, hops);
  if (hop === null || hasUnreadable(hop)) {
    onIgnored(named);
    return named;
  }
  return hop === undefined ? named : asTold(named, hop);
}

/** The last hop that was told by who is trusted; null when one before it cannot be read. */
function clientHop(
  networks: IpNetworks,
  hops: readonly ForwardedHop[],
): ForwardedHop | null | undefined {
  for (let index = hops.length - 1; index >= 0; index--) {
    const hop = hops[index]!;
    if (hop.client === null) return null;
    if (index === 0 || hop.client === undefined || !networks.has(hop.client.host)) return hop;
  }
  return undefined;
}

function hasUnreadable(hop: ForwardedHop | undefined): boolean {
  return hop !== undefined && (hop.scheme === null || hop.host === null || hop.port === null);
}

function asTold(front: FrontRequest, hop: ForwardedHop): FrontRequest {
  const { listener } = front;
  const host = hop.host ?? front.host;
  const scheme = hop.scheme ?? listener.scheme;
  // The listener's port is nothing that the client of a proxy has seen.
  const port = hop.scheme || hop.host ? 0 : listener.port;
  return {
    ...front,
    peer: { ...front.peer, ...hop.client },
    host: hop.port ? { name: host.name, port: hop.port } : host,
    listener: { ...listener, scheme, port },
  };
}
