/** The log's line about an exception of our own, with the places in the code that led to it. */
import type { Logger } from "../observe/logger.ts";
import type { OnUnexpected } from "../runtime/unexpected.ts";
import { errorText } from "../upstream/errors.ts";

/** Places that are named, the innermost first. */
const STACK_PLACES_MAX = 5;

export function logUnexpected(logger: Logger): OnUnexpected {
  return (error, where) =>
    logger.error(errorText(error), { code: "internal_error", where, stack: stackOf(error) });
}

/** On one line. */
function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const places = error.stack?.split("\n").filter((line) => /^\s*at /.test(line)) ?? [];
  return places.slice(0, STACK_PLACES_MAX).map((line) => line.trim()).join(", ") || undefined;
}
