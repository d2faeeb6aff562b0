/**
 * What the threads share of one upstream: who waits for it, and for each of its servers the permits
 * of connections and what has been found out about the application. Servers come and go by name, so
 * each takes a cell when it is first met, by the hash of its address, and keeps it.
 *
 *     owners[threads] waiting[threads] urgent[threads] tunnels[threads]
 *     cell: key manner connections requests workers traits turns
 *           moves begun[threads] held[threads] wants[threads] idle[threads] permits[…]   …
 */
import { createWords, Layout } from "./layout.ts";
import { type PermitPlaces, sweepPermits } from "./permits.ts";
import { clearRequests, hasRequests, type RequestPlaces } from "./request_seat.ts";
import { compareExchange, load, type SharedWords, type Steps, store } from "./steps.ts";

/** Cells for servers that are not known at the start, at least. */
export const CELLS_SPARE = 64;
/** What they may take; the system has no memory for words that nobody has touched. */
export const CHANGING_WORDS = 64 * 1024;
export const CHANGING_CELLS_MAX = 2_048;

/** What a thread has to know to use it; it goes to each thread as it is. */
export interface UpstreamMemory {
  /** By which all threads know it, for each has another object. */
  readonly id: number;
  readonly words: SharedWords;
  readonly threads: number;
  readonly cells: number;
  /** Permits of each server. */
  readonly slotCount: number;
}

/** Where a server's words are. */
export interface ServerPlaces extends PermitPlaces, RequestPlaces {
  /** How the application takes requests, as far as it is known; 0: it is not. */
  readonly manner: number;
  /** What it says of itself that it takes; 0: nothing. */
  readonly connections: number;
  readonly requests: number;
  /** How many connections it was found to take; 0: nobody has found out. */
  readonly workers: number;
  /** Bits for what else it was found to do. */
  readonly traits: number;
  /** What it is owed of turns among servers; below 0 where it has had more (`balancer.ts`). */
  readonly turns: number;
  /** Of each thread: requests that it has begun at the server, in all its lives. */
  readonly begun: number;
}

let lastId = 0;

export function createUpstreamMemory(
  threads: number,
  servers: number,
  slotCount: number,
  spare = CELLS_SPARE,
): UpstreamMemory {
  const cells = servers + spare;
  const length = headLength(threads) + cells * cellLength(threads, slotCount);
  return { id: ++lastId, words: createWords(length), threads, cells, slotCount };
}

/** Spare cells for servers that will come. */
export function changingCells(threads: number, slotCount: number): number {
  const fitting = Math.floor(CHANGING_WORDS / cellLength(threads, slotCount));
  return Math.max(CELLS_SPARE, Math.min(CHANGING_CELLS_MAX, fitting));
}

/** The words of the threads themselves. */
export function upstreamPlaces(
  { threads }: Pick<UpstreamMemory, "threads">,
): Pick<PermitPlaces, "threads" | "owners" | "waiting" | "urgent"> & { readonly tunnels: number } {
  const layout = new Layout();
  return {
    threads,
    owners: layout.take(threads),
    waiting: layout.take(threads),
    urgent: layout.take(threads),
    tunnels: layout.take(threads),
  };
}

/** The server's cell, its own from now on; undefined where all are taken. */
export function* claimServer(
  memory: UpstreamMemory,
  address: string,
): Steps<ServerPlaces | undefined> {
  const key = keyOf(address);
  for (let cell = 0; cell < memory.cells; cell++) {
    const places = cellPlaces(memory, cell);
    let found = yield load(places.key);
    if (found === 0) found = (yield compareExchange(places.key, 0, key)) || key;
    if (found === key) return places;
  }
  return undefined;
}

/**
 * The thread is alive, as this owner, and nothing of it waits: what the life before it said while it
 * was dying counts no more.
 */
export function* joinUpstream(
  memory: UpstreamMemory,
  thread: number,
  owner: number,
): Steps<void> {
  const { owners } = upstreamPlaces(memory);
  yield* clearThread(memory, thread);
  yield* leaveRequests(memory, thread);
  yield store(owners + thread, owner);
}

/** The thread is dead: it waits for nothing, and what it held is free. */
export function* leaveUpstream(memory: UpstreamMemory, thread: number): Steps<void> {
  yield* leavePermits(memory, thread);
  yield* leaveRequests(memory, thread);
}

/** Of that: its queue, its connections and its tunnels. */
export function* leavePermits(memory: UpstreamMemory, thread: number): Steps<void> {
  const { owners } = upstreamPlaces(memory);
  yield store(owners + thread, 0);
  yield* clearThread(memory, thread);
  for (let cell = 0; cell < memory.cells; cell++) {
    const places = cellPlaces(memory, cell);
    if ((yield load(places.key)) === 0) break;
    yield store(places.idle + thread, 0);
    yield* sweepPermits(places);
  }
}

/** Of that: its requests at servers. */
export function* leaveRequests(memory: UpstreamMemory, thread: number): Steps<void> {
  for (let cell = 0; cell < memory.cells; cell++) {
    const places = cellPlaces(memory, cell);
    if ((yield load(places.key)) === 0) break;
    yield* clearRequests(places, thread);
  }
}

function* clearThread(memory: Pick<UpstreamMemory, "threads">, thread: number): Steps<void> {
  const { waiting, urgent, tunnels } = upstreamPlaces(memory);
  yield store(waiting + thread, 0);
  yield store(urgent + thread, 0);
  yield store(tunnels + thread, 0);
}

/** Frees what the dead have left. Whether there was something. */
export function* sweepUpstream(memory: UpstreamMemory): Steps<boolean> {
  let found = false;
  for (let cell = 0; cell < memory.cells; cell++) {
    const places = cellPlaces(memory, cell);
    if ((yield load(places.key)) === 0) break;
    if (yield* sweepPermits(places)) found = true;
    if (yield* sweepRequests(places)) found = true;
  }
  return found;
}

/** What a thread has counted while it died, or was given just then. */
function* sweepRequests(places: ServerPlaces): Steps<boolean> {
  let found = false;
  for (let thread = 0; thread < places.threads; thread++) {
    if (!(yield* hasRequests(places, thread))) continue;
    if ((yield load(places.owners + thread)) !== 0) continue;
    yield* clearRequests(places, thread);
    found = true;
  }
  return found;
}

function headLength(threads: number): number {
  return 4 * threads;
}

function cellLength(threads: number, slotCount: number): number {
  return 8 + 4 * threads + slotCount;
}

function cellPlaces(
  { threads, slotCount }: UpstreamMemory,
  cell: number,
): ServerPlaces & { readonly key: number } {
  const layout = new Layout();
  layout.take(headLength(threads) + cell * cellLength(threads, slotCount));
  return {
    ...upstreamPlaces({ threads }),
    key: layout.take(1),
    manner: layout.take(1),
    connections: layout.take(1),
    requests: layout.take(1),
    workers: layout.take(1),
    traits: layout.take(1),
    turns: layout.take(1),
    moves: layout.take(1),
    begun: layout.take(threads),
    held: layout.take(threads),
    wants: layout.take(threads),
    idle: layout.take(threads),
    slots: layout.take(slotCount),
    slotCount,
  };
}

/** FNV-1a with 32 bits; never 0. Servers are the configuration's, not a stranger's. */
function keyOf(address: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < address.length; index++) {
    hash = Math.imul(hash ^ address.charCodeAt(index), 0x01000193);
  }
  return hash | 0 || 1;
}
