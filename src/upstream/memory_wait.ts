/** A request whose body is not read while buffers hold more memory than they may. */
import type { AbortSignalLike } from "../runtime/abort_signal.ts";
import type { BufferMemory } from "./buffer_memory.ts";
import { type DeadlineHolder, type Deadlines, NO_SLOT } from "./deadlines.ts";
import { UpstreamError } from "./errors.ts";
import type { StoppableWaits } from "./stoppable_waits.ts";

/** How long a body waits until buffers have room. */
export const MEMORY_TIMEOUT_MS = 30_000;

export interface MemoryWaitDeps {
  readonly memory: BufferMemory;
  readonly deadlines: Deadlines;
  readonly waits: StoppableWaits;
}

/**
 * Resolves when there is room.
 *
 * @throws {UpstreamError} when there is none in time, the client leaves, or all waits are stopped
 */
export async function memoryFor(
  signal: AbortSignalLike | undefined,
  { memory, deadlines, waits }: MemoryWaitDeps,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const holder: DeadlineHolder = {
    deadlineMs: deadlines.after(MEMORY_TIMEOUT_MS),
    deadlineSlot: NO_SLOT,
    onDeadline: () => reject(timeoutError(memory)),
  };
  const leave = memory.wait(resolve);
  const release = waits.add(signal, reject);
  deadlines.add(holder);
  try {
    await promise;
  } finally {
    deadlines.remove(holder);
    release();
    leave();
  }
}

function timeoutError({ used, max }: BufferMemory): UpstreamError {
  const message =
    `Buffers hold ${used} bytes of limits.memory (${max}) for ${MEMORY_TIMEOUT_MS} ms`;
  return new UpstreamError("memory_full", message, { phase: "queue", fault: "local" });
}
