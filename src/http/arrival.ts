/** What a site makes of a request before its routes see it: who the client is, which trace it is in. */
import type { Arrival } from "./gateway.ts";
import { IpNetworks } from "./ip_networks.ts";
import type { SiteOptions } from "./options.ts";
import { traced } from "./trace_context.ts";
import { type ForwardedErrorHandler, throughProxies } from "./trusted_proxies.ts";

/** Undefined where the site takes requests as they come. */
export function compileArrival(
  { proxies, traceContext }: Pick<SiteOptions, "proxies" | "traceContext">,
  onForwardedError: ForwardedErrorHandler,
): Arrival | undefined {
  const steps: Arrival[] = [];
  if (proxies !== undefined) {
    const trust = { networks: new IpNetworks(proxies.trusted), headers: new Set(proxies.headers) };
    steps.push((context, headers) => throughProxies(trust, context, headers, onForwardedError));
  }
  if (traceContext) steps.push(traced);
  if (steps.length === 0) return undefined;
  return (context, headers) => steps.reduce((seen, step) => step(seen, headers), context);
}
