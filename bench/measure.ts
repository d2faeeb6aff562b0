/** What a round measures: load from wrk, and what the proxy's processes used meanwhile. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Child } from "../tests/support/child.ts";
import { PEER_PATH } from "../tests/support/peers.ts";

const REPORT_SCRIPT = fileURLToPath(new URL("report.lua", import.meta.url));

/** One contender's figures of one round. */
export interface Round {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUsPerRequest: number;
  readonly memoryMiB: number;
  /** Answers that were not 2xx or 3xx, and connections that failed. */
  readonly failed: number;
}

export interface LoadOptions {
  readonly url: string;
  readonly clients: number;
  readonly seconds: number;
  /** The proxy, whose children count with it. */
  readonly pid: number;
}

interface WrkReport {
  readonly requests: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly failed: number;
}

export async function runRound({ url, clients, seconds, pid }: LoadOptions): Promise<Round> {
  const cpuBefore = cpuSeconds(pid);
  const wrk = new Child("wrk", [
    "-t1",
    `-c${clients}`,
    `-d${seconds}s`,
    "-s",
    REPORT_SCRIPT,
    url,
  ], { env: { PATH: PEER_PATH } });
  const { code } = await wrk.exited;
  const cpu = cpuSeconds(pid) - cpuBefore;
  const line = wrk.stdout.lines.find((line) => line.startsWith("{"));
  if (code !== 0 || line === undefined) {
    throw new Error(`Cannot measure ${url}: wrk ended with status ${code}`);
  }
  const report: WrkReport = JSON.parse(line);
  return {
    requestsPerSecond: report.requests / (report.durationUs / 1e6),
    p50Ms: report.p50Us / 1000,
    p99Ms: report.p99Us / 1000,
    cpuUsPerRequest: cpu * 1e6 / report.requests,
    memoryMiB: memoryMiB(pid),
    failed: report.failed,
  };
}

/** Resident memory of a process and its children. */
export function memoryMiB(pid: number): number {
  let kib = 0;
  for (const member of family(pid)) {
    const status = readFileSync(`/proc/${member}/status`, "utf8");
    kib += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  }
  return kib / 1024;
}

const ticksPerSecond = Number(spawnSync("getconf", ["CLK_TCK"]).stdout.toString()) || 100;

function cpuSeconds(pid: number): number {
  let ticks = 0;
  for (const member of family(pid)) {
    const stat = readFileSync(`/proc/${member}/stat`, "utf8");
    // Fields 14 and 15, counted behind the name, which may hold blanks.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / ticksPerSecond;
}

function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  const pids = children === "" ? [] : children.split(" ").map(Number);
  return [pid, ...pids.flatMap(family)];
}
