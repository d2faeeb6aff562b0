/**
 * Which peers may connect: the list of the web server's IP addresses in FCGI_WEB_SERVER_ADDRS
 * (section 3.2). A connection without an IP address, that of a unix socket, is on no such list.
 */
import { parseAddress } from "../runtime/address.ts";
import type { Process } from "../runtime/process.ts";

const VARIABLE = "FCGI_WEB_SERVER_ADDRS";
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const IPV6 = /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/;

/** See the top of this file. */
export class WebServers {
  readonly #addresses: ReadonlySet<string>;

  /** @throws {RangeError} when one of them is not an IP address */
  constructor(addresses: readonly string[]) {
    this.#addresses = new Set(addresses.map(canonical));
  }

  /** Undefined where the environment has no list. */
  static fromEnvironment(process: Process): WebServers | undefined {
    const text = process.env(VARIABLE)?.trim() ?? "";
    if (text === "") return undefined;
    return new WebServers(text.split(",").map((address) => address.trim()));
  }

  /** @param peer a connection's other end, as `ByteConnection.remote` names it */
  include(peer: string): boolean {
    if (!peer.startsWith("tcp://")) return false;
    const address = parseAddress(peer);
    return address.transport === "tcp" && this.#addresses.has(canonical(address.host));
  }

  toString(): string {
    return [...this.#addresses].join(", ");
  }
}

/** One spelling for each address; IPv6 has many. */
function canonical(address: string): string {
  if (IPV4.test(address)) return address;
  const url = `http://[${address}]/`;
  if (IPV6.test(address) && URL.canParse(url)) return new URL(url).hostname.slice(1, -1);
  throw new RangeError(
    `Cannot serve FastCGI: web server "${address}" is not an IP address (use "192.0.2.1,::1")`,
  );
}
