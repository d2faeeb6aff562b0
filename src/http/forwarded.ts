/**
 * What proxies say of the client before them: RFC 7239's `Forwarded`, or `X-Forwarded-For` and those
 * that go with it. Each is read into hops, the client's side first. This file trusts nobody: whom to
 * believe is decided in `trusted_proxies.ts`.
 *
 * Which of the two a proxy sets is configured, never guessed: one that sets the first passes on the
 * second as the client made it up.
 */
import { parseHost, type RequestHost } from "./host.ts";
import { addressBytes } from "./ip_networks.ts";

/** Which fields a proxy sets. */
export type ProxyHeaders = "x-forwarded" | "forwarded";

/** Most hops that are looked at, and most bytes of a field. */
export const FORWARDED_HOPS_MAX = 32;
export const FORWARDED_LENGTH_MAX = 4096;

/** What one proxy says; undefined where it says nothing, null where that cannot be read. */
export interface ForwardedHop {
  readonly client: { readonly host: string; readonly port: number } | null | undefined;
  readonly scheme: "http" | "https" | null | undefined;
  readonly host: RequestHost | null | undefined;
  readonly port: number | null | undefined;
}

const PORT_MAX = 65_535;
const FORWARDED_NAMES = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] as const;
/** `token=token` or `token="quoted"` (RFC 7239 section 4). */
const PAIR = /^\s*([\w!#$%&'*+.^`|~-]+)=(?:([^\s",;=]+)|"((?:[^"\\]|\\.)*)")\s*$/;

/** The hops that the fields tell, the nearest last; null when they cannot be read. */
export function readForwarded(
  kind: ProxyHeaders,
  headers: Headers,
): readonly ForwardedHop[] | null {
  return kind === "forwarded" ? readStandard(headers) : readCustomary(headers);
}

/**
 * A hop for each address. Of the other fields the last value is the nearest proxy's; where there are
 * as many as addresses, each belongs to its own.
 */
function readCustomary(headers: Headers): readonly ForwardedHop[] | null {
  const [clients, schemes, hosts] = FORWARDED_NAMES.map((name) => listOf(headers.get(name)));
  const ports = listOf(headers.get("x-forwarded-port"));
  if (!clients || !schemes || !hosts || !ports) return null;
  const count = Math.max(clients.length, 1);
  const at = (list: readonly string[], index: number) =>
    list.length === count ? list[index] : list.at(-1);
  return Array.from({ length: count }, (_, index) => ({
    client: read(clients[index], readNode),
    scheme: read(at(schemes, index), readScheme),
    host: read(at(hosts, index), readHost),
    port: read(at(ports, index), readPort),
  }));
}

function readStandard(headers: Headers): readonly ForwardedHop[] | null {
  const elements = splitOutsideQuotes(headers.get("forwarded") ?? "", ",");
  if (elements === null) return null;
  const hops = elements.map(readElement);
  return hops.every((hop) => hop !== null) ? hops : null;
}

function readElement(element: string): ForwardedHop | null {
  const pairs = new Map<string, string>();
  for (const text of splitOutsideQuotes(element, ";") ?? []) {
    const match = PAIR.exec(text);
    if (match === null) return null;
    const name = match[1]!.toLowerCase();
    if (pairs.has(name)) return null;
    pairs.set(name, match[2] ?? match[3]!.replace(/\\(.)/g, "$1"));
  }
  return {
    client: read(pairs.get("for"), readNode),
    scheme: read(pairs.get("proto"), readScheme),
    host: read(pairs.get("host"), readHost),
    port: undefined,
  };
}

/** The parts; null when there are too many bytes or hops, or a quote stays open. */
function splitOutsideQuotes(text: string, separator: string): readonly string[] | null {
  if (text.length > FORWARDED_LENGTH_MAX) return null;
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let index = 0; index <= text.length; index++) {
    const character = text[index];
    if (quoted && character === "\\") index++;
    else if (character === '"') quoted = !quoted;
    else if (index === text.length || (!quoted && character === separator)) {
      parts.push(text.slice(start, index).trim());
      start = index + 1;
    }
  }
  if (quoted || parts.length > FORWARDED_HOPS_MAX) return null;
  return parts.filter((part) => part !== "");
}

function listOf(text: string | null): readonly string[] | null {
  if (text === null) return [];
  if (text.length > FORWARDED_LENGTH_MAX) return null;
  const items = text.split(",").map((item) => item.trim()).filter((item) => item !== "");
  return items.length > FORWARDED_HOPS_MAX ? null : items;
}

function read<Value>(
  text: string | undefined,
  reader: (text: string) => Value | undefined,
): Value | null | undefined {
  return text === undefined ? undefined : reader(text) ?? null;
}

/** What may stand behind an address: a port, or a name of the proxy's own for one (section 6.3). */
const PORT = "(?::(?:(\\d{1,5})|_[\\w.-]+))?";
const BRACKETED_NODE = new RegExp(`^\\[([^\\]]*)\\]${PORT}$`);
const IPV4_NODE = new RegExp(`^([\\d.]+)${PORT}$`);

/** An address with or without a port; `unknown` and names of a proxy's own are none. */
function readNode(text: string): { host: string; port: number } | undefined {
  const match = BRACKETED_NODE.exec(text) ?? IPV4_NODE.exec(text);
  const host = (match?.[1] ?? text).toLowerCase();
  const port = match?.[2] === undefined ? 0 : Number(match[2]);
  return addressBytes(host) === undefined || port > PORT_MAX ? undefined : { host, port };
}

function readScheme(text: string): "http" | "https" | undefined {
  const scheme = text.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : undefined;
}

function readHost(text: string): RequestHost | undefined {
  return parseHost(text);
}

function readPort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port > 0 && port <= PORT_MAX ? port : undefined;
}
