/**
 * What the keys of one upstream say about each other: a key that another one leaves without effect
 * is an error, for somebody meant it.
 */
import { commandKind } from "../spawn/options.ts";
import type { ConfigNode } from "./config_node.ts";
import { checkHttpUpstream } from "./http_upstream_references.ts";
import type { Tell } from "./located_error.ts";
import { nearest } from "./nearest.ts";
import type { PathContext } from "./path_references.ts";

export function checkUpstreams(root: ConfigNode, context: PathContext, tell: Tell): void {
  for (const [name, { node }] of root.get("upstreams")?.entries ?? []) {
    const servers = node.entries.get("servers");
    const spawn = node.entries.get("spawn");
    const isMeant = [...node.entries.keys()].some((key) =>
      key === "<<" || nearest(key, ["servers", "spawn", "http"])
    );
    if (!isMeant && node.content.kind === "map") {
      tell(node.place, `upstreams.${name} has no key "servers" (add it, spawn or http)`);
    }
    checkHttpUpstream(node, context, tell);
    if (servers !== undefined && spawn !== undefined) {
      tell(spawn.keyPlace, "The upstream has servers as well as spawn (leave one of the two out)");
    }
    const command = spawn?.node.get("command")?.items ?? [];
    const isFpm = commandKind([command[0]?.text ?? ""]) === "php-fpm";
    const config = command.find(({ text }) => isFpm && isFpmConfig(text));
    if (config !== undefined) {
      tell(config.place, "php-fpm gets its configuration from afcgi (take it out, or use servers)");
    }
    const hash = node.entries.get("hash");
    if (hash !== undefined && node.get("balance")?.text !== "hash") {
      tell(hash.keyPlace, "Key hash does nothing without balance: hash (add it, or take hash out)");
    }
    const health = node.entries.get("health");
    if (health?.node.content.kind !== "map" || health.node.get("interval") !== undefined) continue;
    tell(health.keyPlace, "Key health does nothing without an interval (add one, such as 5s)");
  }
}

/** An argument of php-fpm that names a php-fpm.conf. */
function isFpmConfig(text: string | undefined): boolean {
  return text !== undefined && /^(-y.*|--fpm-config(=.*)?)$/.test(text);
}
