/**
 * What `listen` and the sites say of each other: addresses that are there twice, sites that claim the
 * same host at the same listener, listeners that a site names and that are not there.
 */
import { AddressError, formatAddress, parseServeAddress } from "../runtime/address.ts";
import type { ConfigNode } from "./config_node.ts";
import { LISTEN_ADDRESS_RULES } from "./listen_schema.ts";
import type { Place, Tell } from "./located_error.ts";

export function checkListeners(root: ConfigNode, tell: Tell): void {
  const seen = new Map<string, Place>();
  const listeners = root.get("listen")?.items ?? [];
  for (const listener of listeners) {
    checkListenAddress(listener.get("address") ?? listener, seen, tell);
  }
  for (const key of ["listen", "health"]) {
    const admin = root.get("admin")?.get(key);
    if (admin !== undefined) checkListenAddress(admin.get("address") ?? admin, seen, tell);
  }
}

function checkListenAddress(node: ConfigNode, seen: Map<string, Place>, tell: Tell): void {
  const address = addressOf(node);
  // Port 0 is another port each time.
  if (address === undefined || /^tcp:.*:0$/.test(address)) return;
  const text = address.replace("//0.0.0.0:", "//[::]:");
  const first = seen.get(text);
  if (first === undefined) seen.set(text, node.place);
  else tell(node.place, `Address "${node.text}" is taken by line ${first.line} (use another port)`);
}

export function checkHosts(root: ConfigNode, tell: Tell): void {
  const everyHost = new Map<string, Place>();
  const seen = new Map<string, Map<string, Place>>();
  for (const site of root.get("sites")?.items ?? []) {
    const hosts = site.get("hosts");
    const listeners = listenersOf(site);
    if (hosts === undefined && site.content.kind === "map") {
      const first = takenAt(everyHost, listeners, site.place);
      if (first !== undefined) {
        const what = `The site has no hosts, as the one of line ${first.line}`;
        tell(site.place, `${what} (add hosts to one of them)`);
      }
    }
    for (const host of hosts?.items ?? []) {
      if (host.text === undefined) continue;
      const name = host.text.toLowerCase();
      const taken = seen.get(name) ?? new Map<string, Place>();
      seen.set(name, taken);
      const first = takenAt(taken, listeners, host.place);
      if (first === undefined) continue;
      tell(host.place, `Host "${host.text}" is taken by line ${first.line} (keep one of them)`);
    }
  }
}

/** The key of a site that is served at every listener. */
const EVERY_LISTENER = "";

/** The listeners at which a site is served, as texts to compare. */
function listenersOf(site: ConfigNode): readonly string[] {
  const listen = site.get("listen");
  if (listen === undefined) return [EVERY_LISTENER];
  return (listen.items ?? []).flatMap((node) => addressOf(node) ?? []);
}

/** Who has it already at one of these listeners; if nobody, it is taken from now on. */
function takenAt(
  taken: Map<string, Place>,
  listeners: readonly string[],
  place: Place,
): Place | undefined {
  const isEverywhere = listeners.includes(EVERY_LISTENER);
  const first = isEverywhere
    ? taken.values().next().value
    : [EVERY_LISTENER, ...listeners].map((one) => taken.get(one)).find((one) => one !== undefined);
  if (first === undefined) { for (const listener of listeners) taken.set(listener, place); }
  return first;
}

/** What a site says of listeners must be one of those there are. */
export function checkSiteListeners(root: ConfigNode, tell: Tell): void {
  const nodes = (root.get("listen")?.items ?? []).map((node) => node.get("address") ?? node);
  const known = new Set(nodes.flatMap((node) => addressOf(node) ?? []));
  for (const site of root.get("sites")?.items ?? []) {
    for (const node of site.get("listen")?.items ?? []) {
      const address = addressOf(node);
      if (address === undefined || known.has(address)) continue;
      const there = nodes.map(({ text }) => text).filter((text) => text !== undefined);
      const remedy = there.length === 0
        ? "add it to the file's listen"
        : `add it to the file's listen, or use one of ${there.join(", ")}`;
      tell(node.place, `There is no listener "${node.text}" (${remedy})`);
    }
  }
}

/** Undefined for what the schema tells of. */
function addressOf({ text }: ConfigNode): string | undefined {
  if (text === undefined) return undefined;
  try {
    return formatAddress(parseServeAddress(text, LISTEN_ADDRESS_RULES));
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}
