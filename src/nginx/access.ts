/**
 * Access control: `allow`, `deny`, `auth_basic`, `auth_request`, `satisfy` and `limit_except` → what
 * routes say of that. A location is asked in several ways where one rule is for some methods or some
 * addresses only. What cannot be said lets nobody in.
 *
 * Of nginx's rules the first that matches counts; here a network that is denied is denied, allowed or
 * not.
 */
import { networkPattern } from "./client_networks.ts";
import { forwardAuthOf } from "./forward_auth.ts";
import type { Guards } from "./guards.ts";
import type { Location } from "./locations.ts";
import type { Directive } from "./parser.ts";
import { bothOf, type Conditions } from "./route_conditions.ts";
import { Scope } from "./scope.ts";
import type { ServerContext } from "./server_context.ts";
import { toConstant } from "./variables.ts";

/** One way in which a location is asked. */
export interface AccessWay {
  readonly conditions: Conditions;
  /** "closed": nobody is let in. */
  readonly guards: Guards | "closed";
}

interface Networks {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

const EVERYBODY: Networks = { allow: [], deny: [] };

interface Unsayable {
  readonly directive: Directive;
  readonly reason: string;
}

const ORDER = "the order of allow and deny has no counterpart";
const PROXIED = "allow and deny go by what a proxy says, which is trusted_proxies here";

/** In the order in which their routes stand; together they take every request. */
export function accessWays(location: Location, context: ServerContext): readonly AccessWay[] {
  const { scope } = location;
  const [limit] = allOf(location, "limit_except");
  if (limit === undefined) return waysOf(scope, location, context);
  context.notes.take(limit);
  const methods = limit.args.map((it) => it.toUpperCase())
    .filter((it) => !["TRACE", "CONNECT"].includes(it));
  const named = waysOf(scope, location, context);
  // For others the block's own rules hold, and what it does not say is said around it.
  const others = waysOf(new Scope(limit.block ?? [], scope), location, context);
  return [
    ...named.flatMap(({ conditions, guards }) => {
      const both = bothOf({ methods }, conditions);
      return both === undefined || both === "never" ? [] : [{ conditions: both, guards }];
    }),
    ...others,
  ];
}

/** Whether somebody is kept out. */
export function restricts(ways: readonly AccessWay[]): boolean {
  return ways.some(({ guards }) => guards === "closed" || Object.keys(guards).length > 0);
}

function allOf({ scope }: Location, name: string): readonly Directive[] {
  return scope.all(name);
}

function waysOf(scope: Scope, location: Location, context: ServerContext): readonly AccessWay[] {
  const { notes } = context;
  const rules = scope.all("allow", "deny");
  const satisfy = scope.one("satisfy");
  notes.take(...rules, satisfy);
  const networks = readRules(rules, scope);
  const asked = askedOf(scope, location, context);
  const close = ({ directive, reason }: Unsayable): readonly AccessWay[] => {
    notes.add("refused", directive, reason);
    return [{ conditions: {}, guards: "closed" }];
  };
  if (asked !== undefined && "reason" in asked) return close(asked as unknown as Unsayable);
  const isAny = satisfy?.args[0] === "any" && asked !== undefined && rules.length > 0;
  if (!isAny) {
    if (networks === "closed") return [{ conditions: {}, guards: "closed" }];
    if ("reason" in networks) return close(networks);
    return [{ conditions: {}, guards: { ...restrictionOf(networks), ...asked } }];
  }
  if (networks === "closed") return [{ conditions: {}, guards: asked }];
  if ("reason" in networks) return close(networks);
  const addresses = addressCondition(networks);
  if (addresses === undefined) {
    return close({ directive: satisfy, reason: "its addresses have no common text" });
  }
  if (addresses === "everybody") return [{ conditions: {}, guards: {} }];
  return [{ conditions: addresses, guards: {} }, { conditions: {}, guards: asked }];
}

/** What a client without a password has to come from. */
function addressCondition({ allow, deny }: Networks): Conditions | "everybody" | undefined {
  if (allow.length === 0 && deny.length === 0) return "everybody";
  // Both of them would be asked for under one name.
  if (allow.length > 0 && deny.length > 0) return undefined;
  const patterns = (allow.length > 0 ? allow : deny).map((it) => networkPattern(it)?.pattern);
  if (patterns.some((it) => it === undefined)) return undefined;
  const value = allow.length > 0 ? patterns : { not: patterns };
  return { when: { "${client.address}": value } };
}

export function restrictionOf({ allow, deny }: Networks): Guards {
  if (allow.length === 0 && deny.length === 0) return {};
  return {
    ip_restriction: { ...(allow.length > 0 && { allow }), ...(deny.length > 0 && { deny }) },
  };
}

function readRules(rules: readonly Directive[], scope: Scope): Networks | "closed" | Unsayable {
  const read = networksOf(rules);
  const isOpen = read !== "closed" && !("reason" in read) &&
    read.allow.length + read.deny.length === 0;
  if (read === "closed" || isOpen) return read;
  // By the address that a proxy tells, in nginx; here everybody would have the proxy's.
  const proxied = scope.ofAll(({ name }) => name === "set_real_ip_from");
  return proxied === undefined ? read : { directive: proxied, reason: PROXIED };
}

function networksOf(rules: readonly Directive[]): Networks | "closed" | Unsayable {
  const allow: string[] = [];
  const deny: string[] = [];
  for (const rule of rules) {
    const network = rule.args[0] ?? "";
    const isDeny = rule.name === "deny";
    if (network === "all") {
      if (!isDeny) return deny.length === 0 ? EVERYBODY : { allow: [], deny };
      return allow.length === 0 ? "closed" : { allow, deny };
    }
    // Behind an allowed network, a denied one may lie within it.
    if (network === "unix:" || !/^[0-9a-f.:/]+$/i.test(network) || (isDeny && allow.length > 0)) {
      return { directive: rule, reason: ORDER };
    }
    (isDeny ? deny : allow).push(network);
  }
  return deny.length > 0 ? { allow: [], deny } : EVERYBODY;
}

/** Whom the client has to be; undefined where nobody asks. */
function askedOf(
  scope: Scope,
  location: Location,
  context: ServerContext,
): Guards | Unsayable | undefined {
  const { notes, values } = context;
  const basic = scope.one("auth_basic");
  const request = scope.one("auth_request");
  const guards: Record<string, unknown> = {};
  if (basic !== undefined && basic.args[0] !== "off") {
    const file = scope.one("auth_basic_user_file");
    const path = file && toConstant(file.args[0] ?? "", values);
    notes.take(basic, file);
    if (path === undefined) return { directive: basic, reason: "its file of users cannot be said" };
    const realm = toConstant(basic.args[0] ?? "", values)?.replaceAll(/[^\x20-\x7e]|["\\]/g, "");
    guards["basic_auth"] = {
      ...(realm && { realm }),
      file: path.startsWith("/") ? path : `/etc/nginx/${path}`,
    };
  }
  if (request !== undefined && request.args[0] !== "off") {
    notes.take(request);
    const auth = forwardAuthOf(request, location, context);
    if (auth === undefined) {
      return { directive: request, reason: "only an HTTP server can be asked (proxy_pass)" };
    }
    guards["forward_auth"] = auth;
  }
  return Object.keys(guards).length === 0 ? undefined : guards;
}
