/** What threads that serve need of a configuration, and what they say and are told. */
import { type AdminStatus, statusOf } from "../http/admin.ts";
import type { ServerOptions } from "../upstream/options.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { Generation } from "./generation.ts";
import type { AppOptions } from "./options.ts";
import type { ProcessParts } from "./process_parts.ts";

/** What a thread says of itself: for Prometheus, and for `/status`. */
export interface ThreadReport {
  readonly metrics: string;
  readonly status: AdminStatus;
}

/** The options with the addresses in force, and with upstreams as they are. */
export function followerOptions(
  { options, places, upstreamOptions: upstreams, addresses }: Generation,
): AppOptions {
  const listen = places.flatMap(({ listen }, index) => {
    const address = addresses[index];
    return address === undefined ? [] : [{ ...listen, address }];
  });
  return { ...options, listen, upstreams };
}

export function reportOf(
  { registry, version, http2 }: Pick<ProcessParts, "registry" | "version" | "http2">,
  upstreams: readonly Upstream[],
): ThreadReport {
  const status = statusOf({ version, upstreams, http2: () => http2.status });
  return { metrics: registry.render(), status };
}

/** Resolves when no request is left at servers that were there before. */
export async function supplyServers(
  generations: readonly Generation[],
  name: string,
  servers: readonly ServerOptions[],
): Promise<void> {
  const upstreams = new Set(generations.flatMap(({ upstreams }) => upstreams));
  const named = [...upstreams].filter(({ options }) => options.name === name);
  await Promise.all(named.map((upstream) => upstream.useServers(servers)));
}
