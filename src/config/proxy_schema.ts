/** The schema of what a site believes of those before it. */
import * as v from "valibot";
import { isNetwork } from "../http/ip_networks.ts";
import { described, flag, list, oneOf, TEXT_REMEDY } from "./schema_parts.ts";

const NETWORK_REMEDY = 'use a network such as "10.0.0.0/8", an address, or "unix"';

/** A network, an address, or the word for clients of a unix socket. */
export function network() {
  return v.pipe(
    v.string(TEXT_REMEDY),
    v.title("network"),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed || isNetwork(dataset.value)) return;
      addIssue({ message: `"${dataset.value}" is no network (${NETWORK_REMEDY})` });
    }),
  );
}

export const siteProxyEntries = {
  trusted_proxies: v.optional(
    described(
      list(
        network(),
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
