/**
 * The Host header (RFC 9110 section 7.2): a name or an address, and maybe a port. RFC 3986 allows
 * more in a name than any host has; quotes, brackets and percent-encodings in it only ever reach an
 * application that pastes SERVER_NAME into a page or a query, so a name here is letters, digits,
 * "-", "_" and "~" between single dots. Two Host headers, which Bun joins with ", ", are no name.
 */

/** Most characters of the header: a name of 253, a dot, a colon and a port. */
export const HOST_LENGTH_MAX = 260;

/** Most hosts that a {@link HostCache} remembers; with one more it begins anew. */
export const HOST_CACHE_ENTRIES_MAX = 1024;

export interface RequestHost {
  /** Lower case, without a trailing dot; an IPv6 address keeps its brackets. */
  readonly name: string;
  /** Undefined where none, or an empty one, was given. */
  readonly port: number | undefined;
}

const AUTHORITY = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::(\d{0,5}))?$/i;
const NAME = /^[a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*\.?$/i;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?=\d)|$)){4}$/;
const PORT_MAX = 65_535;
const IPV6_GROUPS = 8;

/** Reads a Host header; undefined when it is malformed. */
export function parseHost(text: string): RequestHost | undefined {
  if (text.length > HOST_LENGTH_MAX) return undefined;
  const match = AUTHORITY.exec(text);
  if (match === null) return undefined;
  const [, address, name, portText] = match;
  const port = portText ? Number(portText) : undefined;
  if (port !== undefined && port > PORT_MAX) return undefined;
  if (address !== undefined) {
    return isIpv6(address) ? { name: `[${address.toLowerCase()}]`, port } : undefined;
  }
  if (name === undefined || !NAME.test(name)) return undefined;
  return { name: name.toLowerCase().replace(/\.$/, ""), port };
}

/** Whether a text is an IPv4 address, in the usual form of four numbers. */
export function isIpv4(text: string): boolean {
  return IPV4.test(text);
}

/** Whether a text is an IPv6 address (RFC 4291 section 2.2), without brackets and zone. */
export function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => half === "" ? [] : half.split(":"));
  const last = groups.at(-1);
  if (last?.includes(".") && !text.endsWith("::")) {
    if (!IPV4.test(last)) return false;
    groups.splice(-1, 1, "0", "0");
  }
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  return halves.length === 2 ? groups.length < IPV6_GROUPS : groups.length === IPV6_GROUPS;
}

/** Remembers hosts that were valid: clients of a server name the same few repeatedly. */
export class HostCache {
  readonly #hosts = new Map<string, RequestHost>();
  /** The one asked for last: to compare two texts costs less than to find one in a Map. */
  #lastText = "";
  #last: RequestHost | undefined;

  /** Hosts remembered, for tests of the bound. */
  get size(): number {
    return this.#hosts.size;
  }

  /** As {@link parseHost}. */
  read(text: string): RequestHost | undefined {
    if (text === this.#lastText) return this.#last;
    this.#last = this.#hosts.get(text) ?? this.#learn(text);
    this.#lastText = text;
    return this.#last;
  }

  #learn(text: string): RequestHost | undefined {
    const host = parseHost(text);
    if (host === undefined) return undefined;
    if (this.#hosts.size >= HOST_CACHE_ENTRIES_MAX) this.#hosts.clear();
    this.#hosts.set(text, host);
    return host;
  }
}
