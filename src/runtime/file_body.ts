/** Bytes of an open file as the body of a Response: a short one at once, a long one as a stream. */
import { FileError } from "./file_error.ts";
import { errorCode } from "./error_code.ts";
import type { OpenFile } from "./open_file.ts";

/** Most bytes that are read at once: they come from the page cache in less time than a turn takes. */
export const READ_AT_ONCE_MAX = 64 * 1024;

/**
 * The bytes from `start` to `end` (exclusive); takes the file over and closes it.
 *
 * @throws {FileError} when a short one is shorter by now, or cannot be read
 */
export function openFileBody(
  file: OpenFile,
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> {
  if (end - start > READ_AT_ONCE_MAX) return file.stream([{ start, end }]);
  try {
    const bytes = readAtOnce(file, start, end - start);
    if (bytes.length === end - start) return bytes;
  } finally {
    file.close();
  }
  throw new FileError("read", file.path ?? "", "ESTALE");
}

/** Up to `length` bytes from `offset` on; fewer where the file has fewer. @throws {FileError} */
export function readAtOnce(
  file: OpenFile,
  offset: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  try {
    while (filled < length) {
      const count = file.read(bytes.subarray(filled), offset + filled);
      if (count === 0) break;
      filled += count;
    }
  } catch (cause) {
    throw new FileError("read", file.path ?? "", errorCode(cause), { cause });
  }
  return filled === length ? bytes : bytes.subarray(0, filled);
}
