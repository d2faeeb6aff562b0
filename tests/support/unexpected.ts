/**
 * "No unexpected exception" as an invariant of every test that imports this, by way of its world: an
 * exception of our own, which production writes to its log, fails the test that is running.
 */
import assert from "node:assert/strict";
import { onUnexpected } from "../../src/runtime/unexpected.ts";

let expected: ((error: unknown) => void) | undefined;

onUnexpected((error, where) => {
  if (expected !== undefined) return expected(error);
  // Out of reach of whatever would catch it here.
  queueMicrotask(() => {
    throw new Error(`Unexpected exception in ${where}: ${error}`, { cause: error });
  });
});

/** The next one is expected; resolves to it. */
export function nextUnexpected(): Promise<unknown> {
  return new Promise((resolve) => {
    expected = (error) => {
      expected = undefined;
      resolve(error);
    };
  });
}

/** A log, of afcgi as a process or in ours, must hold none either. */
export function assertNoUnexpected(lines: readonly Readonly<Record<string, unknown>>[]): void {
  const failures = lines.filter(({ code }) => code === "internal_error");
  assert.deepEqual(failures, [], "the log holds exceptions of our own");
}
