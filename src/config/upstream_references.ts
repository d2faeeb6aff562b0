/**
 * What the keys of one upstream say about each other: a key that another one leaves without effect
 * is a fault, for somebody meant it.
 */
import type { ConfigNode } from "./config_node.ts";
import type { Place } from "./fault.ts";

export function checkUpstreams(
  root: ConfigNode,
  tell: (place: Place, message: string) => void,
): void {
  for (const { node } of root.get("upstreams")?.entries.values() ?? []) {
    const hash = node.entries.get("hash");
    if (hash !== undefined && node.get("balance")?.text !== "hash") {
      tell(hash.keyPlace, "Key hash does nothing without balance: hash (add it, or take hash out)");
    }
    const health = node.entries.get("health");
    if (health?.node.content.kind !== "map" || health.node.get("interval") !== undefined) continue;
    tell(health.keyPlace, "Key health does nothing without an interval (add one, such as 5s)");
  }
}
