/** What a case gives to the harness: rows that can be measured repeatedly, and what is wanted. */
import type { ColumnName, Figures } from "./measure/figures.ts";
import { COLUMNS } from "./measure/figures.ts";
import { median } from "./measure/statistics.ts";

/** One line of a table. */
export interface Row {
  readonly name: string;
  measure(seconds: number): Promise<Figures>;
}

/** What a figure should reach: by itself, or as a ratio to another one of the same table. */
export interface Bound {
  readonly row: string;
  readonly column: ColumnName;
  readonly least?: number;
  readonly most?: number;
  /** What it is a ratio to; what is left out is the same as the figure's own. */
  readonly of?: { readonly row?: string; readonly column?: ColumnName };
}

export interface Comparison {
  readonly rows: readonly Row[];
  readonly columns: readonly ColumnName[];
  /** The column that is shown as a ratio to the first row's; undefined: none is. */
  readonly compared?: ColumnName;
  readonly bounds: readonly Bound[];
}

/** A row with the figures of its rounds. */
export interface Measured {
  readonly name: string;
  readonly rounds: readonly Figures[];
  /** Why it was measured no further. */
  readonly broken?: string;
}

/** The median of a column; undefined where the row does not have it. */
export function medianOf(row: Measured | undefined, column: ColumnName): number | undefined {
  const values = row?.rounds.map((figures) => figures[column]).filter((value) =>
    value !== undefined
  );
  return values === undefined || values.length === 0 ? undefined : median(values);
}

/**
 * Measures every row in each round, in their order; the first round is thrown away. A row that
 * breaks, such as that of a server that has ended, is left out from there on. `isOver`: it was not
 * the row that broke, but the benchmark that was stopped.
 */
export async function measureRounds(
  rows: readonly Row[],
  options: { rounds: number; seconds: number; warmUpSeconds: number; isOver: () => boolean },
): Promise<readonly Measured[]> {
  const measured: { name: string; rounds: Figures[]; broken?: string }[] = rows.map(
    ({ name }) => ({ name, rounds: [] }),
  );
  for (let round = 0; round <= options.rounds; round++) {
    for (const [index, row] of rows.entries()) {
      const result = measured[index]!;
      if (result.broken !== undefined) continue;
      try {
        const figures = await row.measure(round === 0 ? options.warmUpSeconds : options.seconds);
        if (round > 0) result.rounds.push(figures);
      } catch (error) {
        if (options.isOver()) throw error;
        result.broken = error instanceof Error ? error.message : String(error);
      }
    }
  }
  return measured;
}

export interface Verdict {
  readonly row: string;
  /** Such as `at least 1.15 × nginx: reached (1.21)`. */
  readonly text: string;
  readonly reached: boolean;
}

/** Says of each bound whether it holds; bounds of rows that were not measured are left out. */
export function judge(
  bounds: readonly Bound[],
  measured: readonly Measured[],
  compared: ColumnName | undefined,
): readonly Verdict[] {
  const rows = new Map(measured.map((row) => [row.name, row]));
  return bounds.flatMap((bound) => {
    const value = medianOf(rows.get(bound.row), bound.column);
    const base = bound.of && medianOf(
      rows.get(bound.of.row ?? bound.row),
      bound.of.column ?? bound.column,
    );
    if (value === undefined || (bound.of && base === undefined)) return [];
    const figure = base === undefined ? value : value / base;
    const reached = figure >= (bound.least ?? -Infinity) && figure <= (bound.most ?? Infinity);
    const digits = bound.of ? 2 : COLUMNS[bound.column].digits;
    const result = `${reached ? "reached" : "not reached"} (${figure.toFixed(digits)})`;
    return [{ row: bound.row, text: `${boundText(bound, compared)}: ${result}`, reached }];
  });
}

function boundText({ row, column, least, most, of }: Bound, compared?: ColumnName): string {
  const limit = least !== undefined ? `at least ${least}` : `at most ${most}`;
  const name = column === compared ? "" : `${COLUMNS[column].title} `;
  if (of === undefined) return `${name}${limit}`;
  const base = of.row !== undefined && of.row !== row ? of.row : "own";
  const baseColumn = of.column === undefined ? "" : ` ${COLUMNS[of.column].title}`;
  return `${name}${limit} × ${base}${baseColumn}`;
}
