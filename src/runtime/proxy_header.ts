/**
 * What a proxy says of its client before the client's first byte: HAProxy's PROXY protocol (its
 * specification, of 2020), version 1 in text and version 2 in bytes. Strict: a header that could be
 * read in two ways is none. Type-length-values are skipped. Pure but for the form of addresses.
 */
import { netModule } from "./lazy_modules.ts";
import { peerHost } from "./peer.ts";

/** Longest header of version 1, with its line's end. */
const TEXT_LENGTH_MAX = 107;
/** Longest header of version 2 that is taken; its values beside the addresses are not looked at. */
export const PROXY_HEADER_LENGTH_MAX = 16 * 1024;

/** Connections of a listener whose proxy has not said yet whose they are. */
export const PROXIED_MAX = 1024;

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const FIXED_LENGTH = 16;
const TEXT_BEGIN = [...new TextEncoder().encode("PROXY ")];

export interface ProxyHeader {
  /** Bytes of the header. */
  readonly length: number;
  /** Undefined where the proxy speaks for itself (LOCAL), or does not know. */
  readonly client: { readonly host: string; readonly port: number } | undefined;
}

/** Undefined while there is more to come; null: this is no header. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | undefined | null {
  if (begins(bytes, SIGNATURE)) return readBinary(bytes);
  if (begins(bytes, TEXT_BEGIN)) return readText(bytes);
  return null;
}

/** Whether the bytes are the beginning of these, or these the beginning of them. */
function begins(bytes: Uint8Array, wanted: readonly number[]): boolean {
  return wanted.every((byte, index) => index >= bytes.length || bytes[index] === byte);
}

function readText(bytes: Uint8Array): ProxyHeader | undefined | null {
  const end = bytes.subarray(0, TEXT_LENGTH_MAX).indexOf(0x0a);
  if (end < 0) return bytes.length < TEXT_LENGTH_MAX ? undefined : null;
  const line = String.fromCharCode(...bytes.subarray(0, end + 1));
  const length = end + 1;
  if (/^PROXY UNKNOWN( [\x20-\x7e]*)?\r\n$/.test(line)) return { length, client: undefined };
  const match = /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})\r\n$/.exec(line);
  if (match === null) return null;
  const [, family, source = "", target = "", sourcePort = "", targetPort = ""] = match;
  const { isIPv4, isIPv6 } = netModule();
  const isAddress = family === "4" ? isIPv4 : isIPv6;
  const ports = [sourcePort, targetPort];
  const arePorts = ports.every((port) => Number(port) <= 65_535 && /^(0|[1-9]\d*)$/.test(port));
  if (!isAddress(source) || !isAddress(target) || !arePorts) return null;
  return { length, client: { host: canonical(source), port: Number(sourcePort) } };
}

function readBinary(bytes: Uint8Array): ProxyHeader | undefined | null {
  if (bytes.length < FIXED_LENGTH) return undefined;
  const [command = 0, family = 0] = bytes.subarray(12);
  const rest = (bytes[14]! << 8) | bytes[15]!;
  const length = FIXED_LENGTH + rest;
  if (length > PROXY_HEADER_LENGTH_MAX || command >> 4 !== 2) return null;
  if ((command & 0x0f) > 1) return null;
  if (bytes.length < length) return undefined;
  if ((command & 0x0f) === 0 || family === 0x00) return { length, client: undefined };
  const body = bytes.subarray(FIXED_LENGTH, length);
  if (family === 0x11 && rest >= 12) {
    return { length, client: { host: body.subarray(0, 4).join("."), port: portAt(body, 8) } };
  }
  if (family === 0x21 && rest >= 36) {
    const groups = Array.from({ length: 8 }, (_, index) => portAt(body, index * 2).toString(16));
    return { length, client: { host: canonical(groups.join(":")), port: portAt(body, 32) } };
  }
  // A client of the proxy's unix socket has no address.
  return family === 0x31 && rest >= 216 ? { length, client: undefined } : null;
}

function portAt(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

/** As the runtimes write it: an address of IPv4 in that of IPv6 is itself. */
function canonical(address: string): string {
  if (!address.includes(":")) return address;
  const host = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host) ?? [];
  if (high === undefined || low === undefined) return peerHost(host);
  const value = parseInt(high, 16) * 65_536 + parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
}
