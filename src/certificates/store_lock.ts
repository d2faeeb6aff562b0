/**
 * A lock by files, for processes that share a directory and nothing else: not a clock, maybe not even
 * a machine. Each holder has a generation, a file that only one process can make; the highest one is
 * the holder's, and it is never removed, so nobody makes an older one and believes it. The holder
 * changes his file every few seconds (the heartbeat). Who waits and sees it unchanged for long, by
 * his own clock, makes the next generation. A holder that was only asleep finds that one, and stops.
 *
 *     free ──(next generation made)──► held ──(release)──► free
 *                                       │
 *                                       └──(no heartbeat, next generation made)──► another's
 */
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { PrivateDirectory } from "../runtime/private_directory.ts";

/** How often a holder says that he lives. */
export const LOCK_HEARTBEAT_MS = 2_000;

/** Without a heartbeat for so long a holder counts as dead. */
export const LOCK_STALE_MS = 10_000;

/** How often who waits looks. */
export const LOCK_POLL_MS = 500;

/** Generations below the highest that are kept, so that no listing misses it. */
const GENERATIONS_KEPT = 2;

/** In a store. */
export const LOCK_DIRECTORY = "locks";
const FREE = "free";

export interface StoreLock {
  /** Fires when another has taken the lock over: what it protects is his. */
  readonly lost: AbortSignal;
  /** Safe to call again. */
  release(): Promise<void>;
}

/** The lock is another's, because we did not say that we live. */
export class LockLostError extends Error {
  override readonly name = "LockLostError";
}

/** What a waiting process has seen last, and since when by its own clock. */
interface Sight {
  readonly generation: number;
  readonly text: string | undefined;
  readonly sinceMs: number;
}

/** @throws {PrivateDirectoryError}, or the signal's reason */
export async function waitForLock(
  directory: PrivateDirectory,
  clock: Clock,
  name: string,
  signal?: AbortSignal,
): Promise<StoreLock> {
  let sight: Sight | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const generation = highest(directory, name);
    const text = generation === 0 ? FREE : directory.read(fileOf(name, generation));
    const nowMs = clock.nowMs();
    if (sight?.generation !== generation || sight.text !== text) {
      sight = { generation, text, sinceMs: nowMs };
    }
    if (text === FREE || nowMs - sight.sinceMs >= LOCK_STALE_MS) {
      const lock = take(directory, clock, name, generation + 1);
      if (lock !== undefined) return lock;
    }
    await sleep(clock, LOCK_POLL_MS, signal);
  }
}

function take(
  directory: PrivateDirectory,
  clock: Clock,
  name: string,
  generation: number,
): StoreLock | undefined {
  if (!directory.create(fileOf(name, generation), crypto.randomUUID())) return undefined;
  // One that was removed long ago could be made again by who had listed long before.
  if (highest(directory, name) !== generation) {
    directory.remove(fileOf(name, generation));
    return undefined;
  }
  for (const old of generationsOf(directory, name)) {
    if (old < generation - GENERATIONS_KEPT) directory.remove(fileOf(name, old));
  }
  return new HeldLock(directory, clock, name, generation);
}

class HeldLock implements StoreLock {
  readonly #directory: PrivateDirectory;
  readonly #clock: Clock;
  readonly #name: string;
  readonly #generation: number;
  readonly #lost = new AbortController();
  #timer: TimerId | undefined;
  #beat: Promise<void> | undefined;
  #isReleased = false;

  constructor(directory: PrivateDirectory, clock: Clock, name: string, generation: number) {
    this.#directory = directory;
    this.#clock = clock;
    this.#name = name;
    this.#generation = generation;
    this.#schedule();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    await this.#beat;
    if (!this.#lost.signal.aborted) await this.#write(FREE);
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(() => {
      this.#beat = this.#heartbeat();
    }, LOCK_HEARTBEAT_MS);
  }

  async #heartbeat(): Promise<void> {
    try {
      if (highest(this.#directory, this.#name) !== this.#generation) {
        this.#lost.abort(new LockLostError(`The lock of "${this.#name}" is another process's`));
        return;
      }
      await this.#write(crypto.randomUUID());
    } catch {
      // Such as a full disk: the next one may get through, or another takes over.
    }
    if (!this.#isReleased) this.#schedule();
  }

  async #write(text: string): Promise<void> {
    await this.#directory.write(fileOf(this.#name, this.#generation), text, false);
  }
}

function fileOf(name: string, generation: number): string {
  return `${LOCK_DIRECTORY}/${name}.${generation}`;
}

/** 0 where nobody has ever held it. */
function highest(directory: PrivateDirectory, name: string): number {
  return Math.max(0, ...generationsOf(directory, name));
}

function generationsOf(directory: PrivateDirectory, name: string): number[] {
  const prefix = `${name}.`;
  return directory.list(LOCK_DIRECTORY)
    .filter((file) => file.startsWith(prefix))
    .map((file) => file.slice(prefix.length))
    .filter((generation) => /^[1-9]\d{0,14}$/.test(generation))
    .map(Number);
}

function sleep(clock: Clock, durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, durationMs);
    const onAbort = (): void => {
      clock.clearTimer(timer);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
