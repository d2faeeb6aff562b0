/** Who is let in → the keys of a route: `ip_restriction` and `basic_auth`. */
import { type RouteValue, Unsayable } from "../import/chain.ts";
import type { Access } from "./access.ts";
import type { ApacheDirective } from "./parser.ts";
import type { ApacheState, VhostContext } from "./state.ts";

/** `AuthType` and its relatives, as they hold for a section. */
export type AuthSaid = ReadonlyMap<string, ApacheDirective>;

export function authSaid(before: AuthSaid, directives: readonly ApacheDirective[]): AuthSaid {
  const said = new Map(before);
  for (const directive of directives) {
    if (/^auth(?:type|name|userfile|groupfile|basicprovider)$/.test(directive.key)) {
      said.set(directive.key, directive);
    }
  }
  return said;
}

/** @throws {Unsayable} for what lets nobody in */
export function guarded(
  state: ApacheState,
  access: Access,
  auth: AuthSaid,
  by: ApacheDirective,
  context: VhostContext,
): ApacheState {
  if (access.kind === "open") return state;
  if (access.kind === "unsayable") throw new Unsayable(access.directive, access.reason);
  if (access.kind === "closed") throw new Unsayable(by, "nobody is let in");
  const { allow, deny, users, groups } = access;
  let keys: RouteValue = state.keys;
  if (allow !== undefined || deny !== undefined) {
    const said = (keys["ip_restriction"] ?? {}) as Record<string, readonly string[]>;
    if (allow && said["allow"]) throw new Unsayable(by, "only one list of addresses can be let in");
    keys = {
      ...keys,
      ip_restriction: {
        ...said,
        ...(allow && { allow }),
        ...(deny && { deny: [...said["deny"] ?? [], ...deny] }),
      },
    };
  }
  if (users !== undefined || groups !== undefined) {
    if (keys["basic_auth"] !== undefined) {
      throw new Unsayable(by, "a password is asked for already");
    }
    keys = { ...keys, basic_auth: passwords(users ?? [], groups, auth, by, context) };
  }
  return { ...state, keys };
}

function passwords(
  users: readonly string[],
  groups: readonly string[] | undefined,
  auth: AuthSaid,
  by: ApacheDirective,
  context: VhostContext,
): RouteValue {
  const type = auth.get("authtype")?.args[0]?.toLowerCase() ?? "basic";
  const provider = auth.get("authbasicprovider")?.args[0]?.toLowerCase() ?? "file";
  const named = auth.get("authuserfile")?.args[0];
  context.notes.take(...auth.values());
  if (type !== "basic") throw new Unsayable(auth.get("authtype")!, "only Basic is carried over");
  if (provider !== "file") {
    throw new Unsayable(auth.get("authbasicprovider")!, "only files of users are read");
  }
  if (named === undefined) throw new Unsayable(by, "there is no AuthUserFile");
  const path = absolute(named, context);
  const realm = (auth.get("authname")?.args[0] ?? "Restricted").replace(/[^\x20-\x7e]/g, "?");
  const isEverybody = users.length === 0 && groups === undefined;
  const text = context.textOf(path);
  if (text === undefined) {
    throw new Unsayable(auth.get("authuserfile")!, "there is no such file here");
  }
  if (isEverybody) return { realm, file: path };
  const wanted = new Set([
    ...users,
    ...groups === undefined ? [] : membersOf(groups, auth, by, context),
  ]);
  const hashes: Record<string, unknown> = {};
  for (const line of text.split(/\r?\n/)) {
    const [name = "", hash = ""] = line.split(":");
    if (wanted.has(name) && hash !== "" && !(name in hashes)) hashes[name] = { hash };
  }
  if (Object.keys(hashes).length === 0) throw new Unsayable(by, "none of its users is in the file");
  return { realm, users: hashes };
}

function membersOf(
  groups: readonly string[],
  auth: AuthSaid,
  by: ApacheDirective,
  context: VhostContext,
): readonly string[] {
  const named = auth.get("authgroupfile")?.args[0];
  const text = named === undefined ? undefined : context.textOf(absolute(named, context));
  if (text === undefined) throw new Unsayable(by, "there is no AuthGroupFile here");
  return text.split(/\r?\n/).flatMap((line) => {
    const [name = "", members = ""] = line.split(":");
    return groups.includes(name.trim()) ? members.trim().split(/\s+/) : [];
  });
}

export function absolute(path: string, { serverRoot }: Pick<VhostContext, "serverRoot">): string {
  return path.startsWith("/") ? path : serverRoot + path;
}
