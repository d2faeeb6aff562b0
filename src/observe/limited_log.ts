/**
 * Lines of which there could be one for each request of a flood: at most one a second (or whatever the
 * kind wants) of each kind, and each says how many were left out since the one before. And news: lines
 * on what has become of something, each of which is only said when the one before said another thing.
 *
 * Of several threads one holds all of that. The others pass on what they would say, already limited, so
 * that the log has one line of a kind however many threads have met the same.
 */
import type { Clock } from "../runtime/clock.ts";
import type { LogFields, Logger, LogLevel } from "./logger.ts";

/** How long a kind of line is silent after one of it, in milliseconds. */
export const LIMITED_LOG_MS = 1000;

/** Most kinds that are told apart; with one more all may speak again. */
export const LIMITED_LOG_KINDS_MAX = 256;

/** A line on its way to the thread that decides; it can be sent as a message. */
export interface LimitedLine {
  readonly kind: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
  /** How long the kind is silent behind it; or of news: what has become of it. */
  readonly limit: { readonly silentMs: number } | { readonly state: string };
  /** Lines before it that were left out. */
  readonly leftOut: number;
}

interface Silence {
  untilMs: number;
  leftOut: number;
}

export class LimitedLog {
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #pass: ((line: LimitedLine) => void) | undefined;
  readonly #silences = new Map<string, Silence>();
  /** What each kind of news has said last. */
  readonly #states = new Map<string, string>();

  /** @param pass to the thread that decides; left out: this one */
  constructor(
    logger: Logger,
    clock: Pick<Clock, "nowMs">,
    pass?: (line: LimitedLine) => void,
  ) {
    this.#logger = logger;
    this.#clock = clock;
    this.#pass = pass;
  }

  log(
    kind: string,
    level: LogLevel,
    message: string,
    fields: LogFields,
    silentMs = LIMITED_LOG_MS,
  ): void {
    this.take({ kind, level, message, fields, limit: { silentMs }, leftOut: 0 });
  }

  /** `state` is what has become of it, by which the same news of another thread are known. */
  news(kind: string, state: string, level: LogLevel, message: string, fields: LogFields): void {
    this.take({ kind, level, message, fields, limit: { state }, leftOut: 0 });
  }

  /** A line that another thread has passed on. */
  take(line: LimitedLine): void {
    const { kind, limit } = line;
    if ("silentMs" in limit) return this.#limit(line, limit.silentMs);
    // What this thread has said last need not be what was said last.
    if (this.#pass !== undefined) return this.#say(line);
    if (this.#states.get(kind) === limit.state) return;
    makeRoom(this.#states, kind);
    this.#states.set(kind, limit.state);
    this.#say(line);
  }

  #limit(line: LimitedLine, silentMs: number): void {
    const { kind } = line;
    const nowMs = this.#clock.nowMs();
    const silence = this.#silences.get(kind);
    if (silence !== undefined && nowMs < silence.untilMs) {
      silence.leftOut += 1 + line.leftOut;
      return;
    }
    const leftOut = line.leftOut + (silence?.leftOut ?? 0);
    makeRoom(this.#silences, kind);
    this.#silences.set(kind, { untilMs: nowMs + silentMs, leftOut: 0 });
    this.#say({ ...line, leftOut });
  }

  #say(line: LimitedLine): void {
    const { level, message, fields, leftOut } = line;
    if (!this.#logger.writes(level)) return;
    if (this.#pass !== undefined) return this.#pass(line);
    this.#logger.log(level, message, leftOut === 0 ? fields : { ...fields, left_out: leftOut });
  }
}

function makeRoom(kinds: Map<string, unknown>, kind: string): void {
  if (kinds.size >= LIMITED_LOG_KINDS_MAX && !kinds.has(kind)) kinds.clear();
}
