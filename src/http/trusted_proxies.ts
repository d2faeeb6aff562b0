/**
 * Who the client is, behind proxies that a site trusts. From the connection's peer outwards, each hop
 * is believed as long as the one that tells it is trusted; the first that is not trusted is the
 * client, and what stands before it in the fields is its own invention.
 *
 * Where the nearest entry cannot be read there is a client, and nobody knows which: never the proxy,
 * whose address would open what is open to the proxy alone. A scheme, host or port that cannot be
 * read is as if it had not been said.
 */
import type { RequestContext } from "./request_context.ts";
import { type ForwardedHop, type ProxyHeader, readForwarded } from "./forwarded.ts";
import type { IpNetworks } from "./ip_networks.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";

export interface ProxyTrust {
  readonly networks: IpNetworks;
  readonly headers: ReadonlySet<ProxyHeader>;
}

/**
 * In the place of an address that nobody knows: RFC 7239's own word for it (section 6.2). No access
 * rule lets it in, and no application can take it for an address, as it could "0.0.0.0", which many
 * a library counts among the private ones.
 */
export const UNKNOWN_CLIENT = "unknown";

/** What of a trusted proxy's fields could not be read. */
export interface ForwardedError {
  readonly field: string;
  readonly value: string;
  readonly isClientUnknown: boolean;
}

export type ForwardedErrorHandler = (context: RequestContext, error: ForwardedError) => void;

/** What a trusted proxy may name a request; longer or stranger ids are not taken. */
const REQUEST_ID = /^[A-Za-z0-9_.:@+/=-]{1,128}$/;

/** The request as its client made it, or the same when its peer is not trusted. */
export function throughProxies(
  { networks, headers: fields }: ProxyTrust,
  context: RequestContext,
  headers: HttpHeaders,
  onError: ForwardedErrorHandler,
): RequestContext {
  if (!networks.has(context.peer.host)) return context;
  const hop = readForwarded(fields, headers, (address) => networks.has(address));
  const id = fields.has("request-id") ? headers.get("x-request-id") : null;
  const seen = asTold(context, hop, id !== null && REQUEST_ID.test(id) ? id : context.id);
  if (hop.error !== undefined) {
    onError(seen, { ...hop.error, isClientUnknown: hop.client === null });
  }
  return seen;
}

function asTold(context: RequestContext, hop: ForwardedHop, id: string): RequestContext {
  const { listener } = context;
  const host = hop.host ?? context.host;
  const scheme = hop.scheme ?? listener.scheme;
  // The listener's port is nothing that the client of a proxy has seen.
  const port = hop.scheme || hop.host ? 0 : listener.port;
  const client = hop.client === null ? { host: UNKNOWN_CLIENT, port: 0 } : hop.client;
  return {
    ...context,
    id,
    peer: { ...context.peer, ...client },
    host: hop.port ? { name: host.name, port: hop.port } : host,
    listener: { ...listener, scheme, port },
    proxy: context.peer.host,
  };
}
