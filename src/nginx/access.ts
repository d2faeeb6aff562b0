/** `allow` and `deny` → `ip_restriction`. Of nginx's rules the first that matches counts; here a
 * network that is denied is denied, allowed or not. */
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import type { Scope } from "./scope.ts";
import type { ServerContext } from "./server_context.ts";

export type Access =
  | { readonly kind: "open" }
  | { readonly kind: "closed" }
  | { readonly kind: "restricted"; readonly allow: string[]; readonly deny: string[] }
  | { readonly kind: "unsayable"; readonly directive: Directive; readonly reason: string };

const ORDER = "the order of allow and deny has no counterpart";
const PROXIED = "allow and deny go by what a proxy says, which is trusted_proxies here";

/** Access control; what cannot be said is closed. */
export function accessTo(location: Location, { notes }: ServerContext): Access {
  const { access, directives } = accessOf(location.scope);
  notes.take(...directives);
  if (access.kind !== "unsayable") return access;
  notes.add("refused", access.directive, access.reason);
  return { kind: "closed" };
}

function accessOf(scope: Scope): { access: Access; directives: readonly Directive[] } {
  const directives = scope.all("allow", "deny");
  const access = readRules(directives);
  // By the address that a proxy tells, in nginx; here everybody would have the proxy's.
  const proxied = scope.ofAll(({ name }) => name === "set_real_ip_from");
  return access.kind === "restricted" && proxied !== undefined
    ? { access: { kind: "unsayable", directive: proxied, reason: PROXIED }, directives }
    : { access, directives };
}

function readRules(rules: readonly Directive[]): Access {
  const allow: string[] = [];
  const deny: string[] = [];
  for (const rule of rules) {
    const network = rule.args[0] ?? "";
    const isDeny = rule.name === "deny";
    if (network === "all") {
      if (!isDeny) {
        return deny.length === 0 ? { kind: "open" } : { kind: "restricted", allow: [], deny };
      }
      return allow.length === 0 ? { kind: "closed" } : { kind: "restricted", allow, deny };
    }
    // Behind an allowed network, a denied one may lie within it.
    if (network === "unix:" || (isDeny && allow.length > 0)) {
      return { kind: "unsayable", directive: rule, reason: ORDER };
    }
    (isDeny ? deny : allow).push(network);
  }
  return deny.length > 0 ? { kind: "restricted", allow: [], deny } : { kind: "open" };
}
