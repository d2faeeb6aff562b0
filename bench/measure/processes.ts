/** What processes have used, from /proc: always a process together with its children. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

/** What `proc(5)` calls resetting the peak resident set size. */
const RESET_PEAK = "5";

const ticksPerSecond = Number(spawnSync("getconf", ["CLK_TCK"]).stdout.toString()) || 100;

/** User and system time so far. */
export function cpuSeconds(pid: number): number {
  let ticks = 0;
  for (const member of family(pid)) {
    const stat = read(`/proc/${member}/stat`);
    // Fields 14 and 15, counted behind the name, which may hold blanks.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks / ticksPerSecond;
}

/** Resident memory now. */
export function memoryMiB(pid: number): number {
  return statusMiB(pid, /^VmRSS:\s+(\d+) kB$/m);
}

/** The most resident memory since {@link resetPeak}; of several processes the sum of their peaks. */
export function peakMemoryMiB(pid: number): number {
  return statusMiB(pid, /^VmHWM:\s+(\d+) kB$/m);
}

export function resetPeak(pid: number): void {
  for (const member of family(pid)) {
    try {
      writeFileSync(`/proc/${member}/clear_refs`, RESET_PEAK);
    } catch {
      // A child that has just ended.
    }
  }
}

/** Whether the process has neither ended nor been left as a zombie. */
export function isRunning(pid: number): boolean {
  return /^State:\s+[^ZX]/m.test(read(`/proc/${pid}/status`));
}

function statusMiB(pid: number, line: RegExp): number {
  let kib = 0;
  for (const member of family(pid)) {
    kib += Number(line.exec(read(`/proc/${member}/status`))?.[1] ?? 0);
  }
  return kib / 1024;
}

function family(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).trim();
  const pids = children === "" ? [] : children.split(" ").map(Number);
  return [pid, ...pids.flatMap(family)];
}

/** Nothing for a process that has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
