/**
 * Who the client is, behind proxies that a site trusts. From the connection's peer outwards, each hop
 * is believed as long as the one that tells it is trusted; the first that is not trusted is the
 * client, and what stands before it in the fields is its own invention.
 *
 * Where the nearest entry cannot be read there is a client, and nobody knows which: never the proxy,
 * whose address would open what is open to the proxy alone. A scheme, host or port that cannot be
 * read is as if it had not been said.
 */
import type { FrontRequest } from "./front_request.ts";
import { type ForwardedHop, type ProxyHeader, readForwarded } from "./forwarded.ts";
import type { IpNetworks } from "./ip_networks.ts";

export interface ProxyTrust {
  readonly networks: IpNetworks;
  /** What the proxies set. */
  readonly headers: ReadonlySet<ProxyHeader>;
}

/**
 * In the place of an address that nobody knows: RFC 7239's own word for it (section 6.2). No access
 * rule lets it in, and no application can take it for an address, as it could "0.0.0.0", which many
 * a library counts among the private ones.
 */
export const UNKNOWN_CLIENT = "unknown";

/** What of a trusted proxy's fields could not be read. */
export interface ForwardedFault {
  readonly field: string;
  readonly value: string;
  readonly isClientUnknown: boolean;
}

export type ForwardedFaultHandler = (front: FrontRequest, fault: ForwardedFault) => void;

/** What a trusted proxy may name a request; longer or stranger ids are not taken. */
const REQUEST_ID = /^[A-Za-z0-9_.:@+/=-]{1,128}$/;

/** The request as its client made it, or the same when its peer is not trusted. */
export function throughProxies(
  { networks, headers: fields }: ProxyTrust,
  front: FrontRequest,
  headers: Headers,
  onFault: ForwardedFaultHandler,
): FrontRequest {
  if (!networks.has(front.peer.host)) return front;
  const hop = readForwarded(fields, headers, (address) => networks.has(address));
  const id = fields.has("request-id") ? headers.get("x-request-id") : null;
  const seen = asTold(front, hop, id !== null && REQUEST_ID.test(id) ? id : front.id);
  if (hop.fault !== undefined) {
    onFault(seen, { ...hop.fault, isClientUnknown: hop.client === null });
  }
  return seen;
}

function asTold(front: FrontRequest, hop: ForwardedHop, id: string): FrontRequest {
  const { listener } = front;
  const host = hop.host ?? front.host;
  const scheme = hop.scheme ?? listener.scheme;
  // The listener's port is nothing that the client of a proxy has seen.
  const port = hop.scheme || hop.host ? 0 : listener.port;
  const client = hop.client === null ? { host: UNKNOWN_CLIENT, port: 0 } : hop.client;
  return {
    ...front,
    id,
    peer: { ...front.peer, ...client },
    host: hop.port ? { name: host.name, port: hop.port } : host,
    listener: { ...listener, scheme, port },
    proxy: front.peer.host,
  };
}
