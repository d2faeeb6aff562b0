/**
 * Sizes and times as people write them: `64KiB`, `10MB`, `4096`; `250ms`, `30s`, `5m`, `2h`. Numbers
 * are whole. A time always has its unit: `30` could mean either of two things.
 */

export const SIZE_PATTERN = /^\d{1,15}(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$/;
export const TIME_PATTERN = /^\d{1,12}(ms|s|m|h)$/;

const SIZE_REMEDY = "use bytes, or a whole number with kB, MB, GB, KiB, MiB or GiB";
const TIME_REMEDY = "use a whole number with ms, s, m or h";

/** What would be right in a size's place, for errors: as near to what is there as can be told. */
export function sizeRemedy(given: unknown): string {
  const text = withoutBlanks(given);
  const [, digits, unit = ""] = /^(\d+)([kmgt])?(?:i?b)?$/i.exec(text) ?? [];
  const meant = digits === undefined ? "64MiB" : digits + (BINARY_UNITS[unit.toUpperCase()] ?? "");
  return `${SIZE_REMEDY}, such as ${SIZE_PATTERN.test(text) ? text : meant}`;
}

/** What would be right in a time's place. */
export function timeRemedy(given: unknown): string {
  const text = withoutBlanks(given).replace(/(?<=s)ecs?$|(?<=m)ins?$/, "");
  const meant = /^\d+$/.test(text) ? `${text}s` : text;
  return `${TIME_REMEDY}, such as ${TIME_PATTERN.test(meant) ? meant : "30s"}`;
}

function withoutBlanks(given: unknown): string {
  return String(given).replace(/\s+/g, "");
}

/** Timers of JavaScript take 31 bits; a longer one would fire at once. */
export const TIME_MAX_MS = 2 ** 31 - 1;

/** A time that no timer of ours waits for, such as how long a browser remembers something. */
export const DURATION_PATTERN = /^\d{1,12}(ms|s|m|h|d)$/;

const DAY_MS = 24 * 3_600_000;

/** Milliseconds; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  return /^\d{1,12}d$/.test(text) ? parseInt(text, 10) * DAY_MS : parseTime(text);
}

/** What people mean by a letter: nginx and PHP count in powers of 1024. */
const BINARY_UNITS: Readonly<Record<string, string>> = { K: "KiB", M: "MiB", G: "GiB", T: "TiB" };

const BYTES = {
  B: 1,
  kB: 1000,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
} as const;

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Bytes; undefined when the text is no size or more than a number can count. */
export function parseSize(text: string): number | undefined {
  if (!SIZE_PATTERN.test(text)) return undefined;
  const unit = text.replace(/^\d+/, "") as keyof typeof BYTES | "";
  const bytes = parseInt(text, 10) * (unit === "" ? 1 : BYTES[unit]);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Milliseconds; undefined when the text is no time. */
export function parseTime(text: string): number | undefined {
  if (!TIME_PATTERN.test(text)) return undefined;
  return parseInt(text, 10) * MILLISECONDS[text.replace(/^\d+/, "") as keyof typeof MILLISECONDS];
}

/** The shortest text that {@link parseSize} reads as `bytes`. */
export function formatSize(bytes: number): string {
  for (const unit of ["TiB", "GiB", "MiB", "KiB"] as const) {
    if (bytes > 0 && bytes % BYTES[unit] === 0) return `${bytes / BYTES[unit]}${unit}`;
  }
  return `${bytes}B`;
}

/** The text with whole seconds, or else milliseconds, that {@link parseTime} reads as `timeMs`. */
export function formatTime(timeMs: number): string {
  return timeMs % 1000 === 0 ? `${timeMs / 1000}s` : `${timeMs}ms`;
}
