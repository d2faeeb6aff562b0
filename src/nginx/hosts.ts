/** `server_name` and `listen` → hosts and listeners; who answers for hosts that nobody names. */
import type { Notes } from "../import/notes.ts";
import type { Directive } from "./parser.ts";
import { Scope } from "./scope.ts";
import { speaksTls } from "./tls_options.ts";

const NAME = /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

/** Options of `listen` that mark the default server. */
const DEFAULTS = ["default_server", "default"] as const;

/** Undefined where none of its names can be said; empty where it has none. */
export function hostsOf(server: Directive, notes: Notes): readonly string[] | undefined {
  const directives = new Scope(server.block ?? []).own("server_name");
  const hosts: string[] = [];
  let isNamed = false;
  for (const directive of directives) {
    notes.take(directive);
    for (const name of directive.args) {
      if (name === "_" || name === "") continue;
      isNamed = true;
      if (name.startsWith(".")) hosts.push(name.slice(1), `*${name}`);
      else if (NAME.test(name)) hosts.push(name);
      else notes.add("lost", directive, `no host is said by "${name}"`);
    }
  }
  if (isNamed && hosts.length === 0) return undefined;
  return [...new Set(hosts.map((host) => host.toLowerCase()))];
}

/** Whether nginx asks the server at an address for hosts that no other one names. */
export function isMarkedDefault(
  server: Directive,
  address: string,
  ipv6Ports: ReadonlySet<string>,
): boolean {
  return new Scope(server.block ?? []).own("listen").some(({ args }) =>
    listenAddress(args[0] ?? "", ipv6Ports) === address &&
    DEFAULTS.some((one) => args.includes(one))
  );
}

/** What listens on every interface of IPv6, by port; of these ours listens on both families. */
export function ipv6PortsOf(servers: readonly Directive[]): ReadonlySet<string> {
  const places = servers.flatMap((server) =>
    new Scope(server.block ?? []).own("listen").map(({ args }) => args[0] ?? "")
  );
  return new Set(
    places.filter((place) => place.startsWith("[::]"))
      .map((place) => place.slice("[::]:".length) || "80"),
  );
}

/** Ports of all servers that are listened at on every interface, of IPv4 at least. */
export function everywhereOf(servers: readonly Directive[]): ReadonlySet<string> {
  const places = servers.flatMap((server) =>
    new Scope(server.block ?? []).own("listen").map(({ args }) => args[0] ?? "")
  );
  const addresses = places.map((place) => listenAddress(place, new Set()));
  return new Set(addresses.flatMap((it) => /^(?:0\.0\.0\.0)?:(\d+)$/.exec(it)?.[1] ?? []));
}

/** Whether the system would refuse to listen there besides. */
export function isWithin(address: string, everywhere: ReadonlySet<string>): boolean {
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(address) ?? [];
  return host !== "" && host !== "0.0.0.0" && !host.startsWith("unix:") && everywhere.has(port);
}

export interface ListenParts {
  readonly ipv6Ports: ReadonlySet<string>;
  readonly everywhere: ReadonlySet<string>;
  readonly isFile: (path: string) => boolean;
  readonly notes: Notes;
  /** What is said of TLS at an address. */
  readonly speech: (address: string) => Record<string, unknown>;
}

/** Listeners in our words, without those that are there already. */
export function addListeners(
  scope: Scope,
  listeners: Map<string, unknown>,
  { ipv6Ports, everywhere, isFile, notes, speech }: ListenParts,
): void {
  const [cert, key] = [scope.one("ssl_certificate"), scope.one("ssl_certificate_key")];
  notes.take(cert, key, scope.one("ssl"));
  for (const directive of scope.own("listen")) {
    const [place = "", ...options] = directive.args;
    const address = listenAddress(place, ipv6Ports);
    notes.take(directive);
    if (isWithin(address, everywhere)) {
      notes.add("unneeded", directive, "its port is listened at on every interface");
      continue;
    }
    const lost = options.filter((it) =>
      ![...DEFAULTS, "ssl", "http2", "proxy_protocol"].includes(it)
    );
    if (lost.length > 0) notes.add("lost", directive, `"${lost.join(" ")}" has no counterpart`);
    if (options.includes("proxy_protocol")) {
      notes.add("refused", directive, "add its balancers to proxy_protocol of a listener");
      continue;
    }
    if (listeners.has(address)) continue;
    if (!speaksTls(scope, directive)) {
      listeners.set(address, address);
      continue;
    }
    const files = [cert?.args[0], key?.args[0]];
    if (files.every((file) => file !== undefined && isFile(file))) {
      const tls = { cert: files[0], key: files[1], ...speech(address) };
      listeners.set(address, { address, tls });
    } else notes.add("refused", directive, "its certificate and key are no files here");
  }
}

/** Where a server listens, in our words. */
export function addressesOf(scope: Scope, ipv6Ports: ReadonlySet<string>): readonly string[] {
  const places = scope.own("listen").map(({ args }) => args[0] ?? "");
  return [...new Set(places.map((place) => listenAddress(place, ipv6Ports)))];
}

/** nginx's `listen 80` is of IPv4 alone. */
export function listenAddress(place: string, ipv6Ports: ReadonlySet<string>): string {
  if (place.startsWith("unix:")) return place;
  const address = /^\d+$/.test(place)
    ? `:${place}`
    : place.replace(/^(?:\*|\[::\]|0\.0\.0\.0)(?=:|$)/, "") || ":80";
  if (!/:\d+$/.test(address)) return `${address}:80`;
  if (!address.startsWith(":") || ipv6Ports.has(address.slice(1))) return address;
  return `0.0.0.0${address}`;
}
