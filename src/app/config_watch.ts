/**
 * Looks whether the configuration's file has changed, and tells once it has stayed as it is for a
 * moment: whoever writes it may not be done. It looks at what the path leads to, so a symlink that is
 * swapped (a ConfigMap's `..data`) is a change, and so is a file that takes the place of another. A
 * file that is not there is waited for. It asks the file system, not for events of it: those do not
 * cross every mount, nor tell of a swapped directory above.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { Files } from "../runtime/files.ts";

/** How often it looks; a change is told when two looks have found the same. */
export const CONFIG_WATCH_INTERVAL_MS = 500;

export interface ConfigWatchDeps {
  readonly clock: Clock;
  readonly files: Pick<Files, "stat" | "realPath">;
  readonly path: string;
  readonly onChange: () => void;
}

export class ConfigWatch {
  readonly #deps: ConfigWatchDeps;
  /** What was told last, or found at first. */
  #told: string;
  #seen: string;
  #timer: TimerId | undefined;

  constructor(deps: ConfigWatchDeps) {
    this.#deps = deps;
    this.#told = this.#seen = this.#state();
    this.#wait();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#deps.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #wait(): void {
    this.#timer = this.#deps.clock.setTimer(() => {
      this.#wait();
      this.#look();
    }, CONFIG_WATCH_INTERVAL_MS);
  }

  #look(): void {
    const state = this.#state();
    const isSettled = state === this.#seen;
    this.#seen = state;
    if (!isSettled || state === this.#told || state === "") return;
    this.#told = state;
    this.#deps.onChange();
  }

  /** Empty where there is nothing that can be read. */
  #state(): string {
    const { files, path } = this.#deps;
    try {
      const info = files.stat(path);
      if (info === undefined) return "";
      const { device, inode, size, modifiedMs, changedMs } = info;
      return [files.realPath(path), device, inode, size, modifiedMs, changedMs].join(" ");
    } catch {
      return "";
    }
  }
}
