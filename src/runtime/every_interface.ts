/**
 * `:8080`, every interface: one socket on "::" takes clients of IPv6 and of IPv4, whose addresses
 * `peer.ts` writes as their own. Where the system has no IPv6 it is "0.0.0.0". What is taken, or may
 * not be had, stays an error: half of the interfaces in silence would be worse.
 */
import type { Address } from "./address.ts";
import { errorCode } from "./error_code.ts";

/** What says nothing of IPv6. Bun gives an error without a code where there is no IPv6 at all. */
const OTHER_REASONS: ReadonlySet<string> = new Set([
  "EADDRINUSE",
  "EACCES",
  "EPERM",
  "EMFILE",
  "ENFILE",
  "ENOMEM",
]);

export interface WhereOptions<Where extends Address> {
  readonly address: Where;
  /** Whether a socket on "::" would take IPv6 alone. */
  readonly isIpv6Alone?: () => boolean;
}

/** Listens by `open`; for every interface on both families, where the system has both. */
export async function listenEverywhere<Where extends Address, Listener>(
  { address, isIpv6Alone = () => false }: WhereOptions<Where>,
  open: (address: Where) => Promise<Listener>,
): Promise<Listener> {
  if (address.transport !== "tcp" || address.host !== "::") return await open(address);
  const ipv4 = { ...address, host: "0.0.0.0" };
  if (isIpv6Alone()) return await open(ipv4);
  try {
    return await open(address);
  } catch (error) {
    const { cause } = error as { readonly cause?: unknown };
    if (OTHER_REASONS.has(errorCode(cause ?? error))) throw error;
    return await open(ipv4);
  }
}
