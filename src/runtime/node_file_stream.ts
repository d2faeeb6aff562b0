/**
 * Pieces of an open file as a Web stream, read as they are asked for. A file that has become shorter
 * errors the stream, for its length was promised.
 */
import { GuardedDescriptor } from "./guarded_descriptor.ts";
import type { FilePiece } from "./file_info.ts";

const READ_LENGTH_MAX = 64 * 1024;

/** Takes the descriptor over, and closes it at the end. */
export function fileStream(
  descriptor: number,
  pieces: readonly FilePiece[],
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const file = new GuardedDescriptor(descriptor);
  const reading = readPieces(file, pieces);
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reading.next();
        if (!done) return controller.enqueue(value);
        file.close();
        controller.close();
      } catch (error) {
        file.close();
        controller.error(error);
      }
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}

async function* readPieces(
  file: GuardedDescriptor,
  pieces: readonly FilePiece[],
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) {
      yield piece;
      continue;
    }
    for (let position = piece.start; position < piece.end;) {
      const bytes = new Uint8Array(Math.min(READ_LENGTH_MAX, piece.end - position));
      const count = await file.read(bytes, position);
      if (count === 0) throw new Error("Cannot read a file: it was cut meanwhile");
      position += count;
      yield bytes.subarray(0, count);
    }
  }
}
