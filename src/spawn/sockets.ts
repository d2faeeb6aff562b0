/**
 * Where the workers of a spawned application listen: each at a socket of its own in one directory.
 */
import type { UnixAddress } from "../runtime/address.ts";
import { commandKind, type SpawnOptions, workerCount } from "./options.ts";

/** `number` counts the application's workers from 1, those that come later too. */
export function workerSocket(directory: string, number: number): UnixAddress {
  return { transport: "unix", path: `${directory}/${number}.sock` };
}

export function socketNumber({ path }: UnixAddress): number {
  return Number(/(\d+)\.sock$/.exec(path)?.[1]);
}

/**
 * The number of the next worker's socket: behind the last one, and from 1 on again at some point. A
 * server is known by its address, in every thread that there is, and those are not without end.
 *
 * @param used those that are not free
 */
export function nextSocketNumber(last: number, count: number, used: ReadonlySet<number>): number {
  const most = Math.max(SOCKET_NUMBERS_MIN, 2 * count);
  let number = last;
  // Of an application there is each worker, and of each at most its successor.
  for (let tried = 0; tried <= most; tried++) {
    number = number % most + 1;
    if (!used.has(number)) return number;
  }
  return last + 1;
}

/** So many numbers there are at least. */
export const SOCKET_NUMBERS_MIN = 32;

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
