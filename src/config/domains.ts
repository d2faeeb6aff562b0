/**
 * `--domain`: a site on the internet from a name alone. Its hosts are those names, its certificates
 * come by themselves, and it is served where browsers look for it: ports 80 and 443. Addresses of
 * `--listen` stand in their place; one whose port ends in 443 speaks TLS.
 */
import type { AppOptions, ListenOptions } from "../app/options.ts";
import { parseAddress } from "../runtime/address.ts";
import { LISTEN_ADDRESS_RULES } from "./schema.ts";
import type { Overrides } from "./settings.ts";

const ADDRESSES = [":80", ":443"];
const TLS_PORT = /443$/;

/** The options unchanged where no domain is named. */
export function withDomains(
  options: AppOptions,
  { domains, listen }: Pick<Overrides, "domains" | "listen">,
): AppOptions {
  if (domains === undefined || domains.length === 0) return options;
  const addresses = listen ??
    ADDRESSES.map((text) => ({
      address: parseAddress(text, LISTEN_ADDRESS_RULES),
      tls: undefined,
    }));
  return {
    ...options,
    listen: addresses.map(byPort),
    sites: options.sites.map((site) => ({
      ...site,
      hosts: [...new Set(domains)],
      tls: site.tls ?? { kind: "auto" },
      https: site.https ?? "redirect",
    })),
  };
}

function byPort(listen: ListenOptions): ListenOptions {
  const { address } = listen;
  const isTls = address.transport === "tcp" && TLS_PORT.test(`${address.port}`);
  return isTls ? { ...listen, tls: {} } : listen;
}
