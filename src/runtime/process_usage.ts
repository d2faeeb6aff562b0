/**
 * What our own process takes of the machine, as clients of Prometheus tell it. The system tells it by
 * files, so it is asked in vain while there is no descriptor: then what it said last stands.
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { errorCode } from "./error_code.ts";

export interface ProcessUsage {
  /** Processor time of all threads, user and system together, in seconds. */
  readonly cpuS: number;
  /** Resident memory, in bytes. */
  readonly residentLength: number;
  /** Virtual memory, in bytes; undefined where the system does not tell. */
  readonly virtualLength: number | undefined;
  /** Open descriptors; Infinity: as many as there may be; undefined where the system does not tell. */
  readonly descriptors: number | undefined;
}

/** Of this moment. */
export function processUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  return {
    cpuS: (user + system) / 1e6,
    residentLength: residentLength(),
    virtualLength: virtualLength(),
    descriptors: openDescriptors(),
  };
}

let lastResidentLength = 0;
let lastVirtualLength: number | undefined;

function residentLength(): number {
  try {
    return lastResidentLength = process.memoryUsage.rss();
  } catch {
    return lastResidentLength;
  }
}

function virtualLength(): number | undefined {
  try {
    const kibibytes = /^VmSize:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return lastVirtualLength = kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return lastVirtualLength;
  }
}

function openDescriptors(): number | undefined {
  try {
    // One of them is the directory itself, while it is read.
    return readdirSync("/proc/self/fd").length - 1;
  } catch (error) {
    return error instanceof Error && errorCode(error) === "EMFILE" ? Infinity : undefined;
  }
}
