/**
 * Pieces of bytes: when to join them, and when to copy one.
 * A copy costs time; many short pieces cost a call each; a short view keeps all of the memory alive
 * that was read with it.
 */

/** Pieces that are as long as this on the average are not worth a copy. */
export const LONG_PIECE_LENGTH = 8 * 1024;

/** Long pieces cost less than a copy of them, many short ones more. */
export function joinShort(pieces: readonly Uint8Array[], length: number): readonly Uint8Array[] {
  return length < pieces.length * LONG_PIECE_LENGTH ? [joinPieces(pieces, length)] : pieces;
}

/** The bytes, as a copy where they would keep too much else alive. */
export function unpinned(bytes: Uint8Array, ratioMax: number): Uint8Array {
  return bytes.length * ratioMax < bytes.buffer.byteLength ? bytes.slice() : bytes;
}

export function joinPieces(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  return joined;
}
