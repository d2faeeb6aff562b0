/** The threads that a configuration wants, where it wants more than one. */
import type { AppOptions } from "../app/options.ts";
import { connectionBounds } from "../app/connection_bounds.ts";
import type { Logger } from "../observe/logger.ts";
import { countProcessors } from "../runtime/processors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { THREADS_MAX } from "../shared/layout.ts";
import { MainThread } from "./main_thread.ts";

interface Deps {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly version: string;
}

/** Undefined where one thread does everything; the configuration's `workers` says how many there are. */
export async function createThreads(
  options: AppOptions,
  { runtime, logger, version }: Deps,
): Promise<MainThread | undefined> {
  const count = await threadCount(options.workers, runtime);
  if (count === 1) return undefined;
  if (!canHaveThreads(runtime)) {
    // Nobody has asked for some in so many words.
    if (options.workers === "auto") return undefined;
    logger.warn("This system has no threads that serve: one thread does everything", {
      code: "no_threads",
    });
    return undefined;
  }
  const { connectionsMax, connectionsPerAddressMax } = options.clients ?? {};
  const asked = { max: connectionsMax, perAddressMax: connectionsPerAddressMax };
  const { process } = runtime;
  const { max } = connectionBounds(asked, process.descriptorLimit, options.upstreams, count + 1);
  return new MainThread({
    runtime,
    logger,
    version,
    count,
    connectionsMax: max,
    errorLog: process.stderr,
  });
}

/** Beside the main thread. */
const SERVING_MAX = THREADS_MAX - 1;

/** How many threads serve; 1: no other than the main thread. */
export async function threadCount(
  workers: AppOptions["workers"],
  { files, process }: Pick<Runtime, "files"> & { readonly process: { readonly cpuCount: number } },
): Promise<number> {
  if (workers !== "auto") return workers;
  const readText = (path: string) => files.readText(path).catch(() => undefined);
  return Math.min(await countProcessors(readText, process.cpuCount), SERVING_MAX);
}

function canHaveThreads({ threads, acceptDescriptors, adoptSockets, platform }: Runtime): boolean {
  return threads !== undefined && acceptDescriptors !== undefined && adoptSockets !== undefined &&
    platform.startsWith("linux");
}
