/**
 * What proxies say of the client before them: `X-Forwarded-For` and those that go with it, or RFC
 * 7239's `Forwarded`. Each proxy appends to a list, so a list is read from its right, where the
 * nearest one writes, one entry at a time and no further than the first hop that is not trusted.
 * What stands left of that is whatever its client made up; neither its syntax nor its length matter.
 *
 * Which fields a proxy sets is configured, never guessed: one that sets the first passes on the
 * others as the client sent them.
 */
import { parseHost, type RequestHost } from "./host.ts";
import { canonicalAddress } from "./ip_networks.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";

/** What a proxy sets: a field X-Forwarded-NAME, `Forwarded`, or X-Request-Id. */
export const PROXY_HEADERS = ["for", "proto", "host", "port", "forwarded", "request-id"] as const;
export type ProxyHeader = (typeof PROXY_HEADERS)[number];

/** A value that was told; undefined where nothing was said, null where it cannot be read. */
type Told<Value> = Value | null | undefined;

export interface ToldClient {
  readonly host: string;
  readonly port: number;
}

/** What the last trusted proxy says of who came to it. */
export interface ForwardedHop {
  /** Null: there is a client, and nobody knows which. */
  readonly client: Told<ToldClient>;
  readonly scheme: Told<"http" | "https">;
  readonly host: Told<RequestHost>;
  readonly port: Told<number>;
  /** The first that could not be read, with the field's name, for people to look at. */
  readonly error: { readonly field: string; readonly value: string } | undefined;
}

/** Longest entry that is looked at: an IPv6 address in brackets with a port's made-up name. */
const ENTRY_LENGTH_MAX = 128;
/** Most pairs of an element that are looked at; the standard knows four. */
const PAIRS_MAX = 16;
const ELEMENT_LENGTH_MAX = 1024;

const PORT_MAX = 65_535;
const FIELD_NAMES = {
  for: "X-Forwarded-For",
  proto: "X-Forwarded-Proto",
  host: "X-Forwarded-Host",
  port: "X-Forwarded-Port",
} as const;
/** `token=token` or `token="quoted"` (RFC 7239 section 4). */
const PAIR = /^[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:([^\s",;=]+)|"((?:[^"\\]|\\.)*)")[ \t]*$/;
const PAIR_NAME = /^[ \t]*([\w!#$%&'*+.^`|~-]+)=/;

/** What is said by those whom `isTrusted` believes; the peer itself is. */
export function readForwarded(
  fields: ReadonlySet<ProxyHeader>,
  headers: HttpHeaders,
  isTrusted: (address: string) => boolean,
): ForwardedHop {
  return fields.has("forwarded")
    ? readStandard(headers, isTrusted)
    : readCustomary(fields, headers, isTrusted);
}

function readCustomary(
  fields: ReadonlySet<ProxyHeader>,
  headers: HttpHeaders,
  isTrusted: (address: string) => boolean,
): ForwardedHop {
  const errors = new FieldErrors();
  const clients = fields.has("for") ? headers.get("x-forwarded-for") : null;
  let depth = 0;
  let client: Told<ToldClient>;
  for (let end = clients?.length ?? -1; end >= 0; depth++) {
    const start = entryStart(clients!, end);
    client = errors.read(FIELD_NAMES.for, clients!.slice(start, end), readNode);
    if (client === null || start === 0 || !isTrusted(client!.host)) break;
    end = start - 1;
  }
  const told = <Value>(
    field: "proto" | "host" | "port",
    reader: (text: string) => Value | undefined,
  ) => {
    const text = fields.has(field) ? valueAt(headers.get(`x-forwarded-${field}`), depth) : "";
    return text === "" ? undefined : errors.read(FIELD_NAMES[field], text, reader);
  };
  const scheme = told("proto", readScheme);
  const host = told("host", parseHost);
  const port = told("port", readPort);
  return { client, scheme, host, port, error: errors.first };
}

/** Where the entry begins that ends at `end`. */
function entryStart(list: string, end: number): number {
  return end === 0 ? 0 : list.lastIndexOf(",", end - 1) + 1;
}

/** The entry beside the client's address; the nearest proxy's where not every proxy adds one. */
function valueAt(list: string | null, depth: number): string {
  if (list === null) return "";
  let end = list.length;
  const nearest = trimmed(list.slice(entryStart(list, end)));
  for (let passed = 0; passed < depth; passed++) {
    end = entryStart(list, end) - 1;
    if (end < 0) return nearest;
  }
  return trimmed(list.slice(entryStart(list, end), end));
}

function readStandard(headers: HttpHeaders, isTrusted: (address: string) => boolean): ForwardedHop {
  const text = headers.get("forwarded");
  if (text === null) return NOTHING_TOLD;
  for (let end = text.length;;) {
    const start = elementStart(text, end);
    const hop = start === undefined
      ? unreadable(text.slice(Math.max(0, end - ELEMENT_LENGTH_MAX), end))
      : readElement(text.slice(start, end));
    if (!start || hop.client === null || !isTrusted(hop.client!.host)) return hop;
    end = start - 1;
  }
}

const NOTHING_TOLD: ForwardedHop = {
  client: undefined,
  scheme: undefined,
  host: undefined,
  port: undefined,
  error: undefined,
};

function unreadable(element: string): ForwardedHop {
  return { ...NOTHING_TOLD, client: null, error: { field: "Forwarded", value: trimmed(element) } };
}

/**
 * Where the element begins that ends at `end`: behind a comma that stands in no quotes. Looked for
 * from the right, a quote that a client has left open is never met. Undefined where one stays open.
 */
function elementStart(text: string, end: number): number | undefined {
  for (let index = end - 1; index >= 0; index--) {
    const character = text[index];
    if (character === ",") return index + 1;
    if (character !== '"') continue;
    do index = text.lastIndexOf('"', index - 1); while (index > 0 && isEscaped(text, index));
    if (index <= 0) return undefined;
  }
  return 0;
}

function isEscaped(text: string, index: number): boolean {
  let count = 0;
  while (text[index - 1 - count] === "\\") count++;
  return count % 2 === 1;
}

/** An element that does not say whom it is for leaves that unknown: no proxy is its own client. */
function readElement(element: string): ForwardedHop {
  if (element.length > ELEMENT_LENGTH_MAX) return unreadable(element);
  const pairs = new Map<string, string | null>();
  const texts = splitPairs(element);
  if (texts.length > PAIRS_MAX) return unreadable(element);
  for (const text of texts) {
    const name = PAIR_NAME.exec(text)?.[1]?.toLowerCase();
    if (name === undefined || pairs.has(name)) return unreadable(element);
    const match = PAIR.exec(text);
    pairs.set(name, match && (match[2] ?? match[3]!.replace(/\\(.)/g, "$1")));
  }
  const errors = new FieldErrors();
  const told = <Value>(name: string, reader: (text: string) => Value | undefined) => {
    const text = pairs.get(name);
    return text === undefined ? undefined : errors.read("Forwarded", text ?? element, (given) => {
      return text === null ? undefined : reader(given);
    });
  };
  const client = told("for", readNode);
  if (client === undefined) return unreadable(element);
  return {
    client,
    scheme: told("proto", readScheme),
    host: told("host", parseHost),
    port: undefined,
    error: errors.first,
  };
}

/** The pairs, cut at each ";" outside quotes; empty ones mean nothing. */
function splitPairs(element: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let index = 0; index <= element.length; index++) {
    const character = element[index];
    if (quoted && character === "\\") index++;
    else if (character === '"') quoted = !quoted;
    else if (index === element.length || (!quoted && character === ";")) {
      parts.push(element.slice(start, index));
      start = index + 1;
    }
  }
  // What a quote that stays open has swallowed is no pair.
  if (quoted) parts.push(element.slice(start));
  return parts.filter((part) => trimmed(part) !== "");
}

/** Remembers the first value that could not be read. */
class FieldErrors {
  first: ForwardedHop["error"];

  read<Value>(
    field: string,
    text: string,
    reader: (text: string) => Value | undefined,
  ): Value | null {
    const value = reader(trimmed(text));
    if (value !== undefined) return value;
    this.first ??= { field, value: trimmed(text) };
    return null;
  }
}

/** What may stand around an entry (RFC 9110 section 5.6.3), and no more than that. */
function trimmed(text: string): string {
  return text.replace(/^[ \t]+/, "").replace(/(?<![ \t])[ \t]+$/, "");
}

/** What may stand behind an address: a port, or a name of the proxy's own for one (section 6.3). */
const PORT = "(?::(?:(\\d{1,5})|_[\\w.-]+))?";
const BRACKETED_NODE = new RegExp(`^\\[([^\\]]*)\\]${PORT}$`);
const IPV4_NODE = new RegExp(`^([\\d.]+)${PORT}$`);

/** An address with or without a port; `unknown` and names of a proxy's own are none. */
function readNode(text: string): ToldClient | undefined {
  if (text.length > ENTRY_LENGTH_MAX) return undefined;
  const match = BRACKETED_NODE.exec(text) ?? IPV4_NODE.exec(text);
  const host = canonicalAddress(match?.[1] ?? text);
  const port = match?.[2] === undefined ? 0 : Number(match[2]);
  return host === undefined || port > PORT_MAX ? undefined : { host, port };
}

function readScheme(text: string): "http" | "https" | undefined {
  const scheme = text.toLowerCase();
  return scheme === "http" || scheme === "https" ? scheme : undefined;
}

function readPort(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port > 0 && port <= PORT_MAX ? port : undefined;
}
