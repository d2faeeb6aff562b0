/**
 * Whether the executable's own file has given us rights that our user has not: `setcap`, or the setuid
 * bit. The runtime in the executable obeys `BUN_OPTIONS` and `BUN_BE_BUN` before any code of ours runs,
 * so whoever may start such a file has its rights for anything. Capabilities that a service manager
 * hands on (ambient ones) are meant for who runs here, and fine.
 */

/** Why it should not run, from `/proc/self/status`; undefined: it may. */
export function raisedRights(status: string): string | undefined {
  const words = (key: string) =>
    new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)?.[1]?.trim().split(/\s+/);
  const [real, effective] = words("Uid") ?? [];
  const [realGroup, effectiveGroup] = words("Gid") ?? [];
  if (real !== effective || realGroup !== effectiveGroup) {
    return "its file has the setuid or setgid bit";
  }
  if (effective === undefined || effective === "0") return undefined;
  const mask = (key: string) => BigInt(`0x${words(key)?.[0] ?? "0"}`);
  return (mask("CapPrm") & ~mask("CapAmb")) === 0n ? undefined : "its file has capabilities";
}
