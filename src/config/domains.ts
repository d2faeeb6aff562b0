/**
 * `--domain`: a site on the internet from a name alone. Its hosts are those names, its certificates
 * come by themselves (for names of the machine's own from the local authority), and it is served where browsers look for it: ports 80 and 443. Addresses of
 * `--listen` stand in their place; one whose port ends in 443 speaks TLS.
 */
import type { AppOptions, ListenOptions } from "../app/options.ts";
import { isLocalHost } from "../certificates/address_name.ts";
import { parseAddress } from "../runtime/address.ts";
import { LISTEN_ADDRESS_RULES } from "./schema.ts";
import type { Overrides } from "./settings.ts";

const ADDRESSES = [":80", ":443"];
const TLS_PORT = /443$/;

/** The options unchanged where no domain is named. @throws {RangeError} where kinds are mixed */
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
  const local = domains.filter(isLocalHost);
  if (local.length > 0 && local.length < domains.length) {
    const what = `"${local[0]}" can have no public certificate, and the others can`;
    throw new RangeError(`${what} (give each kind a site in a file)`);
  }
  return {
    ...options,
    listen: addresses.map(byPort),
    sites: options.sites.map((site) => ({
      ...site,
      hosts: [...new Set(domains)],
      tls: site.tls ?? { kind: local.length > 0 ? "internal" : "auto" },
      https: site.https ?? "redirect",
    })),
  };
}

function byPort(listen: ListenOptions): ListenOptions {
  const { address } = listen;
  const isTls = address.transport === "tcp" && TLS_PORT.test(`${address.port}`);
  return isTls ? { ...listen, tls: {} } : listen;
}
