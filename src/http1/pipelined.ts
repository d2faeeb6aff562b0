/**
 * What a client sends before its turn: the requests behind the one that is being answered. The
 * socket is paused as soon as something waits, so all there can be is one piece, and what the runtime
 * had read by then.
 */

/** Most bytes that wait; a runtime reads at most 512 KiB at a time. */
export const PIPELINED_LENGTH_MAX = 2 * 1024 * 1024;

/** @throws {RangeError} when the socket gives more though it is paused */
export function joinPipelined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const length = first.length + second.length;
  if (length > PIPELINED_LENGTH_MAX) {
    throw new RangeError(`Over ${PIPELINED_LENGTH_MAX} bytes of later requests came`);
  }
  const joined = new Uint8Array(length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
