/**
 * How many descriptors our process may have, and whether some are free. Both runtimes raise the limit
 * to what the system allows when they start (Bun 1.4.5, Deno 2.9.6), so what stands in /proc is the
 * one in force.
 */
import { closeSync, openSync, readFileSync } from "node:fs";

/** Undefined where the system is not Linux, or has no limit. */
export function descriptorLimit(): number | undefined {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const soft = /^Max open files +(\d+) /m.exec(limits)?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** Tried out, for nobody tells; yes, where there is no /dev/null. */
export function hasDescriptors(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync("/dev/null", "r"));
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    return code !== "EMFILE" && code !== "ENFILE";
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
