/**
 * Where the workers of a spawned application listen: each at a socket of its own in one directory.
 */
import type { UnixAddress } from "../runtime/address.ts";
import { commandKind, type SpawnOptions, workerCount } from "./options.ts";

/** `number` counts the application's workers from 1, those that come later too. */
export function workerSocket(directory: string, number: number): UnixAddress {
  return { transport: "unix", path: `${directory}/${number}.sock` };
}

/** How many of them there are at once: php-fpm's children share one. */
export function socketCount(options: SpawnOptions, cpuCount: number): number {
  return commandKind(options.command) === "php-fpm" ? 1 : workerCount(options, cpuCount);
}

/** Those of the workers that are started first. */
export function firstSockets(
  options: SpawnOptions,
  cpuCount: number,
  directory: string,
): readonly UnixAddress[] {
  const length = socketCount(options, cpuCount);
  return Array.from({ length }, (_, index) => workerSocket(directory, index + 1));
}
