/**
 * The fields with which a request goes on to an HTTP server. Three kinds stay here: those of one hop
 * (RFC 9110 section 7.6.1), those that frame the request, which who sends it says, and those that
 * say who the client is, which are ours to say: a server behind us believes them. A name with other
 * characters than letters, digits and "-" stays here too, as with FastCGI: many servers cannot tell
 * `X_Real_IP` from `X-Real-IP`.
 *
 * Values have a character for each byte.
 */
import { endedByConnection, HOP_BY_HOP } from "../cgi/header_names.ts";
import type { HttpHeaders } from "../runtime/http_request.ts";
import { portOf, type RequestContext } from "./request_context.ts";

/** By which we name ourselves in Via. */
const PSEUDONYM = "afcgi";
/** A request that has come through us so often goes round in circles. */
export const LOOPS_MAX = 8;

const NAME = /^[a-z0-9-]+$/;

/** Fields that are ours to say, or nobody's. */
const NEVER_PASSED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  "content-length",
  "expect",
  "forwarded",
  "host",
  "http2-settings",
  "proxy",
  "proxy-authorization",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
]);

const FORWARDED = "x-forwarded-";
const PARAMETER = "HTTP_";

/** Names in lower case, and values. */
export type ProxyFields = Map<string, string>;

/** The client's fields without those that stay here, and those that we say of it. */
export function proxyFields(context: RequestContext, headers: HttpHeaders): ProxyFields {
  const fields: ProxyFields = new Map();
  const isFromProxy = context.proxy !== undefined;
  const endHere = isFromProxy ? undefined : endedByConnection(headers.get("connection"));
  headers.forEach((value, name) => {
    if (NEVER_PASSED.has(name) || !NAME.test(name) || endHere?.has(name)) return;
    // A trusted proxy may say more than we know.
    if (name.startsWith(FORWARDED) && !isFromProxy) return;
    fields.set(name, value);
  });
  // What was learnt of the request on its way, such as its trace.
  for (const [name, value] of context.extra ?? []) {
    if (!name.startsWith(PARAMETER) || name === "HTTP_HOST") continue;
    const field = name.slice(PARAMETER.length).toLowerCase().replaceAll("_", "-");
    if (NEVER_PASSED.has(field)) continue;
    if (value === "") fields.delete(field);
    else fields.set(field, value);
  }
  addClient(fields, context);
  const via = headers.get("via");
  fields.set("via", `${via === null ? "" : `${via}, `}1.1 ${PSEUDONYM}`);
  return fields;
}

/** Whether the request has come through us so often that it cannot be meant. */
export function isLoop(headers: HttpHeaders): boolean {
  const via = headers.get("via");
  if (via === null || via.length < LOOPS_MAX * PSEUDONYM.length) return false;
  return via.split(",").filter((hop) => hop.trim().endsWith(` ${PSEUDONYM}`)).length >= LOOPS_MAX;
}

/** The host that the client named, with its port where it named one. */
export function hostText({ host }: Pick<RequestContext, "host">): string {
  return host.port === undefined ? host.name : `${host.name}:${host.port}`;
}

/**
 * Who the client is, as we have found out, then the trusted proxy that it came through: what stood
 * before the client in a list is its own invention, and goes no further.
 */
function addClient(fields: ProxyFields, context: RequestContext): void {
  const { peer, proxy, listener: { scheme } } = context;
  const hops = proxy === undefined ? [peer.host] : [peer.host, proxy];
  const host = hostText(context);
  // A client on a unix socket has no address.
  const known = hops.map((hop) => hop === "" ? "unix:" : hop);
  fields.set("x-real-ip", known[0]!);
  fields.set("x-forwarded-for", known.join(", "));
  fields.set("x-forwarded-proto", scheme);
  fields.set("x-forwarded-host", host);
  fields.set("x-forwarded-port", String(portOf(context)));
  const [client, ...proxies] = known.map((hop) => `for=${forwardedNode(hop)}`);
  const first = `${client};host=${quotedHost(host)};proto=${scheme}`;
  fields.set("forwarded", [first, ...proxies].join(", "));
}

/** RFC 7239 section 6: an IPv6 address in brackets and quotes; who is not known says so. */
function forwardedNode(host: string): string {
  if (host.includes(":") && host !== "unix:") return `"[${host}]"`;
  return /^[\d.]+$/.test(host) ? host : "unknown";
}

function quotedHost(host: string): string {
  return /^[\w.-]+$/.test(host) ? host : `"${host}"`;
}
