/**
 * How many connections fit into the descriptors that the process may have. Each client may hold two
 * more files beside its socket for a while (a file that is sent or a body that waits), applications
 * have their connections, and the program itself has logs, listeners, the admin address and what is
 * open only for a moment.
 */
import { AUTO_HTTP_MAX, AUTO_SINGLE_MAX } from "../upstream/connection_limit.ts";
import type { UpstreamOptions } from "../upstream/options.ts";

/** Descriptors for the program itself. */
export const DESCRIPTOR_RESERVE = 64;

/** What the event loop of each thread beside the main one takes. */
export const THREAD_DESCRIPTORS = 2;

/** However few descriptors there are. */
export const CONNECTIONS_MIN = 16;

/** Where nobody knows how many descriptors there may be. */
export const CONNECTIONS_UNKNOWN = 8_192;

/** Half of what is left for clients is for their sockets. */
const SOCKETS_SHARE = 0.5;

/** Applications are counted with this part of all descriptors at most. */
const APPLICATIONS_SHARE = 0.25;

/** An address alone shall not keep all others out. */
const ADDRESS_SHARE = 0.5;

export interface ConnectionBounds {
  readonly max: number;
  readonly perAddressMax: number;
  /** What was asked for, where descriptors do not allow it. */
  readonly loweredFrom: number | undefined;
}

/** The bounds in force: what was asked for, as far as it fits, or what does; `threads` are all there are. */
export function connectionBounds(
  asked: { readonly max?: number | undefined; readonly perAddressMax?: number | undefined },
  descriptorLimit: number | undefined,
  upstreams: readonly UpstreamOptions[],
  threads = 1,
): ConnectionBounds {
  const limit = descriptorLimit && descriptorLimit - THREAD_DESCRIPTORS * (threads - 1);
  const most = limit === undefined
    ? Infinity
    : Math.max(CONNECTIONS_MIN, limit - DESCRIPTOR_RESERVE);
  const max = Math.min(asked.max ?? fitting(limit, upstreams), most);
  return {
    max,
    perAddressMax: asked.perAddressMax ?? Math.max(1, Math.ceil(max * ADDRESS_SHARE)),
    loweredFrom: asked.max !== undefined && asked.max > max ? asked.max : undefined,
  };
}

function fitting(limit: number | undefined, upstreams: readonly UpstreamOptions[]): number {
  if (limit === undefined) return CONNECTIONS_UNKNOWN;
  const forApplications = upstreams.reduce(
    (sum, { servers, protocol, tunnels, connections: { max } }) => {
      const auto = protocol === "http" ? AUTO_HTTP_MAX : AUTO_SINGLE_MAX;
      const ofRequests = Math.max(1, servers.length) * (max === "auto" ? auto : max);
      return sum + ofRequests + (protocol === "http" ? tunnels.max : 0);
    },
    0,
  );
  const ofApplications = Math.min(forApplications, Math.floor(limit * APPLICATIONS_SHARE));
  const rest = limit - DESCRIPTOR_RESERVE - ofApplications;
  return Math.max(CONNECTIONS_MIN, Math.floor(rest * SOCKETS_SHARE));
}
