/**
 * `Require`, and `Order`, `Allow` and `Deny` of before → who is let in. A section with rules of its
 * own overrides those before it; what cannot be said lets nobody in.
 */
import type { ApacheDirective } from "./parser.ts";

export type Access =
  | { readonly kind: "open" }
  | { readonly kind: "closed" }
  | {
    readonly kind: "asked";
    readonly allow?: readonly string[];
    readonly deny?: readonly string[];
    /** Undefined: no password; an empty list: every user of the file. */
    readonly users?: readonly string[];
    readonly groups?: readonly string[];
  }
  | { readonly kind: "unsayable"; readonly directive: ApacheDirective; readonly reason: string };

const OPEN: Access = { kind: "open" };
const CLOSED: Access = { kind: "closed" };
const LOCAL = ["127.0.0.0/8", "::1"];

/** What the directives of one section require; undefined where they say nothing. */
export function requiredBy(directives: readonly ApacheDirective[]): Access | undefined {
  const rules = directives.filter(({ key }) => /^require(?:all|any|none)?$/.test(key));
  if (rules.length === 0) return undefined;
  return anyOf(rules.map(accessOf), rules[0]!);
}

function accessOf(rule: ApacheDirective): Access {
  const inner = rule.block ?? [];
  if (rule.key === "requireall") return allOf(inner, rule);
  if (rule.key === "requireany") return anyOf(inner.map(accessOf), rule);
  if (rule.key === "requirenone") return { kind: "unsayable", directive: rule, reason: NESTED };
  const [kind = "", ...args] = rule.args.map((arg, index) => index === 0 ? arg.toLowerCase() : arg);
  if (kind === "all") return args[0]?.toLowerCase() === "granted" ? OPEN : CLOSED;
  if (kind === "ip") {
    const networks = args.map(networkOf);
    if (networks.every((network) => network !== undefined)) {
      return { kind: "asked", allow: networks };
    }
  }
  if (kind === "local") return { kind: "asked", allow: LOCAL };
  if (kind === "host" && args.every((it) => it === "localhost")) {
    return { kind: "asked", allow: LOCAL };
  }
  if (kind === "valid-user") return { kind: "asked", users: [] };
  if (kind === "user") return { kind: "asked", users: args };
  if (kind === "group") return { kind: "asked", groups: args };
  return {
    kind: "unsayable",
    directive: rule,
    reason: `"Require ${rule.args.join(" ")}" has no counterpart`,
  };
}

const NESTED = "this combination of rules has no counterpart";

/** All of them, with `Require not ip` among them. */
function allOf(rules: readonly ApacheDirective[], by: ApacheDirective): Access {
  const deny: string[] = [];
  const positive: Access[] = [];
  for (const rule of rules) {
    const [not = "", kind = "", ...args] = rule.args;
    if (rule.key !== "require" || not.toLowerCase() !== "not") {
      positive.push(accessOf(rule));
      continue;
    }
    const networks = args.map(networkOf);
    const isSaid = kind.toLowerCase() === "ip" && networks.every((it) => it !== undefined);
    if (!isSaid) return { kind: "unsayable", directive: rule, reason: NESTED };
    deny.push(...networks as string[]);
  }
  return positive.reduce(
    (one, other) => both(one, other, by),
    deny.length > 0 ? { kind: "asked", deny } : OPEN,
  );
}

export function both(one: Access, other: Access, by: ApacheDirective): Access {
  if (one.kind === "unsayable" || other.kind === "open") return one;
  if (other.kind === "unsayable" || one.kind === "open") return other;
  if (one.kind === "closed" || other.kind === "closed") return CLOSED;
  if ((one.allow && other.allow) || (one.users && other.users) || (one.groups && other.groups)) {
    return { kind: "unsayable", directive: by, reason: NESTED };
  }
  const deny = [...one.deny ?? [], ...other.deny ?? []];
  return { ...one, ...other, ...(deny.length > 0 && { deny }) };
}

/** One of them. Where an address or a password would do, everybody is asked for the password. */
export function anyOf(choices: readonly Access[], by: ApacheDirective): Access {
  if (choices.some(({ kind }) => kind === "open")) return OPEN;
  const some = choices.filter(({ kind }) => kind !== "closed");
  const [only] = some;
  if (only === undefined) return CLOSED;
  if (some.length === 1) return only;
  const asked = some.flatMap((it) => it.kind === "asked" ? [it] : []);
  const byPassword = asked.filter(({ users, groups }) =>
    users !== undefined || groups !== undefined
  );
  if (byPassword.length > 0) {
    if (byPassword.some(({ allow, deny }) => allow !== undefined || deny !== undefined)) {
      return { kind: "unsayable", directive: by, reason: NESTED };
    }
    const isAll = byPassword.some(({ users }) => users?.length === 0);
    return {
      kind: "asked",
      users: isAll ? [] : byPassword.flatMap(({ users }) => users ?? []),
      ...(!isAll && byPassword.some(({ groups }) => groups) &&
        { groups: byPassword.flatMap(({ groups }) => groups ?? []) }),
    };
  }
  if (asked.length > 0 && asked.every(({ deny }) => deny === undefined)) {
    return { kind: "asked", allow: asked.flatMap(({ allow }) => allow ?? []) };
  }
  return some.find(({ kind }) => kind === "unsayable") ??
    { kind: "unsayable", directive: by, reason: NESTED };
}

/** `10.1`, `10.1.0.0/255.255.0.0`, `10.0.0.0/8`, `::1`; undefined for a name. */
export function networkOf(text: string): string | undefined {
  const [, address = "", mask] = /^([0-9a-f.:]+)(?:\/([\d.]+))?$/i.exec(text) ?? [];
  if (address.includes(":")) return text;
  const parts = address.replace(/\.$/, "").split(".");
  if (address === "" || parts.some((part) => !/^\d{1,3}$/.test(part))) return undefined;
  const whole = [...parts, "0", "0", "0"].slice(0, 4).join(".");
  if (mask === undefined) return parts.length === 4 ? whole : `${whole}/${parts.length * 8}`;
  if (!mask.includes(".")) return `${whole}/${mask}`;
  const bits = mask.split(".").map((part) => Number(part).toString(2).padStart(8, "0")).join("");
  return /^1*0*$/.test(bits) ? `${whole}/${bits.replace(/0/g, "").length}` : undefined;
}

/** `Order`, `Allow` and `Deny` of one section; undefined where they say nothing. */
export function orderedBy(directives: readonly ApacheDirective[]): Access | undefined {
  const rules = directives.filter(({ key }) =>
    key === "order" || key === "allow" || key === "deny"
  );
  const [first] = rules;
  if (first === undefined) return undefined;
  const order = rules.findLast(({ key }) => key === "order")?.args.join(",").toLowerCase() ??
    "deny,allow";
  const lists: Record<"allow" | "deny", string[]> = { allow: [], deny: [] };
  const isAll = { allow: false, deny: false };
  for (const rule of rules) {
    if (rule.key !== "allow" && rule.key !== "deny") continue;
    for (const name of rule.args.slice(1)) {
      if (name.toLowerCase() === "all") {
        isAll[rule.key] = true;
        continue;
      }
      const network = name === "localhost" ? "127.0.0.0/8" : networkOf(name);
      if (network === undefined) {
        return { kind: "unsayable", directive: rule, reason: `"${name}" has no counterpart` };
      }
      lists[rule.key].push(network);
    }
  }
  const { allow, deny } = lists;
  if (/^allow,deny|mutual/.test(order)) {
    if (isAll.deny) return CLOSED;
    if (isAll.allow) return deny.length > 0 ? { kind: "asked", deny } : OPEN;
    if (allow.length === 0) return CLOSED;
    return { kind: "asked", allow, ...(deny.length > 0 && { deny }) };
  }
  if (isAll.allow || (!isAll.deny && deny.length === 0)) return OPEN;
  if (isAll.deny) return allow.length > 0 ? { kind: "asked", allow } : CLOSED;
  if (allow.length > 0) {
    return {
      kind: "unsayable",
      directive: first,
      reason: "what is denied first and allowed then has no counterpart",
    };
  }
  return { kind: "asked", deny };
}
