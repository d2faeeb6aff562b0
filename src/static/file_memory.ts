/**
 * Small files that are asked for repeatedly, kept in memory with what is said of them. Each
 * time one is looked at before it is sent: a `stat` of its path must find the file that was kept,
 * by its inode and its times, so a change is seen with the next request. To look at symlinks, read
 * the content and make the fields costs five times as much. Once a second the way to it is followed
 * anew, because a directory on the way could lead out of the root by then and hold the same file.
 *
 * A file that changed a moment ago is not kept: within the file system's tick of time it could
 * change again and look the same.
 */
import { readAtOnce } from "../runtime/file_body.ts";
import type { Clock } from "../runtime/clock.ts";
import type { FileInfo } from "../runtime/file_info.ts";
import type { Files } from "../runtime/files.ts";
import type { OpenFile } from "../runtime/open_file.ts";
import type { ReadyFile } from "./file_response.ts";

/** Most bytes of a file that is kept. */
export const KEPT_FILE_LENGTH_MAX = 16 * 1024;
/** Most files that are kept; with one more it begins anew. */
export const KEPT_FILES_MAX = 1024;

/** How long a file is sent without following the way to it anew, in milliseconds. */
export const KEPT_FILE_MS = 1000;

/** How long ago a file must have changed to be kept: file systems count in some milliseconds. */
export const SETTLED_MS = 2000;

interface KeptFile {
  readonly file: ReadyFile;
  readonly untilMs: number;
}

export class FileMemory {
  readonly #files: Pick<Files, "stat">;
  readonly #clock: Pick<Clock, "nowMs" | "wallMs">;
  readonly #kept = new Map<string, KeptFile>();

  constructor(files: Pick<Files, "stat">, clock: Pick<Clock, "nowMs" | "wallMs">) {
    this.#files = files;
    this.#clock = clock;
  }

  /** Files kept, for tests of the bound. */
  get size(): number {
    return this.#kept.size;
  }

  /** The file kept for a path below the root, when it is still what lies at `file.found.path`. */
  find(path: string): ReadyFile | undefined {
    const kept = this.#kept.get(path);
    if (kept === undefined) return undefined;
    const { found } = kept.file;
    const info = this.#clock.nowMs() < kept.untilMs ? this.#files.stat(found.path) : undefined;
    if (info !== undefined && isSame(info, found.info)) return kept.file;
    this.#kept.delete(path);
    return undefined;
  }

  /**
   * The file with its content, kept where it may be; as it is where it is too large, cannot be read
   * or is changing: the way that tells so is another. `opened` stays open.
   */
  keep(path: string, file: ReadyFile, opened: OpenFile): ReadyFile {
    const { info, realPath } = file.found;
    if (info.size > KEPT_FILE_LENGTH_MAX) return file;
    // One byte more, to see that it has not grown.
    const bytes = readAtOnce(opened, 0, info.size + 1);
    const after = this.#files.stat(realPath);
    if (bytes.length !== info.size || after === undefined || !isSame(after, info)) return file;
    const withBytes = { ...file, bytes };
    if (this.#clock.wallMs() - info.changedMs < SETTLED_MS) return withBytes;
    if (this.#kept.size >= KEPT_FILES_MAX) this.#kept.clear();
    this.#kept.set(path, { file: withBytes, untilMs: this.#clock.nowMs() + KEPT_FILE_MS });
    return withBytes;
  }
}

function isSame(a: FileInfo, b: FileInfo): boolean {
  return a.kind === b.kind && a.inode === b.inode && a.device === b.device && a.size === b.size &&
    a.changedMs === b.changedMs && a.modifiedMs === b.modifiedMs;
}
