/**
 * Addresses and networks of IPv4 and IPv6 (RFC 4291, RFC 4632). All are compared as 16 bytes, an IPv4
 * address as the IPv6 address that stands for it (`::ffff:192.0.2.1`), so both ways of writing one
 * meet the same networks.
 */
import { isIpv4, isIpv6 } from "./host.ts";

const IPV6_LENGTH = 16;
const IPV6_BITS = 128;
const IPV4_BITS = 32;
const GROUPS = 8;
/** Where the IPv4 address stands in the IPv6 address that is made of it. */
const MAPPED_OFFSET = 12;

/** The word for clients of a unix socket, which have no address. */
export const UNIX_NETWORK = "unix";

interface Network {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** The 16 bytes of an address; undefined when the text is none. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (isIpv4(text)) return mapped(text);
  return isIpv6(text) ? ipv6Bytes(text) : undefined;
}

function mapped(text: string): Uint8Array {
  const bytes = new Uint8Array(IPV6_LENGTH);
  bytes.fill(0xff, MAPPED_OFFSET - 2, MAPPED_OFFSET);
  bytes.set(text.split(".").map(Number), MAPPED_OFFSET);
  return bytes;
}

function ipv6Bytes(text: string): Uint8Array {
  const last = text.slice(text.lastIndexOf(":") + 1);
  if (last.includes(".")) {
    const [a, b, c, d] = last.split(".").map(Number) as [number, number, number, number];
    const groups = [a << 8 | b, c << 8 | d].map((group) => group.toString(16)).join(":");
    return ipv6Bytes(text.slice(0, -last.length) + groups);
  }
  const [left = "", tail] = text.split("::");
  const before = left === "" ? [] : left.split(":");
  const after = tail ? tail.split(":") : [];
  const zeros = new Array<string>(GROUPS - before.length - after.length).fill("0");
  const bytes = new Uint8Array(IPV6_LENGTH);
  [...before, ...zeros, ...after].forEach((group, index) => {
    const value = parseInt(group, 16);
    bytes[2 * index] = value >> 8;
    bytes[2 * index + 1] = value & 0xff;
  });
  return bytes;
}

const GROUP_BYTES = 2;
/** Behind an address of one link (RFC 4007 section 11): which of our own interfaces it is at. */
const ZONE = /%[\w.~-]{1,64}$/;

/**
 * The one way in which an address is written (RFC 5952): without zone, and an IPv4 address as such,
 * also where it stands in an IPv6 address. Undefined when the text is no address.
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIpv4(text)) return text;
  const bytes = addressBytes(text.replace(ZONE, ""));
  if (bytes === undefined) return undefined;
  if (isMapped(bytes)) return bytes.subarray(MAPPED_OFFSET).join(".");
  const groups = Array.from(
    { length: GROUPS },
    (_, index) => (bytes[GROUP_BYTES * index]! << 8 | bytes[GROUP_BYTES * index + 1]!).toString(16),
  );
  const zeros = longestZeros(groups);
  if (zeros === undefined) return groups.join(":");
  const before = groups.slice(0, zeros.start).join(":");
  return `${before}::${groups.slice(zeros.start + zeros.length).join(":")}`;
}

/** The first of the longest runs of two and more groups that are zero. */
function longestZeros(
  groups: readonly string[],
): { readonly start: number; readonly length: number } | undefined {
  let longest = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === "0") length++;
    if (length > longest.length) longest = { start, length };
  }
  return longest.length > 1 ? longest : undefined;
}

/** Whether it stands for an IPv4 address. */
function isMapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, MAPPED_OFFSET).every((byte, index) =>
    byte === (index < MAPPED_OFFSET - 2 ? 0 : 0xff)
  );
}

/** A network such as `10.0.0.0/8`, or a single address; undefined when the text is none. */
function parseNetwork(text: string): Network | undefined {
  const [address = "", prefix, ...rest] = text.split("/");
  const bytes = addressBytes(address);
  if (bytes === undefined || rest.length > 0) return undefined;
  const bitsMax = isIpv4(address) ? IPV4_BITS : IPV6_BITS;
  if (prefix !== undefined && !/^\d{1,3}$/.test(prefix)) return undefined;
  const bits = prefix === undefined ? bitsMax : Number(prefix);
  return bits > bitsMax ? undefined : { bytes, bits: IPV6_BITS - bitsMax + bits };
}

/** Whether a text names a network, an address, or clients of a unix socket. */
export function isNetwork(text: string): boolean {
  return text === UNIX_NETWORK || parseNetwork(text) !== undefined;
}

export class IpNetworks {
  readonly #networks: readonly Network[];
  readonly #hasUnix: boolean;

  /** @throws {RangeError} when a text names no network */
  constructor(texts: readonly string[]) {
    this.#hasUnix = texts.includes(UNIX_NETWORK);
    this.#networks = texts.filter((text) => text !== UNIX_NETWORK).map((text) => {
      const network = parseNetwork(text);
      if (network === undefined) throw new RangeError(`"${text}" is no network`);
      return network;
    });
  }

  /**
   * Whether the address is in one of them; an empty one is that of a unix socket's client, and what
   * is no address is in none.
   */
  has(address: string): boolean {
    if (address === "") return this.#hasUnix;
    const bytes = addressBytes(address);
    return bytes !== undefined && this.#networks.some((network) => contains(network, bytes));
  }

  /** The same, where a network of IPv6 such as `::/0` has no IPv4 address in it. */
  hasOfFamily(address: string): boolean {
    const bytes = addressBytes(address);
    if (bytes === undefined) return false;
    const bitsMin = isMapped(bytes) ? IPV6_BITS - IPV4_BITS : 0;
    return this.#networks.some((network) => network.bits >= bitsMin && contains(network, bytes));
  }
}

function contains({ bytes, bits }: Network, address: Uint8Array): boolean {
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) {
    if (bytes[index] !== address[index]) return false;
  }
  const rest = bits & 7;
  return rest === 0 || (bytes[whole]! ^ address[whole]!) >> (8 - rest) === 0;
}
