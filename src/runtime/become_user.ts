/**
 * Becomes another user for good. The C library's own calls are used: they tell every thread of the
 * process, which the system calls alone do not, and the runtimes have several. Whether each thread has
 * obeyed is looked at afterwards where `/proc` says so.
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import type { LibC } from "./libc.ts";
import { SpawnError, type UserIds } from "./spawner.ts";

const GROUPS_FILE = "/etc/group";
const PR_SET_NO_NEW_PRIVS = 38;

/** @throws {SpawnError} when any part of it fails: then nothing may go on */
export function becomeUser(libc: LibC, user: UserIds, home: string): void {
  const groups = new Uint32Array(groupsOf(user));
  const isDone = libc.setgroups(groups.length, new Uint8Array(groups.buffer)) === 0 &&
    libc.setresgid(user.group, user.group, user.group) === 0 &&
    libc.setresuid(user.user, user.user, user.user) === 0;
  const other = threadIdentities().find((one) => !isOf(one, user));
  if (!isDone || other !== undefined || process.geteuid?.() !== user.user) {
    throw new SpawnError(`Cannot become user "${user.name}": the system refuses it`);
  }
  process.env["HOME"] = home;
  process.env["USER"] = process.env["LOGNAME"] = user.name;
}

/** Nothing that we start from now on gains rights by its file. */
export function forbidNewPrivileges(libc: LibC): void {
  libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/** The user's own group, and those that list him. */
function groupsOf({ name, group }: UserIds): number[] {
  const listed = fileText(GROUPS_FILE).split("\n").map((line) => line.split(":"))
    .filter(([, , , members = ""]) => members.split(",").includes(name))
    .map(([, , id]) => Number(id));
  return [...new Set([group, ...listed])].filter(Number.isInteger);
}

interface Identity {
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly capabilities: readonly string[];
}

function threadIdentities(): Identity[] {
  try {
    return readdirSync("/proc/self/task").map((thread) => {
      const text = fileText(`/proc/self/task/${thread}/status`);
      const words = (key: string) =>
        new RegExp(`^${key}:\\s*(.*)$`, "m").exec(text)?.[1]?.split(/\s+/) ?? [];
      return { users: words("Uid"), groups: words("Gid"), capabilities: words("CapEff") };
    });
  } catch {
    return [];
  }
}

/** A thread that has ended meanwhile says nothing. */
function isOf({ users, groups, capabilities }: Identity, { user, group }: UserIds): boolean {
  return users.every((id) => Number(id) === user) && groups.every((id) => Number(id) === group) &&
    (user === 0 || capabilities.every((mask) => /^0*$/.test(mask)));
}

function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
