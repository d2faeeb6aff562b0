/** What is measured: every column of every table, and what a round adds to it. */
import { cpuSeconds, isRunning, memoryMiB, peakMemoryMiB, resetPeak } from "./processes.ts";
import { watchConnections } from "./connections.ts";
import type { Place } from "../../tests/support/places.ts";

const MIB = 1024 * 1024;

/** Columns by name, in the order in which they stand in a table. */
export const COLUMNS = {
  requestsPerSecond: { title: "requests/s", digits: 0 },
  mibPerSecond: { title: "MiB/s", digits: 0 },
  p50Ms: { title: "p50 ms", digits: 2 },
  p99Ms: { title: "p99 ms", digits: 2 },
  firstResponseMs: { title: "first response ms", digits: 0 },
  proxyCpuUs: { title: "proxy µs/request", digits: 1 },
  applicationCpuUs: { title: "app µs/request", digits: 1 },
  memoryMiB: { title: "memory MiB", digits: 0 },
  peakMiB: { title: "peak MiB", digits: 0 },
  afterMiB: { title: "MiB after", digits: 0 },
  applicationPeakMiB: { title: "app peak MiB", digits: 0 },
  firstHalfMiB: { title: "MiB in 1st half", digits: 1 },
  secondHalfMiB: { title: "MiB in 2nd half", digits: 1 },
  connections: { title: "upstream conns", digits: 0 },
  failed: { title: "failed", digits: 0 },
} as const;

export type ColumnName = keyof typeof COLUMNS;

/** One row's figures of one round. */
export type Figures = Partial<Record<ColumnName, number>>;

/** What a load generator says of itself. */
export interface LoadReport {
  readonly requests: number;
  /** Responses that were not as they should be, and connections that broke. */
  readonly failed: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Bytes of the bodies. */
  readonly bytes: number;
}

/** Who is looked at while the load runs. */
export interface Watched {
  readonly proxyPid: number;
  readonly application?: { readonly pid: number; readonly place: Place };
}

export async function measureLoad(
  { proxyPid, application }: Watched,
  load: () => Promise<LoadReport>,
): Promise<Figures> {
  const proxyBefore = cpuSeconds(proxyPid);
  const applicationBefore = application && cpuSeconds(application.pid);
  resetPeak(proxyPid);
  if (application) resetPeak(application.pid);
  const connections = application && watchConnections(application.place);
  let report: LoadReport;
  try {
    report = await load();
  } finally {
    connections?.stop();
  }
  if (!isRunning(proxyPid)) throw new Error("The server has ended");
  const usEach = (seconds: number) => seconds * 1e6 / Math.max(1, report.requests);
  const seconds = report.durationUs / 1e6;
  return {
    requestsPerSecond: report.requests / seconds,
    mibPerSecond: report.bytes / MIB / seconds,
    p50Ms: report.p50Us / 1000,
    p99Ms: report.p99Us / 1000,
    proxyCpuUs: usEach(cpuSeconds(proxyPid) - proxyBefore),
    memoryMiB: memoryMiB(proxyPid),
    peakMiB: peakMemoryMiB(proxyPid),
    failed: report.failed,
    ...(application && {
      applicationCpuUs: usEach(cpuSeconds(application.pid) - applicationBefore!),
      applicationPeakMiB: peakMemoryMiB(application.pid),
      connections: connections!.stop(),
    }),
  };
}
