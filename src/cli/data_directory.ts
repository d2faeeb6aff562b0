/** The directory in which the user's own afcgi keeps what outlives it (XDG base directories). */
import type { Process } from "../runtime/process.ts";

export function dataDirectory(process: Process): string {
  const base = process.env("XDG_DATA_HOME") || process.env("LOCALAPPDATA") ||
    `${process.env("HOME") || process.cwd()}/.local/share`;
  return `${base}/afcgi`;
}
