/** The schema of what a site believes of those before it. */
import * as v from "valibot";
import { PROXY_HEADERS, type ProxyHeader } from "../http/forwarded.ts";
import { isNetwork, UNIX_NETWORK } from "../http/ip_networks.ts";
import { flag, list, oneOf, optional, refuse, TEXT_REMEDY } from "./schema_parts.ts";

export function network() {
  const remedy = 'use a network such as "10.0.0.0/8" or an address';
  return networkLike((text) => text !== UNIX_NETWORK && isNetwork(text), remedy);
}

/** The same, or the word for clients of a unix socket. */
function networkOrUnix() {
  return networkLike(isNetwork, 'use a network such as "10.0.0.0/8", an address, or "unix"');
}

function networkLike(isValid: (text: string) => boolean, remedy: string) {
  return v.pipe(
    v.string(TEXT_REMEDY),
    v.title("network"),
    refuse((text) => isValid(text) ? undefined : `"${text}" is no network (${remedy})`),
  );
}

const PROXY_HEADERS_REMEDY =
  "use a list of what your proxies set, such as [for, proto]; others are the client's own word";

/** `forwarded` alone may stand without a list. */
function proxyHeaders() {
  return v.pipe(
    v.union(
      [v.picklist(["forwarded"]), list(oneOf(PROXY_HEADERS), PROXY_HEADERS_REMEDY)],
      ({ input }) =>
        input === "x-forwarded"
          ? "name the fields that your proxies set, [for, proto] or also host and port: a client " +
            "chooses what they leave alone"
          : PROXY_HEADERS_REMEDY,
    ),
    v.transform((given): readonly ProxyHeader[] => typeof given === "string" ? [given] : given),
    refuse((given) => {
      const other = given.includes("forwarded") && given.find((name) => CUSTOMARY.has(name));
      return other
        ? `"forwarded" and "${other}" are two ways to say the same (use one)`
        : undefined;
    }),
  );
}

const CUSTOMARY: ReadonlySet<ProxyHeader> = new Set(["for", "proto", "host", "port"]);

/** Peers that speak for others. */
export function proxyNetworks() {
  return list(networkOrUnix(), 'use a list of networks, such as [10.0.0.0/8, "::1", unix]');
}

export const siteProxyEntries = {
  trusted_proxies: optional(
    proxyNetworks(),
    "Addresses of proxies whose headers about the client are trusted; default: none",
  ),
  proxy_headers: optional(
    proxyHeaders(),
    "Headers that these proxies set: for, proto, host and port (X-Forwarded-For and so on), or " +
      "forwarded (Forwarded); and request-id (X-Request-Id)",
    ["for", "proto"],
  ),
  trace_context: optional(
    flag(),
    "Whether a request without traceparent (W3C Trace Context) gets one; an existing one is always passed on",
    false,
  ),
};
