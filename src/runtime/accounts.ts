/**
 * Users and groups of this machine, by the files that list them: what only a directory service knows
 * is not found.
 */
import { readFileSync } from "node:fs";
import type { UserIds } from "./spawner.ts";

const USERS_FILE = "/etc/passwd";
const GROUPS_FILE = "/etc/group";

/** By name or number; undefined where the system does not know it. */
export function findUser(name: string): UserIds | undefined {
  const found = linesOf(USERS_FILE).find(([login, , user]) => login === name || user === name);
  if (found === undefined) return undefined;
  const [login = "", , user, group] = found;
  return { name: login, user: Number(user), group: Number(group) };
}

/** A group's number, by its name or number; undefined where the system does not know it. */
export function findGroup(name: string): number | undefined {
  const found = linesOf(GROUPS_FILE).find(([group, , id]) => group === name || id === name);
  return found === undefined ? undefined : Number(found[2]);
}

export function homeOf({ name }: UserIds): string {
  return linesOf(USERS_FILE).find(([login]) => login === name)?.[5] || "/";
}

/** None where there is no file, as in an image with nothing but a program. */
function linesOf(file: string): string[][] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return [];
  }
  return text.split("\n").filter(Boolean).map((line) => line.split(":"));
}
