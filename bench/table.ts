/** Prints a comparison: medians with their spread, the ratio to the first row, and what was wanted. */
import { type Comparison, type Measured, medianOf, type Verdict } from "./comparison.ts";
import { type ColumnName, COLUMNS } from "./measure/figures.ts";
import { median, spread } from "./measure/statistics.ts";

export function printComparison(
  { columns, compared }: Comparison,
  measured: readonly Measured[],
  verdicts: readonly Verdict[],
): void {
  const first = measured[0];
  const ratioTitle = compared && first ? [`× ${first.name}`] : [];
  const wantedTitle = verdicts.length > 0 ? ["wanted"] : [];
  const titles = columns.map((column) => COLUMNS[column].title);
  const lines = [["", ...titles, ...ratioTitle, ...wantedTitle]];
  for (const row of measured) {
    const cells = columns.map((column) => cell(row, column));
    const ratio = compared && first ? [ratioText(row, first, compared)] : [];
    const wanted = verdicts.filter((verdict) => verdict.row === row.name).map(({ text }) => text);
    lines.push([row.name, ...cells, ...ratio, ...(wanted[0] === undefined ? [] : [wanted[0]])]);
    const blank = lines[0]!.slice(1, -1).map(() => "");
    for (const text of wanted.slice(1)) lines.push(["", ...blank, text]);
  }
  for (const { name, broken } of measured) {
    if (broken !== undefined) console.log(`${name} broke: ${broken}`);
  }
  printLines(lines, wantedTitle.length > 0 ? lines[0]!.length - 1 : Infinity);
}

/** The median and how far the rounds lie from it; of failures the sum. */
function cell({ rounds }: Measured, column: ColumnName): string {
  const values = rounds.map((figures) => figures[column]).filter((value) => value !== undefined);
  if (values.length === 0) return "–";
  if (column === "failed") return String(values.reduce((sum, value) => sum + value, 0));
  const text = median(values).toFixed(COLUMNS[column].digits);
  return column === "connections" ? text : `${text} ±${Math.round(spread(values) * 100)} %`;
}

function ratioText(row: Measured, first: Measured, column: ColumnName): string {
  const value = medianOf(row, column);
  const base = medianOf(first, column);
  return value === undefined || base === undefined ? "–" : (value / base).toFixed(2);
}

/** The first column and those from `leftFrom` on are flush left. */
function printLines(lines: readonly (readonly string[])[], leftFrom: number): void {
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0))
  );
  for (const line of lines) {
    const cells = line.map((text, column) =>
      column === 0 || column >= leftFrom
        ? text.padEnd(widths[column]!)
        : text.padStart(widths[column]!)
    );
    console.log(cells.join("  ").trimEnd());
  }
  console.log();
}
