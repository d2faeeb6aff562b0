/** The other end of an HTTP connection, written the same way whatever the listener's family. */
import type { HttpPeer } from "./connection.ts";

/** A unix socket's client has no address. */
export const UNIX_PEER: HttpPeer = { host: "", port: 0 };

/**
 * A listener on "::" sees IPv4 clients as "::ffff:192.0.2.1"; their own address is meant. The zone
 * of a link's address (`fe80::1%eth0`) names an interface of ours and is no part of it.
 */
export function peerHost(host: string): string {
  const zone = host.indexOf("%");
  if (zone >= 0) return host.slice(0, zone);
  return host.startsWith("::ffff:") && host.includes(".") ? host.slice("::ffff:".length) : host;
}
