// Tests that take long, and why: in `slow_tests.json`, by their file and a part of their name. What
// takes longer than SLOW_SECONDS and has no reason there is named at the end of a run, which does not
// fail for it: how long a test takes is the machine's doing as well.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./command.mjs";

/** What needs more says why. */
export const SLOW_SECONDS = 5;

/** @returns {{ file: string, test: string, why: string }[]} */
export function slowTests() {
  return JSON.parse(readFileSync(join(ROOT, "tests/run/slow_tests.json"), "utf8"));
}

/** Those of the tests that are slow without a reason, the slowest first. */
export function slowWithoutReason(tests) {
  const known = slowTests();
  const hasReason = ({ file, name }) =>
    known.some((entry) => entry.file === file && name.includes(entry.test));
  return tests
    .filter((test) => test.seconds > SLOW_SECONDS && !hasReason(test))
    .sort((one, other) => other.seconds - one.seconds);
}
