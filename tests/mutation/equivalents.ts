/**
 * Mutants that change nothing that anybody could see, each with its reason. One is named by its file,
 * the line it stands in (without the blanks around it), and what is written in place of what, so it
 * stays found when other lines move. An entry that no mutant meets any more is told by the command.
 */
import type { Mutant } from "./mutants.ts";

export interface Equivalent {
  readonly file: string;
  /** The whole line, without blanks at its ends. */
  readonly line: string;
  readonly original: string;
  readonly replacement: string;
  readonly reason: string;
}

export const EQUIVALENTS: readonly Equivalent[] = [];

export function equivalentOf(mutant: Mutant, text: string): Equivalent | undefined {
  const line = (text.split("\n")[mutant.line - 1] ?? "").trim();
  return EQUIVALENTS.find((entry) =>
    entry.file === mutant.file && entry.line === line && entry.original === mutant.original &&
    entry.replacement === mutant.replacement
  );
}
