/**
 * What the threads share beside upstreams: each thread's signs of life, clients in all and of each
 * address, the disk that temporary files take, and the memory of buffers.
 */
import { type AddressPlaces, addressWords, bucketsFor, clearAddresses } from "./address_counts.ts";
import type { HashKey } from "./half_sip_hash.ts";
import { createWords, Layout } from "./layout.ts";
import { type SharedWords, type Steps, store } from "./steps.ts";
import { clearTally, type TallyPlaces } from "./tally.ts";

/** Files and buffers are counted in pieces of so many bytes, so that 32 bits are enough. */
export const SPILL_UNIT = 4096;

/** Upstreams whose names fall on the same word share it; a power of two. */
export const STDERR_WORDS = 1024;

/** What a thread has to know to use it; it goes to each thread as it is. */
export interface ProcessMemory {
  readonly words: SharedWords;
  readonly threads: number;
  readonly buckets: number;
  readonly key: HashKey;
}

/** Where what is; each of the first ones is a word for each thread. */
export interface ProcessPlaces {
  /** Grows while the thread's event loop turns. */
  readonly beat: number;
  /** How late its event loop was at most, in the last seconds; microseconds. */
  readonly delay: number;
  /** Grows when the thread is to look at what it shares; it sleeps on it. */
  readonly bell: number;
  /** Connections of clients that it was given and that are still there. */
  readonly placed: number;
  /** Which of the connections that it was given it may take next (`handover.ts`). */
  readonly taken: number;
  /** 1 while nobody is accepted: whose client leaves then rings the main thread. */
  readonly waits: number;
  /** Grows when a certificate is another one: what was said of it before is old. */
  readonly certificates: number;
  readonly clients: TallyPlaces;
  /** In {@link SPILL_UNIT}s. */
  readonly spill: TallyPlaces;
  /** The same of what buffers hold. */
  readonly buffers: TallyPlaces;
  /** Until when upstreams have spent what they may write to the log: words, by a hash of the name. */
  readonly stderr: number;
  readonly addresses: AddressPlaces;
}

export function createProcessMemory(
  threads: number,
  connectionsMax: number,
  key: HashKey,
): ProcessMemory {
  const buckets = bucketsFor(connectionsMax);
  const { length } = layOut(threads, buckets);
  return { words: createWords(length), threads, buckets, key };
}

export function processPlaces({ threads, buckets }: ProcessMemory): ProcessPlaces {
  return layOut(threads, buckets).places;
}

/**
 * The thread is dead: nothing of it counts. Its bell stays what it is, and so do the numbers of its
 * connections.
 */
export function* leaveProcess(memory: ProcessMemory, thread: number): Steps<void> {
  const { placed, delay, clients, spill, buffers, addresses } = processPlaces(memory);
  yield store(placed + thread, 0);
  yield store(delay + thread, 0);
  yield* clearTally(clients, thread);
  yield* clearTally(spill, thread);
  yield* clearTally(buffers, thread);
  yield* clearAddresses(addresses, thread);
}

function layOut(threads: number, buckets: number) {
  const layout = new Layout();
  const each = () => layout.take(threads);
  const places: ProcessPlaces = {
    beat: each(),
    delay: each(),
    bell: each(),
    placed: each(),
    taken: each(),
    waits: layout.take(1),
    certificates: layout.take(1),
    clients: { at: each(), threads },
    spill: { at: each(), threads },
    buffers: { at: each(), threads },
    stderr: layout.take(STDERR_WORDS),
    addresses: { at: layout.take(addressWords(threads, buckets)), threads, buckets },
  };
  return { places, length: layout.length };
}
