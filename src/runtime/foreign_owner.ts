/** In a user name space (a container without root) files of the world outside have no owner. */
import { readFileSync } from "node:fs";

/** Whom a file belongs to that has no owner in our user name space. */
const OVERFLOW_ID = 65_534;

/** Whether a file's owner lives outside of our user name space, as the host's root does. */
export function isForeign(user: number): boolean {
  if (user !== OVERFLOW_ID) return false;
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  } catch {
    return false;
  }
}
