/**
 * The limits of rate of one connection at work: each is a number that frames take from, and that time
 * and good behaviour give back. Nothing here knows what the frames mean.
 */
import { ConnectionError } from "./errors.ts";
import { type Http2Limits, REFILL_MS } from "./limits.ts";

/** As their keys in the configuration are named. */
export type BudgetName = "resets" | "settings" | "pings" | "empty_frames" | "window_updates";

const NAMES: readonly BudgetName[] = [
  "resets",
  "settings",
  "pings",
  "empty_frames",
  "window_updates",
];

export class Budgets {
  readonly #max: Readonly<Record<BudgetName, number>>;
  readonly #left: Record<BudgetName, number>;
  #refilledMs: number;

  constructor(limits: Http2Limits, nowMs: number) {
    this.#max = {
      resets: limits.resetsMax,
      settings: limits.settingsMax,
      pings: limits.pingsMax,
      empty_frames: limits.emptyFramesMax,
      window_updates: limits.windowUpdatesMax,
    };
    this.#left = { ...this.#max };
    this.#refilledMs = nowMs;
  }

  /** @throws {ConnectionError} when there is nothing left */
  take(name: BudgetName): void {
    if (--this.#left[name] >= 0) return;
    throw new ConnectionError(
      "ENHANCE_YOUR_CALM",
      `More than ${this.#max[name]} of limits.http2.${name}`,
      name,
    );
  }

  give(name: BudgetName, count: number): void {
    const left = this.#left[name] + count;
    this.#left[name] = Math.min(left, this.#max[name]);
  }

  /** Called now and then. */
  refill(nowMs: number): void {
    const share = (nowMs - this.#refilledMs) / REFILL_MS;
    this.#refilledMs = nowMs;
    for (const name of NAMES) this.give(name, this.#max[name] * share);
  }
}
