/**
 * Which hosts a server has at which addresses → sites. nginx chooses a server by the listener first,
 * then by the host; at each address the first one, or the marked one, has what nobody names. So a
 * server may be two sites: that of its names, and that of every host where it is the default.
 */
import { addressesOf, hostsOf, isMarkedDefault, isWithin, listenAddress } from "./hosts.ts";
import type { Notes } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import { Scope } from "./scope.ts";

/** Where a site is served; what is undefined is everything. */
export interface SitePlace {
  readonly hosts: readonly string[] | undefined;
  readonly listen: readonly string[] | undefined;
}

export interface ListeningServer {
  readonly server: Directive;
  /** Those that are opened. */
  readonly addresses: readonly string[];
}

/** Addresses of servers, of which only those count that are opened. */
export function listening(
  servers: readonly Directive[],
  outer: Scope,
  ipv6Ports: ReadonlySet<string>,
  opened: ReadonlyMap<string, unknown>,
): readonly ListeningServer[] {
  return servers.map((server) => {
    const addresses = addressesOf(new Scope(server.block ?? [], outer), ipv6Ports);
    const all = addresses.length === 0 ? ["0.0.0.0:80"] : addresses;
    return { server, addresses: all.filter((it) => opened.has(it)) };
  });
}

/**
 * The `listen` of a server of the same host that the system would not open beside this one's: who comes
 * to its address would come here, so this one is closed.
 */
export function hiddenTwin(
  server: Directive,
  servers: readonly Directive[],
  everywhere: ReadonlySet<string>,
  notes: Notes,
): Directive | undefined {
  const hosts = hostsOf(server, notes) ?? [];
  const twins = servers.filter((other) => {
    const names = hostsOf(other, notes) ?? [];
    return other !== server &&
      (names.some((name) => hosts.includes(name)) || (names.length === 0 && hosts.length === 0));
  });
  return twins.flatMap(({ block = [] }) => new Scope(block).own("listen")).find(({ args }) =>
    isWithin(listenAddress(args[0] ?? "", new Set()), everywhere)
  );
}

/** The places of each server, in their order; none where no request leads to it. */
export function sitePlaces(
  servers: readonly ListeningServer[],
  ipv6Ports: ReadonlySet<string>,
  notes: Notes,
): ReadonlyMap<Directive, readonly SitePlace[]> {
  const all = new Set(servers.flatMap(({ addresses }) => addresses));
  const defaults = new Map<string, Directive>();
  for (const address of all) {
    const here = servers.filter(({ addresses }) => addresses.includes(address));
    const marked = here.find(({ server }) => isMarkedDefault(server, address, ipv6Ports));
    defaults.set(address, (marked ?? here[0]!).server);
  }
  const taken = new Set<string>();
  const listenOf = (addresses: readonly string[]) =>
    addresses.length === all.size ? undefined : addresses;
  return new Map(servers.map(({ server, addresses }) => {
    const own = addresses.filter((address) => defaults.get(address) === server);
    const byPlace = new Map<string, string[]>();
    for (const host of hostsOf(server, notes) ?? []) {
      const free = addresses.filter((it) => !own.includes(it) && !taken.has(`${it} ${host}`));
      for (const address of addresses) taken.add(`${address} ${host}`);
      if (free.length === 0) continue;
      byPlace.set(free.join(" "), [...byPlace.get(free.join(" ")) ?? [], host]);
    }
    const named = [...byPlace].map(([text, hosts]): SitePlace => {
      return { hosts, listen: listenOf(text.split(" ")) };
    });
    const places = own.length === 0
      ? named
      : [{ hosts: undefined, listen: listenOf(own) }, ...named];
    return [server, places];
  }));
}
