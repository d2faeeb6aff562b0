/**
 * How many connections each address has in all threads, without a word for each address there may
 * be: every address counts in one bucket of each of two rows, and has at most what the lesser of the
 * two says. Two addresses that share both buckets are taken for one, so with very many addresses some
 * may be refused a connection early; none gets one too many. Which buckets is decided by a secret
 * key, so nobody can choose to share somebody's.
 *
 * Each thread counts in rows of its own: what it counted is gone with them when it dies.
 */
import { halfSipHash, type HashKey } from "./half_sip_hash.ts";
import { add, load, type Steps, store } from "./steps.ts";

export const ADDRESS_ROWS = 2;
/** Beyond so many buckets memory counts for more than a refusal that comes early. */
export const BUCKETS_MAX = 65_536;
/** Buckets for each connection that there may be. */
const BUCKETS_PER_CONNECTION = 4;

export interface AddressPlaces {
  readonly threads: number;
  /** A power of two. */
  readonly buckets: number;
  /** Rows of thread 0, then those of thread 1, and so on. */
  readonly at: number;
}

/** How many buckets a row should have. */
export function bucketsFor(connectionsMax: number): number {
  let buckets = 256;
  const wanted = Math.min(BUCKETS_MAX, BUCKETS_PER_CONNECTION * connectionsMax);
  while (buckets < wanted) buckets *= 2;
  return buckets;
}

/** The words that all rows take. */
export function addressWords(threads: number, buckets: number): number {
  return threads * ADDRESS_ROWS * buckets;
}

/** The address's bucket in each row. */
export function bucketsOf(
  address: string,
  key: HashKey,
  { buckets }: AddressPlaces,
): readonly [number, number] {
  const [first, second] = halfSipHash(address, key);
  return [first & (buckets - 1), second & (buckets - 1)];
}

/** Counts a connection of the address, unless it would have too many. */
export function* enterAddress(
  places: AddressPlaces,
  thread: number,
  inRows: readonly [number, number],
  max: number,
): Steps<boolean> {
  for (let row = 0; row < ADDRESS_ROWS; row++) yield add(wordOf(places, thread, row, inRows), 1);
  let least = Infinity;
  for (let row = 0; row < ADDRESS_ROWS; row++) {
    let total = 0;
    for (let other = 0; other < places.threads; other++) {
      total += yield load(wordOf(places, other, row, inRows));
    }
    least = Math.min(least, total);
  }
  if (least <= max) return true;
  yield* leaveAddress(places, thread, inRows);
  return false;
}

export function* leaveAddress(
  places: AddressPlaces,
  thread: number,
  inRows: readonly [number, number],
): Steps<void> {
  for (let row = 0; row < ADDRESS_ROWS; row++) yield add(wordOf(places, thread, row, inRows), -1);
}

/** The thread is dead. */
export function* clearAddresses(places: AddressPlaces, thread: number): Steps<void> {
  const length = ADDRESS_ROWS * places.buckets;
  const start = places.at + thread * length;
  for (let at = start; at < start + length; at++) yield store(at, 0);
}

function wordOf(
  { buckets, at }: AddressPlaces,
  thread: number,
  row: number,
  inRows: readonly [number, number],
): number {
  return at + (thread * ADDRESS_ROWS + row) * buckets + inRows[row as 0 | 1];
}
