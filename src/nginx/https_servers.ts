/**
 * Servers that only lead to HTTPS: where another one has their hosts over TLS, that one's site says it
 * (`https: redirect`), and is served at their addresses as well.
 */
import { hostsOf } from "./hosts.ts";
import type { Notes } from "../import/notes.ts";
import { type Directive, flatten } from "./parser.ts";
import { Scope } from "./scope.ts";
import type { ListeningServer } from "./site_places.ts";
import { speaksTls } from "./tls_options.ts";

export interface LedServers {
  /** Without those that only lead to others. */
  readonly servers: readonly ListeningServer[];
  /** Those whose sites lead there. */
  readonly leading: ReadonlySet<Directive>;
}

export function httpsServers(
  servers: readonly ListeningServer[],
  outer: Scope,
  notes: Notes,
): LedServers {
  const leading = new Set<Directive>();
  const more = new Map<Directive, string[]>();
  const left = servers.filter((one) => {
    if (!onlyLeads(one.server, outer)) return true;
    const hosts = hostsOf(one.server, notes) ?? [];
    const target = servers.find(({ server, addresses }) =>
      server !== one.server && isTls(server, outer) &&
      addresses.every((it) => !one.addresses.includes(it)) &&
      hosts.length > 0 && hosts.every((host) => hostsOf(server, notes)?.includes(host))
    );
    // Two of them at one address would be two defaults.
    if (target === undefined || leading.has(target.server)) return true;
    leading.add(target.server);
    more.set(target.server, [...one.addresses]);
    notes.take(one.server, ...flatten(one.server.block ?? []));
    const [returned] = new Scope(one.server.block ?? []).own("return");
    notes.add("differs", returned!, "the site of its hosts leads to HTTPS, with 308");
    return false;
  });
  return {
    leading,
    servers: left.map(({ server, addresses }) => ({
      server,
      addresses: [...addresses, ...more.get(server) ?? []],
    })),
  };
}

function isTls(server: Directive, outer: Scope): boolean {
  const scope = new Scope(server.block ?? [], outer);
  const listens = scope.own("listen");
  return listens.length > 0 && listens.every((listen) => speaksTls(scope, listen));
}

/** Whether all of its requests go to the same place over TLS. */
function onlyLeads(server: Directive, outer: Scope): boolean {
  if (isTls(server, outer)) return false;
  const block = server.block ?? [];
  const own = block.filter(({ name }) =>
    !/^(?:listen|server_name|return|access_log|error_log|server_tokens|root|index|charset)$/.test(
      name,
    )
  );
  const names = new Scope(block).own("server_name").flatMap(({ args }) => args);
  const [returned, ...others] = new Scope(block).own("return");
  if (own.length > 0 || returned === undefined || others.length > 0) return false;
  const [status = "", to = ""] = returned.args;
  const host = /^https:\/\/(.+?)\$(?:request_uri|\{request_uri\})$/.exec(to)?.[1] ?? "";
  return /^30[1278]$/.test(status) &&
    (/^\$\{?(?:host|http_host|server_name)\}?$/.test(host) &&
        (host.includes("host") || names.length === 1) ||
      (names.length === 1 && names[0] === host));
}
