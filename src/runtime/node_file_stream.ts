/**
 * Pieces of a file as a Web stream, read as they are asked for. The file is opened once: a path that
 * gets another file meanwhile does not mix the two. A file that has become shorter errors the stream,
 * for its length was promised.
 */
import { open } from "node:fs";
import { promisify } from "node:util";
import { GuardedDescriptor } from "./guarded_descriptor.ts";
import type { FilePiece } from "./runtime.ts";

const READ_LENGTH_MAX = 64 * 1024;

const openAsync = promisify(open);

/** See `Files.stream`. */
export async function fileStream(
  path: string,
  pieces: readonly FilePiece[],
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const file = new GuardedDescriptor(await openAsync(path, "r"));
  const reading = readPieces(file, path, pieces);
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

/** Bytes `start` to `end` (exclusive) of a file as a stream. */
export function fileRangeStream(
  path: string,
  start: number,
  end: number,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  return fileStream(path, [{ start, end }]);
}

async function* readPieces(
  file: GuardedDescriptor,
  path: string,
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
      if (count === 0) throw new Error(`Cannot read "${path}": it was cut meanwhile`);
      position += count;
      yield bytes.subarray(0, count);
    }
  }
}
