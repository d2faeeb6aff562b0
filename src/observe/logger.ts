/**
 * Log lines: one JSON object (or one line of text) each, with `ts`, `level`, `msg` and fields. Lines
 * of one turn of the event loop leave in one write. The sink is handed in; so is the clock.
 */
import type { Clock } from "../runtime/clock.ts";
import type { TextSink } from "../runtime/text_sink.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = "json" | "text";

/** A field's value; undefined leaves the field out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Lines that gather in memory before the sink gets them; beyond it they go at once. */
const BATCH_LENGTH_MAX = 64 * 1024;

const encoder = new TextEncoder();

export interface LoggerOptions {
  readonly sink: TextSink;
  readonly clock: Clock;
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** Writes lines of its level and above. */
export class Logger {
  readonly #sink: TextSink;
  readonly #clock: Clock;
  #levelIndex: number;
  #format: LogFormat;
  #batch = "";
  #lastMs = NaN;
  #lastTimestamp = "";
  #scheduled = false;

  constructor(options: LoggerOptions) {
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#levelIndex = LOG_LEVELS.indexOf(options.level);
    this.#format = options.format;
    options.sink.onRecovered = (lines) =>
      this.warn("Lines of this log were lost: nobody took them", {
        code: "log_lines_lost",
        lines,
      });
  }

  /** Its lines are these from now on. */
  configure({ level, format }: Pick<LoggerOptions, "level" | "format">): void {
    this.#levelIndex = LOG_LEVELS.indexOf(level);
    this.#format = format;
  }

  /** Lines that nobody took. */
  get lostLines(): number {
    return this.#sink.lostLines ?? 0;
  }

  /** Whether lines of the level are written. */
  writes(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#levelIndex;
  }

  debug(message: string, fields?: LogFields): void {
    this.log("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.log("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.log("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.log("error", message, fields);
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (!this.writes(level)) return;
    const timestamp = this.#timestamp();
    this.#append(
      this.#format === "json"
        ? jsonLine(timestamp, level, message, fields)
        : textLine(timestamp, level, message, fields),
    );
  }

  /** Lines of one millisecond share its text. */
  #timestamp(): string {
    const wallMs = Math.floor(this.#clock.wallMs());
    if (wallMs !== this.#lastMs) {
      this.#lastMs = wallMs;
      this.#lastTimestamp = new Date(wallMs).toISOString();
    }
    return this.#lastTimestamp;
  }

  /** Hands over what has gathered and resolves when the operating system has it. */
  async flush(): Promise<void> {
    this.#write();
    await this.#sink.flush();
  }

  #append(line: string): void {
    this.#batch += line + "\n";
    if (this.#batch.length > BATCH_LENGTH_MAX) this.#write();
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.setTimer(() => {
      this.#scheduled = false;
      this.#write();
    }, 0);
  }

  #write(): void {
    if (this.#batch === "") return;
    const batch = this.#batch;
    this.#batch = "";
    // The lengths tell at a tenth of a search's cost that there is nothing to search for.
    this.#sink.write(encoder.encode(batch).length === batch.length ? batch : spellHidden(batch));
  }
}

/** Of two parts: one object of all fields would have to be made first. */
function jsonLine(timestamp: string, level: LogLevel, message: string, fields: LogFields): string {
  const prefix = `{"ts":"${timestamp}","level":"${level}","msg":${JSON.stringify(message)}`;
  const rest = JSON.stringify(fields);
  return rest === "{}" ? `${prefix}}` : `${prefix},${rest.slice(1)}`;
}

function textLine(timestamp: string, level: LogLevel, message: string, fields: LogFields): string {
  let line = `${timestamp} ${level.toUpperCase().padEnd(5)} ${message}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = String(value);
    line += ` ${name}=${/^[^\s"=\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text)}`;
  }
  // A terminal obeys control characters, and messages and values may be a stranger's.
  return line.replace(/\p{Cc}/gu, escapeControl);
}

/**
 * What a terminal or an editor obeys instead of showing it: C1 controls, line and paragraph
 * separators, marks that turn the direction of text, and what has no width. JSON reads the same.
 */
const HIDDEN =
  /[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

function spellHidden(lines: string): string {
  return lines.replace(HIDDEN, escapeControl);
}

function escapeControl(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
