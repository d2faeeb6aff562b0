/**
 * A comparison as text: medians with their spread, the ratio to the first row with its interval, and
 * what was wanted.
 */
import { type Measured, ratioOf, valuesOf, type Verdict } from "./comparison.ts";
import { type ColumnName, COLUMNS } from "./measure/figures.ts";
import { median, spread } from "./measure/statistics.ts";

/** A table with all its figures, as it stands in the file of `--json`. */
export interface TableResult {
  readonly case: string;
  readonly title: string;
  readonly columns: readonly ColumnName[];
  /** The column that is shown as a ratio to the first row's. */
  readonly compared?: ColumnName | undefined;
  readonly rows: readonly Measured[];
  readonly wanted: readonly Verdict[];
}

/** The lines of a table, without its title. */
export function tableLines({ columns, compared, rows, wanted }: TableResult): readonly string[] {
  const first = rows[0];
  const ratioTitle = compared && first ? [`× ${first.name}`] : [];
  const wantedTitle = wanted.length > 0 ? ["wanted"] : [];
  const titles = columns.map((column) => COLUMNS[column].title);
  const lines = [["", ...titles, ...ratioTitle, ...wantedTitle]];
  for (const row of rows) {
    const cells = columns.map((column) => cell(row, column));
    const ratio = compared && first ? [ratioText(row, first, compared)] : [];
    const texts = wanted.filter((verdict) => verdict.row === row.name).map(({ text }) => text);
    lines.push([row.name, ...cells, ...ratio, ...(texts[0] === undefined ? [] : [texts[0]])]);
    const blank = lines[0]!.slice(1, -1).map(() => "");
    for (const text of texts.slice(1)) lines.push(["", ...blank, text]);
  }
  const broken = rows.flatMap(({ name, broken }) => broken ? [`${name} broke: ${broken}`] : []);
  return [...broken, ...aligned(lines, wantedTitle.length > 0 ? lines[0]!.length - 1 : Infinity)];
}

/** The median and how far the rounds lie from it; of failures the sum. */
function cell(row: Measured, column: ColumnName): string {
  const values = valuesOf(row, column);
  if (values.length === 0) return "–";
  if (column === "failed") return String(values.reduce((sum, value) => sum + value, 0));
  const text = median(values).toFixed(COLUMNS[column].digits);
  return column === "connections" ? text : `${text} ±${Math.round(spread(values) * 100)} %`;
}

function ratioText(row: Measured, first: Measured, column: ColumnName): string {
  const ratio = ratioOf(row, column, first);
  if (ratio === undefined) return "–";
  const [value, low, high] = [ratio.value, ratio.low, ratio.high].map((one) => one.toFixed(2));
  return row === first ? value! : `${value} [${low}–${high}]`;
}

/** The first column and those from `leftFrom` on are flush left. */
function aligned(lines: readonly (readonly string[])[], leftFrom: number): readonly string[] {
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0))
  );
  return lines.map((line) => {
    const cells = line.map((text, column) =>
      column === 0 || column >= leftFrom
        ? text.padEnd(widths[column]!)
        : text.padStart(widths[column]!)
    );
    return cells.join("  ").trimEnd();
  });
}
