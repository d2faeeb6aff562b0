/**
 * Lines of which there could be one for each request of a flood: at most one a second for each kind,
 * and each says how many were left out since the one before.
 */
import type { Clock } from "../runtime/clock.ts";
import type { LogFields, Logger, LogLevel } from "./logger.ts";

/** How long a kind of line is silent after one of it, in milliseconds. */
export const LIMITED_LOG_MS = 1000;

/** Most kinds that are told apart; with one more all may speak again. */
export const LIMITED_LOG_KINDS_MAX = 256;

interface Silence {
  untilMs: number;
  leftOut: number;
}

export class LimitedLog {
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #silences = new Map<string, Silence>();

  constructor(logger: Logger, clock: Pick<Clock, "nowMs">) {
    this.#logger = logger;
    this.#clock = clock;
  }

  log(kind: string, level: LogLevel, message: string, fields: LogFields): void {
    const nowMs = this.#clock.nowMs();
    const silence = this.#silences.get(kind);
    if (silence !== undefined && nowMs < silence.untilMs) {
      silence.leftOut++;
      return;
    }
    const leftOut = silence?.leftOut ?? 0;
    if (silence === undefined && this.#silences.size >= LIMITED_LOG_KINDS_MAX) {
      this.#silences.clear();
    }
    this.#silences.set(kind, { untilMs: nowMs + LIMITED_LOG_MS, leftOut: 0 });
    this.#logger.log(level, message, leftOut === 0 ? fields : { ...fields, left_out: leftOut });
  }
}
