/**
 * Long whole bodies in pieces. Bun's own HTTP server sends an answer that comes later as one write
 * only while it fits into 16 KiB; of a longer one it writes every part of every header line by
 * itself, fifteen writes in all, which costs five times as much as the same body as a stream of
 * pieces that fit (32 KiB: 4 against 21 thousand answers a second). As a stream it has no length, so
 * this is for bodies of which the application has not said one.
 */

/** Longest piece that Bun sends with one write. */
const PIECE_LENGTH_MAX = 16 * 1024;

/** Whether a body is longer than one write. */
export function isLong(bytes: Uint8Array): boolean {
  return bytes.length > PIECE_LENGTH_MAX;
}

/** The bytes as a stream of pieces. */
export function inPieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    // All at once: what is pulled later is not sent with the head.
    start(controller) {
      for (let start = 0; start < bytes.length; start += PIECE_LENGTH_MAX) {
        controller.enqueue(bytes.subarray(start, start + PIECE_LENGTH_MAX));
      }
      controller.close();
    },
  });
}
