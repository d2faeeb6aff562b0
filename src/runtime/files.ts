/**
 * The files of the machine as afcgi uses them: looked up, read, listed, appended to, and temporary
 * ones. `node_files.ts` (with `bun_file_calls.ts`) is for both runtimes, `tests/support/memory/` has
 * one for tests.
 */
import type { CopyName, FileCopy } from "./file_copy.ts";
import type { FileInfo } from "./file_info.ts";
import type { OpenFile } from "./open_file.ts";
import type { TextSink } from "./text_sink.ts";

/** Names in a directory, in the order of the file system. */
export interface DirectoryNames {
  readonly names: readonly string[];
  /** Whether there are more than were asked for. */
  readonly hasMore: boolean;
}

/** Whom a file belongs to, and what its owner, its group and others may do (`chmod`). */
export interface FileAccess {
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
}

/** A file without a name that holds what does not fit in memory; closing it frees its space. */
export interface TemporaryFile {
  /** All of the pieces, one behind the other. */
  append(pieces: readonly Uint8Array[]): Promise<void>;
  /** Up to `length` bytes from `offset`; fewer only at the end of what was appended. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): void;
}

/**
 * Look-ups are synchronous: from the page cache they take some microseconds, a thread more. What is
 * not there is `undefined`, and only that: where the system cannot tell, it is a {@link FileError}.
 */
export interface Files {
  /** Follows symlinks; undefined when there is nothing. @throws {FileError} */
  stat(path: string): FileInfo | undefined;
  /**
   * Who may do what with it; undefined when there is nothing, or where nobody knows (Windows).
   *
   * @throws {FileError}
   */
  access(path: string): FileAccess | undefined;
  /** The path without symlinks and dots; undefined: nothing is there. @throws {FileError} */
  realPath(path: string): string | undefined;
  /** Of a regular file, which is read at once. @throws {FileError} also when there is none */
  readText(path: string): Promise<string>;
  /**
   * Writes a file that only we may read, unless there is one: false. It is there whole or not at
   * all, whoever else does the same, and its directory is made if need be.
   *
   * @throws with the operating system's reason
   */
  createText(path: string, text: string): Promise<boolean>;
  /**
   * Opens a regular file for reading, by a path without symlinks and dots. Undefined when there is none:
   * nothing, a symlink by now, a directory, a FIFO, a socket, a device.
   *
   * @throws {FileError} also when it may not be read (`isDenied`)
   */
  openNow(path: string): OpenFile | undefined;
  /** Names in a directory, at most `namesMax`. @throws {FileError} also when there is none */
  list(path: string, namesMax: number): Promise<DirectoryNames>;
  /** In the system's directory for temporary files; no other process can open it. */
  temporary(): Promise<TemporaryFile>;
  /**
   * A new file below a directory that is there, with a mode; without a symlink on the way.
   *
   * @throws {FileError} where it cannot be made
   */
  createCopy(directory: string, name: CopyName, mode: number): FileCopy;
  /** Why lines could not be appended to a file; undefined: they could. Left out: nobody knows. */
  readonly whyNotAppend?: (path: string) => string | undefined;
  /** A stream that appends lines to a file, for logs. */
  appendStream(path: string): Promise<TextSink>;
}
