/**
 * How many processors the process may use: those of its affinity (`taskset`, cpusets), and no more than
 * the time that its control groups give it (`docker --cpus`, limits of Kubernetes), rounded up as Go
 * does it. It reads what Linux says under /proc and /sys; elsewhere the runtime's own count is taken.
 */

/** The text of a file; undefined where there is none. */
export type ReadText = (path: string) => Promise<string | undefined>;

const GROUPS = "/sys/fs/cgroup";
/** Where version 1 has its controller. */
const V1_MOUNTS = [`${GROUPS}/cpu,cpuacct`, `${GROUPS}/cpu`];

/** At least 1; `known` is what the runtime says. */
export async function countProcessors(readText: ReadText, known: number): Promise<number> {
  const status = await readText("/proc/self/status") ?? "";
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1];
  const allowed = list === undefined ? known : lengthOfList(list);
  const quota = await quotaOf(readText, await readText("/proc/self/cgroup") ?? "");
  return Math.max(1, Math.min(allowed, Math.ceil(quota)));
}

/** Of `0-3,8` five. */
function lengthOfList(list: string): number {
  let count = 0;
  for (const part of list.split(",")) {
    const [first, last = first] = part.split("-").map(Number);
    count += last! - first! + 1;
  }
  return count;
}

/** In processors; Infinity: there is none. */
async function quotaOf(readText: ReadText, groups: string): Promise<number> {
  let least = Infinity;
  for (const line of groups.trim().split("\n")) {
    const [number, controllers = "", path = "/"] = line.split(":");
    const isUnified = number === "0" && controllers === "";
    if (!isUnified && !controllers.split(",").includes("cpu")) continue;
    for (const mount of isUnified ? [GROUPS] : V1_MOUNTS) {
      for (const group of withParents(path)) {
        const read = (name: string) => readText(`${mount}${group}/${name}`);
        least = Math.min(least, isUnified ? await unified(read) : await versionOne(read));
      }
    }
  }
  return least;
}

/** `/a/b`, `/a`, and the root, which in a container is the container's own group. */
function withParents(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join("/")}`).concat("");
}

async function unified(read: ReadText): Promise<number> {
  const [quota, period] = (await read("cpu.max") ?? "max").trim().split(/\s+/);
  return quota === "max" ? Infinity : ratio(quota, period);
}

async function versionOne(read: ReadText): Promise<number> {
  const quota = await read("cpu.cfs_quota_us");
  return ratio(quota, await read("cpu.cfs_period_us"));
}

/** A quota of -1 is none. */
function ratio(quota: string | undefined, period: string | undefined): number {
  const value = Number(quota) / Number(period);
  return value > 0 ? value : Infinity;
}
