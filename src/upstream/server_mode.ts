/** How requests are sent to a server: what is configured, and what the application has shown. */
import type { ApplicationTraits } from "./application_traits.ts";
import type { UpstreamOptions } from "./options.ts";
import type { Manner } from "./upstream_share.ts";

/** What is known of how requests may be sent. */
export type ServerMode = "unknown" | "asking" | "multiplexed" | "single";

/** Before anything was found out. */
export function configuredMode(
  { multiplex, connections, protocol }: UpstreamOptions,
  traits: ApplicationTraits,
): ServerMode {
  if (protocol === "http" || connections.reuse === false || multiplex === "off") return "single";
  if (multiplex === "on") return "multiplexed";
  return traits.diesWhenAsked ? "single" : "unknown";
}

/** Once a thread has found out how the application takes requests. */
export function knownMode(
  manner: Pick<Manner, "multiplexes">,
  traits: ApplicationTraits,
): "multiplexed" | "single" {
  return manner.multiplexes && !traits.closes ? "multiplexed" : "single";
}

/** Whether new connections are kept. */
export function keepsConnections(
  { connections: { reuse } }: UpstreamOptions,
  mode: ServerMode,
  traits: ApplicationTraits,
): boolean {
  return reuse === "auto" ? mode !== "asking" && traits.keeps : reuse;
}
