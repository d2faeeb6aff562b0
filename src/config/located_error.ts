/**
 * What is wrong with the configuration, and where: `FILE:LINE:COL: what is wrong (what would be
 * right)`. An error of a flag or of an environment variable has its name in the file's place and no
 * line. Errors are collected, never thrown one by one, so that one run shows them all.
 */

/** Lines and columns count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Takes what is wrong at a place. */
export type Tell = (place: Place, message: string) => void;

export interface LocatedError {
  /** A file as the user named it, a flag such as `--listen`, or a variable such as `AFCGI_LISTEN`. */
  readonly source: string;
  /** Undefined where the source has no lines. */
  readonly place: Place | undefined;
  readonly message: string;
}

/** A configuration that cannot be used; its message has a line for each error. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly errors: readonly LocatedError[];

  constructor(errors: readonly LocatedError[]) {
    const sorted = sortErrors(errors);
    super(sorted.map(formatError).join("\n"));
    this.errors = sorted;
  }
}

export function formatError(error: LocatedError): string {
  const { source, place, message } = error;
  const line = place === undefined ? source : `${source}:${place.line}:${place.column}`;
  return `${line}: ${message}`;
}

/** In the order of the text; those without a place first. Equal ones are told once. */
function sortErrors(errors: readonly LocatedError[]): LocatedError[] {
  const unique = new Map(errors.map((error) => [formatError(error), error]));
  return [...unique.values()].sort((a, b) =>
    (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0)
  );
}
