/**
 * The open descriptors of a process by kind, as Linux shows them below `/proc`. Temporary files have
 * no name any more, so there they are still seen.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { until } from "./idle.ts";
import { waitUntil } from "./places.ts";

export interface Descriptors {
  readonly sockets: number;
  readonly pipes: number;
  /** Files that have lost their name: bodies and responses that did not fit into memory. */
  readonly temporaryFiles: number;
  readonly others: number;
}

export function descriptorsOf(pid: number): Descriptors {
  const directory = `/proc/${pid}/fd`;
  const counts = { sockets: 0, pipes: 0, temporaryFiles: 0, others: 0 };
  for (const name of readdirSync(directory)) counts[kindOf(`${directory}/${name}`)]++;
  return counts;
}

/** Resolves when the process holds no more of any kind than it may; closing takes its time. */
export async function waitForDescriptors(pid: number, most: Descriptors): Promise<void> {
  const kinds = Object.keys(most) as (keyof Descriptors)[];
  const holds = (): boolean => {
    const now = descriptorsOf(pid);
    return kinds.every((kind) => now[kind] <= most[kind]);
  };
  try {
    await waitUntil(holds, "");
  } catch {
    const now = JSON.stringify(descriptorsOf(pid));
    throw new Error(`Process ${pid} holds ${now}, where ${JSON.stringify(most)} is the most`);
  }
}

/** The files that this process holds open beyond those that it held when this was made. */
export class HeldFiles {
  readonly #before = new Set(openFiles());

  /** Resolves when none is open that was not before. */
  async untilClosed(): Promise<void> {
    let left: string[] = [];
    const isClosed = (): boolean => {
      left = openFiles().filter((path) => !this.#before.has(path));
      return left.length === 0;
    };
    try {
      await until(isClosed, "the end of what was opened", HELD_MAX_MS);
    } catch (error) {
      throw new Error(`Files are held that nobody uses: ${left.join(", ")}`, { cause: error });
    }
  }
}

/** How long what is closed may be seen; far above what it takes. */
const HELD_MAX_MS = 5_000;

/** Paths of open files, those that have lost their name too. */
function openFiles(): string[] {
  const directory = "/proc/self/fd";
  const paths: string[] = [];
  for (const name of readdirSync(directory)) {
    try {
      const path = readlinkSync(`${directory}/${name}`);
      if (path.startsWith("/") && !/^\/(dev|proc|sys)\//.test(path)) paths.push(path);
    } catch {
      // Closed between the two looks.
    }
  }
  return paths;
}

/** Bytes of memory that are resident. */
export function residentBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

function kindOf(path: string): keyof Descriptors {
  let target: string;
  try {
    target = readlinkSync(path);
  } catch {
    // Closed between the two looks.
    return "others";
  }
  if (target.startsWith("socket:")) return "sockets";
  if (target.startsWith("pipe:")) return "pipes";
  return target.endsWith(" (deleted)") ? "temporaryFiles" : "others";
}
