/**
 * The log's line about an exception of our own, with the places in the code that led to it; once a
 * second for each place that met one, because a client may cause it as often as it likes.
 */
import type { LimitedLog } from "../observe/limited_log.ts";
import type { OnUnexpected } from "../runtime/unexpected.ts";
import { errorText } from "../upstream/errors.ts";

/** Places that are named, the innermost first. */
const STACK_PLACES_MAX = 5;

export function logUnexpected(limited: LimitedLog): OnUnexpected {
  return (error, where) => {
    const fields = { code: "internal_error", where, stack: stackOf(error) };
    limited.log(`internal_error ${where}`, "error", errorText(error), fields);
  };
}

/** On one line. */
function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const places = error.stack?.split("\n").filter((line) => /^\s*at /.test(line)) ?? [];
  return places.slice(0, STACK_PLACES_MAX).map((line) => line.trim()).join(", ") || undefined;
}
