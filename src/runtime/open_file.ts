/** A file that stays open while pieces of it are read, at once and anywhere. */
import type { FileInfo, FilePiece } from "./file_info.ts";

/** A regular file that is open for reading. */
export interface OpenFile {
  /** The system's number for it; -1 where it has none. */
  readonly descriptor: number;
  /** What it is, asked of the open file: a path may name another one by now. */
  readonly info: FileInfo;
  /**
   * Where the system says that it lies, without symlinks: not where it was opened, if somebody put
   * a symlink in the way. Undefined where no system says that.
   */
  readonly path: string | undefined;
  /** Reads at once into `bytes`, from `offset` on; how many there were, 0 at the end. */
  read(bytes: Uint8Array, offset: number): number;
  /**
   * Pieces of it, in their order. The stream takes the file over and closes it; it errors when the
   * file has become shorter than a piece says.
   */
  stream(pieces: readonly FilePiece[]): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** May be called again; nothing once a stream has taken the file over. */
  close(): void;
}
