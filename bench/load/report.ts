/** The last line that a load generator prints is its report. */
import type { Child } from "../../tests/support/child.ts";
import type { LoadReport } from "../measure/figures.ts";

export function readReport(name: string, child: Child): LoadReport {
  const line = child.stdout.lines.findLast((line) => line.startsWith("{"));
  if (line === undefined) throw new Error(`Cannot find the report of ${name}`);
  return JSON.parse(line);
}
