/**
 * The connections that all threads may have to one server. A permit is a word that holds its owner's
 * number, so there is one truth: no count stands beside it, and what a dead thread held is found by
 * looking. Whoever needs a permit and finds none says that it waits. A permit that is given back goes
 * straight to the waiting thread that holds fewest, and only where nobody waits it is free.
 *
 * Nobody waits beside a permit that is free or a connection that is idle: who waits says so and looks
 * then, who gives back or falls idle does so and looks then, so one of the two sees the other. Nobody
 * starves: a thread that has work itself yields a permit to one that holds two less, and to one that
 * holds none and has waited for a while (it is urgent).
 *
 * It does not know connections. Operations name the thread that is to be rung, for it may be asleep.
 */
import { threadOf } from "./owners.ts";
import { compareExchange, load, type Steps, store } from "./steps.ts";

/** Where the words of a server's permits are, and those of its upstream. */
export interface PermitPlaces {
  readonly threads: number;
  /** Of each thread: who it is now; 0 while it is dead. */
  readonly owners: number;
  /** Of each thread: how many of its requests wait for this upstream. */
  readonly waiting: number;
  /** Of each thread: whether it has waited for long while it held nothing. */
  readonly urgent: number;
  /** Of each thread: its idle connections to this server. */
  readonly idle: number;
  /** Of each permit: its owner, or 0. */
  readonly slots: number;
  readonly slotCount: number;
}

/** Nobody is to be rung. */
export const NOBODY = -1;

/** Takes a free one of the first `limit`, unless as many are taken: it may have become lower. */
export function* takePermit(
  places: PermitPlaces,
  owner: number,
  limit: number,
): Steps<boolean> {
  const { slots, slotCount } = places;
  if (limit < slotCount && (yield* countTaken(places)) >= limit) return false;
  const end = slots + Math.min(limit, slotCount);
  for (let at = slots; at < end; at++) {
    if ((yield load(at)) !== 0) continue;
    if ((yield compareExchange(at, 0, owner)) === 0) return true;
  }
  return false;
}

/**
 * Gives back one of the owner's; the thread that should look now. One of more than `limit` is free:
 * somebody has found out that there may be fewer.
 */
export function* givePermit(
  places: PermitPlaces,
  owner: number,
  limit = Infinity,
): Steps<number> {
  const at = yield* findOwn(places, owner);
  if (at < 0) return NOBODY;
  const self = threadOf(owner);
  if (limit < places.slotCount && (yield* countTaken(places)) > limit) {
    yield store(at, 0);
    return yield* firstWaiting(places, self);
  }
  const heir = yield* neediest(places, self);
  const heirOwner = heir === NOBODY ? 0 : yield load(places.owners + heir);
  // Where the heir has died meanwhile, the check of dead threads finds it.
  yield store(at, heirOwner);
  return heirOwner === 0 ? yield* firstWaiting(places, self) : heir;
}

/** How many permits are the owner's. */
export function* countOwn({ slots, slotCount }: PermitPlaces, owner: number): Steps<number> {
  let count = 0;
  for (let at = slots; at < slots + slotCount; at++) if ((yield load(at)) === owner) count++;
  return count;
}

/** How many permits are taken, by all threads. */
export function* countTaken({ slots, slotCount }: PermitPlaces): Steps<number> {
  let count = 0;
  for (let at = slots; at < slots + slotCount; at++) if ((yield load(at)) !== 0) count++;
  return count;
}

/** Whether none of the first `limit` is free. */
export function* areAllTaken({ slots, slotCount }: PermitPlaces, limit: number): Steps<boolean> {
  const end = slots + Math.min(limit, slotCount);
  for (let at = slots; at < end; at++) if ((yield load(at)) === 0) return false;
  return true;
}

/** Whether another thread has waited for long. */
export function* isAnyUrgent({ threads, urgent }: PermitPlaces, self: number): Steps<boolean> {
  for (let thread = 0; thread < threads; thread++) {
    if (thread !== self && (yield load(urgent + thread)) === 1) return true;
  }
  return false;
}

/** Another thread that waits, or {@link NOBODY}: who has something idle should give it up. */
export function* firstWaiting({ threads, waiting }: PermitPlaces, self: number): Steps<number> {
  for (let step = 1; step < threads; step++) {
    const thread = (self + step) % threads;
    if ((yield load(waiting + thread)) > 0) return thread;
  }
  return NOBODY;
}

/** Whether a thread that has work for its permits should yield one all the same. */
export function* mustYield(places: PermitPlaces, owner: number): Steps<boolean> {
  const self = threadOf(owner);
  const waiting = yield* allWaiting(places, self);
  if (waiting.length === 0) return false;
  const held = yield* heldByThread(places);
  for (const thread of waiting) {
    if (held[thread]! + 1 < held[self]!) return true;
    if (held[thread]! > 0) continue;
    // One thread yields for it, not all.
    const urgent = places.urgent + thread;
    if ((yield compareExchange(urgent, 1, 0)) === 1) return true;
  }
  return false;
}

/** Others that hold something idle, or, for one that holds nothing, anything. */
export function* threadsToAsk(places: PermitPlaces, owner: number): Steps<readonly number[]> {
  const self = threadOf(owner);
  const found: number[] = [];
  const held = yield* heldByThread(places);
  for (let step = 1; step < places.threads; step++) {
    const thread = (self + step) % places.threads;
    const isIdle = (yield load(places.idle + thread)) > 0;
    if (isIdle || (held[self] === 0 && held[thread]! > 0)) found.push(thread);
  }
  return found;
}

/** Frees what belongs to nobody alive. Whether there was something. */
export function* sweepPermits(places: PermitPlaces): Steps<boolean> {
  let found = false;
  for (let at = places.slots; at < places.slots + places.slotCount; at++) {
    const owner = yield load(at);
    if (owner === 0 || (yield load(places.owners + threadOf(owner))) === owner) continue;
    if ((yield compareExchange(at, owner, 0)) === owner) found = true;
  }
  return found;
}

function* findOwn({ slots, slotCount }: PermitPlaces, owner: number): Steps<number> {
  // From the end, so that those beyond a limit that has become lower go first.
  for (let at = slots + slotCount - 1; at >= slots; at--) {
    if ((yield load(at)) === owner) return at;
  }
  return -1;
}

/** The waiting thread that holds fewest. */
function* neediest(places: PermitPlaces, self: number): Steps<number> {
  const waiting = yield* allWaiting(places, self);
  if (waiting.length <= 1) return waiting[0] ?? NOBODY;
  const held = yield* heldByThread(places);
  return waiting.reduce((best, thread) => held[thread]! < held[best]! ? thread : best);
}

/** The others that wait, from the next one on. */
function* allWaiting({ threads, waiting }: PermitPlaces, self: number): Steps<readonly number[]> {
  const found: number[] = [];
  for (let step = 1; step < threads; step++) {
    const thread = (self + step) % threads;
    if ((yield load(waiting + thread)) > 0) found.push(thread);
  }
  return found;
}

function* heldByThread({ threads, slots, slotCount }: PermitPlaces): Steps<readonly number[]> {
  const held = new Array<number>(threads).fill(0);
  for (let at = slots; at < slots + slotCount; at++) {
    const owner = yield load(at);
    if (owner !== 0) held[threadOf(owner)]!++;
  }
  return held;
}
