/**
 * The URI of a Gemini request (RFC 3986, RFC 3987): read strictly, then brought into its one form.
 * What has two readings is refused. Which host and scheme are ours is not decided here.
 */
import { decodePath } from "../routing/decoded_path.ts";
import { normalizeHost } from "./host.ts";

export const GEMINI_PORT = 1965;

const PORT_MAX = 65_535;

export interface GeminiUri {
  readonly kind: "uri";
  /** Lower case. */
  readonly scheme: string;
  /** A name in lower case and punycode, or an address; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** The whole URI in its normal form (RFC 3986 section 6.2.2). */
  readonly url: string;
  /** The path in its normal form, still encoded: what a redirect may say. */
  readonly encodedPath: string;
  /** Decoded, for routes and files. */
  readonly path: string;
  /** Undecoded, without "?"; undefined where there is none. */
  readonly query: string | undefined;
}

export interface UriRefusal {
  readonly kind: "refused";
  readonly code: 59;
  readonly reason: string;
}

/** Scheme, authority, path, query and fragment (RFC 3986 appendix B). */
const PARTS = /^([a-z][a-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(#.*)?$/is;
const AUTHORITY = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d*))?$/;
/** Characters that a URI never has unencoded (RFC 3986 section 2). */
// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\x00-\x20\x7f-\x9f"<>\\^`{|}]/;
const UNRESERVED = /[A-Za-z0-9._~-]/;

export function parseUri(text: string): GeminiUri | UriRefusal {
  const forbidden = FORBIDDEN.exec(text);
  if (forbidden !== null) return refuse(`The URI has ${describe(forbidden[0])} unencoded`);
  const parts = PARTS.exec(text);
  if (parts === null) return refuse("The URI has no scheme");
  const [, scheme = "", authority, rawPath = "", query, fragment] = parts;
  if (fragment !== undefined) return refuse("The URI has a fragment");
  if (authority === undefined) return refuse("The URI has no host");
  if (authority.includes("@")) return refuse("The URI has userinfo");
  const place = readAuthority(authority);
  if (typeof place === "string") return refuse(place);
  const whole = rawPath === "" ? "/" : rawPath;
  const decoded = decodePath(whole);
  if ("reason" in decoded) return refuse(decoded.reason);
  if (query !== undefined && decodeQuery(query) === undefined) {
    return refuse("The query has a broken percent-encoding, a NUL, or is not UTF-8");
  }
  const encodedPath = withoutDots(normalizeEncoding(whole));
  const encodedQuery = query === undefined ? undefined : normalizeEncoding(query);
  const { host, port } = place;
  const portText = port === GEMINI_PORT ? "" : `:${port}`;
  const queryText = encodedQuery === undefined ? "" : `?${encodedQuery}`;
  return {
    kind: "uri",
    scheme: scheme.toLowerCase(),
    host,
    port,
    url: `${scheme.toLowerCase()}://${host}${portText}${encodedPath}${queryText}`,
    encodedPath,
    path: decoded.path,
    query: encodedQuery,
  };
}

/** A query decoded once; undefined when it cannot be. "+" is a plus: this is no HTML form. */
export function decodeQuery(query: string): string | undefined {
  if (/%(?![0-9a-f]{2})/i.test(query)) return undefined;
  try {
    const text = decodeURIComponent(query);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

function readAuthority(text: string): { host: string; port: number } | string {
  const match = AUTHORITY.exec(text);
  const hostText = match?.[1];
  if (!hostText) return "The URI has no host";
  const host = normalizeHost(hostText);
  if (host === undefined) return "The host is no name and no address";
  const portText = match?.[2];
  const port = portText ? Number(portText) : GEMINI_PORT;
  return port > PORT_MAX ? `Port ${portText} is none` : { host, port };
}

/** Upper-case digits, nothing encoded that needs not be, everything that must be. */
function normalizeEncoding(text: string): string {
  return text.replace(/%[0-9a-f]{2}|[^\x21-\x7e]+/gi, (part) => {
    if (!part.startsWith("%")) return encodeURIComponent(part);
    const character = String.fromCharCode(parseInt(part.slice(1), 16));
    return UNRESERVED.test(character) ? character : part.toUpperCase();
  });
}

/** Without "." and ".." segments (RFC 3986 section 5.2.4); that none leaves the root is known. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  segments.forEach((segment, index) => {
    const isDot = segment === "." || segment === "..";
    if (segment === "..") kept.pop();
    if (!isDot) kept.push(segment);
    else if (index === segments.length - 1) kept.push("");
  });
  return `/${kept.join("/")}`;
}

function describe(character: string): string {
  return `the character 0x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

function refuse(reason: string): UriRefusal {
  return { kind: "refused", code: 59, reason };
}
