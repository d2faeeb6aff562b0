/**
 * Where links lead, remembered for a moment: to follow the links of a path costs more than all else
 * that is done to find a file, and the same paths are asked for again and again. Whether the file is
 * there, and what it is, is looked at anew each time, so a new file is seen at once, a deleted one is
 * gone at once, and only a link that was set anew leads to its old place for up to a second. Who finds
 * that two paths do not fit together can have them followed anew.
 *
 * It is small beside the interface of files, and everything else of that is handed on.
 */
import type { Clock, Files } from "../runtime/runtime.ts";
import type { FileLookup } from "./below_root.ts";

/** How long a link that was set anew may still lead to its old place, in milliseconds. */
export const LINKS_REMEMBERED_MS = 1000;

/** Most paths that are remembered; with one more it begins anew. */
export const LINKS_REMEMBERED_MAX = 4096;

interface Remembered {
  readonly realPath: string;
  readonly untilMs: number;
}

/** The same files, with the links on the way to them followed once a second. */
export function rememberLinks(files: Files, clock: Pick<Clock, "nowMs">): Files & FileLookup {
  const memory = new LinkMemory(files, clock);
  return {
    stat: (path) => files.stat(path),
    access: (path) => files.access(path),
    realPath: (path) => memory.realPath(path),
    followAnew: (path) => memory.follow(path),
    readText: (path) => files.readText(path),
    body: (path, start, end) => files.body(path, start, end),
    stream: (path, pieces) => files.stream(path, pieces),
    readNow: (path, length) => files.readNow(path, length),
    openNow: (path) => files.openNow(path),
    list: (path, namesMax) => files.list(path, namesMax),
    temporary: () => files.temporary(),
    appendStream: (path) => files.appendStream(path),
    createText: (path, text) => files.createText(path, text),
  };
}

export class LinkMemory {
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

  /** The path without links; of one that is remembered nobody looks whether it is still there. */
  realPath(path: string): string | undefined {
    const nowMs = this.#clock.nowMs();
    const known = this.#paths.get(path);
    return known !== undefined && nowMs < known.untilMs ? known.realPath : this.follow(path);
  }

  /** The path without links as it is now, which is then remembered. */
  follow(path: string): string | undefined {
    // Most paths of a site with a front controller name nothing, which this tells at a third.
    const realPath = this.#files.stat(path) && this.#files.realPath(path);
    if (realPath === undefined) {
      this.#paths.delete(path);
      return undefined;
    }
    const isNew = !this.#paths.has(path);
    if (isNew && this.#paths.size >= LINKS_REMEMBERED_MAX) this.#paths.clear();
    this.#paths.set(path, { realPath, untilMs: this.#clock.nowMs() + LINKS_REMEMBERED_MS });
    return realPath;
  }
}
