/** The schema of what a site believes of those before it. */
import * as v from "valibot";
import { isNetwork, UNIX_NETWORK } from "../http/ip_networks.ts";
import { described, flag, list, oneOf, TEXT_REMEDY } from "./schema_parts.ts";

/** A network or an address. */
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
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed || isValid(dataset.value)) return;
      addIssue({ message: `"${dataset.value}" is no network (${remedy})` });
    }),
  );
}

export const siteProxyEntries = {
  trusted_proxies: v.optional(
    described(
      list(
        networkOrUnix(),
        'use a list of networks, such as [10.0.0.0/8, "::1", unix]',
      ),
      "Proxies that are believed what they say of the client; left out: nobody is",
    ),
  ),
  proxy_headers: v.optional(
    described(
      oneOf(["x-forwarded", "forwarded"]),
      "The fields that these proxies set: X-Forwarded-For and so on, or Forwarded",
    ),
    "x-forwarded",
  ),
  trace_context: v.optional(
    described(
      flag(),
      "Whether a request without traceparent gets one; one that is there always goes on",
    ),
    false,
  ),
};
