/**
 * Where symlinks lead, remembered for a moment: to follow the symlinks of a path costs more than
 * all else that is done to find a file, and the same paths are asked for repeatedly. Whether
 * the file is there, and what it is, is looked at anew each time: a new file is seen at once, a
 * deleted one is gone at once, and where another file lies by now (its inode differs) the way is
 * followed anew, for a directory on it may have become a symlink. Only a symlink that was set anew,
 * whose old target is as it was, leads there for up to a second. Who finds that two paths do not
 * fit together can have them followed anew. What could not be looked at is not remembered.
 *
 * It is small beside the interface of files, and everything else of that is handed on.
 */
import type { Clock } from "../runtime/clock.ts";
import type { FileInfo } from "../runtime/file_info.ts";
import type { Files } from "../runtime/files.ts";
import type { FileLookup, LocatedFile } from "./below_root.ts";

/** How long a symlink that was set anew may still lead to its old place, in milliseconds. */
export const SYMLINKS_REMEMBERED_MS = 1000;

/** Most paths that are remembered; with one more it begins anew. */
export const SYMLINKS_REMEMBERED_MAX = 4096;

interface Remembered extends LocatedFile {
  readonly untilMs: number;
  /** That of the last look. */
  info: FileInfo;
}

/** The same files, with the symlinks on the way to them followed once a second. */
export function rememberSymlinks(files: Files, clock: Pick<Clock, "nowMs">): Files & FileLookup {
  const memory = new SymlinkMemory(files, clock);
  return {
    stat: (path) => files.stat(path),
    access: (path) => files.access(path),
    realPath: (path) => memory.realPath(path),
    followAnew: (path) => memory.follow(path),
    locate: (path) => memory.locate(path),
    readText: (path) => files.readText(path),
    openNow: (path) => files.openNow(path),
    list: (path, namesMax) => files.list(path, namesMax),
    temporary: () => files.temporary(),
    createCopy: (directory, name, mode) => files.createCopy(directory, name, mode),
    appendStream: (path) => files.appendStream(path),
    createText: (path, text) => files.createText(path, text),
  };
}

export class SymlinkMemory {
  readonly #files: Pick<Files, "stat" | "realPath">;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #paths = new Map<string, Remembered>();

  constructor(files: Pick<Files, "stat" | "realPath">, clock: Pick<Clock, "nowMs">) {
    this.#files = files;
    this.#clock = clock;
  }

  /** Paths remembered, for tests of the bound. */
  get size(): number {
    return this.#paths.size;
  }

  /** The path without symlinks; of one that is remembered nobody looks whether it is there. */
  realPath(path: string): string | undefined {
    const nowMs = this.#clock.nowMs();
    const known = this.#paths.get(path);
    return known !== undefined && nowMs < known.untilMs ? known.realPath : this.follow(path);
  }

  /** Where the path leads and what is there now; good until the next call. */
  locate(path: string): LocatedFile | undefined {
    const known = this.#paths.get(path);
    if (known === undefined || this.#clock.nowMs() >= known.untilMs) return this.#follow(path);
    const info = this.#files.stat(known.realPath);
    if (info === undefined || !isSameFile(info, known.info)) return this.#follow(path);
    known.info = info;
    return known;
  }

  /** The path without symlinks as it is now, which is then remembered. */
  follow(path: string): string | undefined {
    return this.#follow(path)?.realPath;
  }

  #follow(path: string): LocatedFile | undefined {
    // Most paths of a site with a front controller name nothing, which this tells at a third.
    const info = this.#files.stat(path);
    const realPath = info && this.#files.realPath(path);
    if (info === undefined || realPath === undefined) {
      this.#paths.delete(path);
      return undefined;
    }
    const isNew = !this.#paths.has(path);
    if (isNew && this.#paths.size >= SYMLINKS_REMEMBERED_MAX) this.#paths.clear();
    const untilMs = this.#clock.nowMs() + SYMLINKS_REMEMBERED_MS;
    const remembered = { realPath, untilMs, info };
    this.#paths.set(path, remembered);
    return remembered;
  }
}

function isSameFile(a: FileInfo, b: FileInfo): boolean {
  return a.inode === b.inode && a.device === b.device;
}
