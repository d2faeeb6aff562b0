/** What our own process takes of the machine, as clients of Prometheus tell it. */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";

export interface ProcessUsage {
  /** Processor time of all threads, user and system together, in seconds. */
  readonly cpuS: number;
  /** Resident memory, in bytes. */
  readonly residentLength: number;
  /** Virtual memory, in bytes; undefined where the system does not tell. */
  readonly virtualLength: number | undefined;
  /** Open descriptors; undefined where the system does not tell. */
  readonly descriptors: number | undefined;
}

/** Of this moment. */
export function processUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  return {
    cpuS: (user + system) / 1e6,
    residentLength: process.memoryUsage.rss(),
    virtualLength: virtualLength(),
    descriptors: openDescriptors(),
  };
}

function virtualLength(): number | undefined {
  try {
    const kibibytes = /^VmSize:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}

function openDescriptors(): number | undefined {
  try {
    // One of them is the directory itself, while it is read.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return undefined;
  }
}
