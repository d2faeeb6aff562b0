/**
 * Looks once a second whether there is room for more descriptors. Where there is none, an accept
 * fails, and on Bun it is tried repeatedly, at the price of a whole processor; so listeners are
 * paused until there is room again. The admin address is not: it keeps what little is left.
 */
import type { Logger } from "../observe/logger.ts";
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { Process } from "../runtime/process.ts";
import type { Pausable } from "./client_connections.ts";

export const DESCRIPTORS_FREE_MIN = 16;

const LOOK_MS = 1_000;
/** While there is no room, and for a while behind that. */
const LOOK_AGAIN_MS = 50;
const CALM_LOOKS = 200;

export interface DescriptorWatchDeps {
  readonly clock: Clock;
  readonly process: Pick<Process, "hasDescriptors" | "descriptorLimit">;
  readonly logger: Logger;
}

export class DescriptorWatch {
  readonly #deps: DescriptorWatchDeps;
  readonly #listeners = new Set<Pausable>();
  #timer: TimerId | undefined;
  #isShort = false;
  /** Looks in quick succession that are left. */
  #quickLooks = 0;
  #loggedMs = -Infinity;

  constructor(deps: DescriptorWatchDeps) {
    this.#deps = deps;
  }

  add(listener: Pausable): void {
    this.#listeners.add(listener);
    if (this.#isShort) listener.pause?.("descriptors");
  }

  remove(listener: Pausable): void {
    this.#listeners.delete(listener);
  }

  /** Does nothing where nobody knows of a limit. */
  start(): void {
    if (this.#deps.process.descriptorLimit !== undefined) this.#schedule();
  }

  stop(): void {
    if (this.#timer !== undefined) this.#deps.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    const delayMs = this.#isShort || this.#quickLooks > 0 ? LOOK_AGAIN_MS : LOOK_MS;
    this.#timer = this.#deps.clock.setTimer(() => {
      this.#look();
      this.#schedule();
    }, delayMs);
  }

  #look(): void {
    if (this.#quickLooks > 0) this.#quickLooks--;
    const isShort = !this.#deps.process.hasDescriptors(DESCRIPTORS_FREE_MIN);
    if (isShort) this.#quickLooks = CALM_LOOKS;
    if (isShort === this.#isShort) return;
    this.#isShort = isShort;
    for (const listener of this.#listeners) {
      if (isShort) listener.pause?.("descriptors");
      else listener.resume?.("descriptors");
    }
    if (isShort) this.#log();
  }

  #log(): void {
    const { clock, logger, process } = this.#deps;
    if (clock.nowMs() - this.#loggedMs < LOOK_MS) return;
    this.#loggedMs = clock.nowMs();
    logger.error("File descriptors have run out: clients wait", {
      code: "descriptors_exhausted",
      limit: process.descriptorLimit,
    });
  }
}
