/** A reason why mutants change nothing, and the places that it is the reason for. */
import type { Equivalent } from "./equivalents.ts";

/** The file below `src/`; the rest as in an entry of its own. */
export type Place = readonly [file: string, line: string, original: string, replacement: string];

export function because(reason: string, ...places: readonly Place[]): Equivalent[] {
  return places.map(([file, line, original, replacement]) => ({
    file: `src/${file}`,
    line,
    original,
    replacement,
    reason,
  }));
}
