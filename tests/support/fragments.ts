/**
 * The ways in which tests cut a run of bytes before they feed it: whole, one byte at a time, at
 * every length. Every piece is memory of its own, so that a test may overwrite it once it was read
 * and see who still holds a view of it. What the bytes mean is not known here.
 */
import fc from "fast-check";

/** One way to cut bytes, and its name for messages. */
export interface Fragmentation {
  how: string;
  pieces: Uint8Array<ArrayBuffer>[];
}

/** What a piece is overwritten with by {@link poison}: neither a version nor a short length. */
const POISON = 0xee;

/**
 * Whole; one byte at a time; in two at every offset; in pieces of every length. The work grows with
 * the square of the length: for runs up to a few hundred bytes.
 */
export function* fragmentations(bytes: Uint8Array): Generator<Fragmentation> {
  yield { how: "whole", pieces: cut(bytes, []) };
  yield { how: "one byte at a time", pieces: pieces(bytes, 1) };
  for (let offset = 0; offset <= bytes.length; offset++) {
    yield { how: `in two at ${offset}`, pieces: cut(bytes, [offset]) };
  }
  for (let length = 2; length < bytes.length; length++) {
    yield { how: `in pieces of ${length}`, pieces: pieces(bytes, length) };
  }
}

/** The bytes in pieces of `length`; the last may be shorter. */
export function pieces(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer>[] {
  const offsets: number[] = [];
  for (let offset = length; offset < bytes.length; offset += length) offsets.push(offset);
  return cut(bytes, offsets);
}

/** The bytes cut at these offsets, in any order; the same offset twice makes an empty piece. */
export function cut(bytes: Uint8Array, offsets: readonly number[]): Uint8Array<ArrayBuffer>[] {
  const ends = [...offsets, bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end));
}

/** For properties: offsets at which to cut `bytes`, empty pieces and no cut at all included. */
export function offsetsIn(bytes: Uint8Array): fc.Arbitrary<number[]> {
  return fc.array(fc.nat(bytes.length), { maxLength: 12 });
}

/** Overwrites a piece that was read, as a socket does that reads into the same memory again. */
export function poison(piece: Uint8Array): void {
  piece.fill(POISON);
}

/** Several runs of bytes as one. */
export function join(runs: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(runs.reduce((sum, run) => sum + run.length, 0));
  let offset = 0;
  for (const run of runs) {
    joined.set(run, offset);
    offset += run.length;
  }
  return joined;
}
