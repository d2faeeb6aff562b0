/** What a case gives to the harness: rows that can be measured repeatedly, and what is wanted. */
import type { ColumnName, Figures } from "./measure/figures.ts";
import { COLUMNS } from "./measure/figures.ts";
import { median, medianInterval } from "./measure/statistics.ts";

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

/** A row with the figures of its rounds, of which the n-th ran next to the n-th of other rows. */
export interface Measured {
  readonly name: string;
  readonly rounds: readonly Figures[];
  /** Why it was measured no further. */
  readonly broken?: string;
}

/** The median of a column; undefined where the row does not have it. */
export function medianOf(row: Measured | undefined, column: ColumnName): number | undefined {
  const values = valuesOf(row, column);
  return values.length === 0 ? undefined : median(values);
}

/** What the rounds of a row have in a column. */
export function valuesOf(row: Measured | undefined, column: ColumnName): readonly number[] {
  return (row?.rounds ?? []).map((figures) => figures[column]).filter((value) =>
    value !== undefined
  );
}

/** A figure, and between what its true value lies, with nine chances in ten. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * One figure as a ratio to another: the median of the ratios of rounds that ran next to each other,
 * so that a machine that slows down for a minute does not tell. Undefined where they have none in
 * common.
 */
export function ratioOf(
  row: Measured | undefined,
  column: ColumnName,
  base: Measured | undefined,
  baseColumn: ColumnName = column,
): Estimate | undefined {
  const ratios = (row?.rounds ?? []).flatMap((figures, round) => {
    const value = figures[column];
    const other = base?.rounds[round]?.[baseColumn];
    return value === undefined || !other ? [] : [value / other];
  });
  return estimate(ratios);
}

function estimate(values: readonly number[]): Estimate | undefined {
  if (values.length === 0) return undefined;
  const [low, high] = medianInterval(values);
  return { value: median(values), low, high };
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
  /** Whether the median reaches it. */
  readonly reached: boolean;
  /** Whether the whole interval says so. */
  readonly certain: boolean;
}

/** Says of each bound whether it holds; bounds of rows that were not measured are left out. */
export function judge(
  bounds: readonly Bound[],
  measured: readonly Measured[],
  compared: ColumnName | undefined,
): readonly Verdict[] {
  const rows = new Map(measured.map((row) => [row.name, row]));
  return bounds.flatMap((bound) => {
    const row = rows.get(bound.row);
    const { of } = bound;
    const figure = of
      ? ratioOf(row, bound.column, rows.get(of.row ?? bound.row), of.column)
      : estimate(valuesOf(row, bound.column));
    if (figure === undefined) return [];
    const reached = holds(bound, figure.value);
    const certain = holds(bound, figure.low) === reached && holds(bound, figure.high) === reached;
    const digits = of ? 2 : COLUMNS[bound.column].digits;
    const result = `${reached ? "reached" : "not reached"}${certain ? "" : ", not certain"}`;
    const text = `${boundText(bound, compared)}: ${result} (${figure.value.toFixed(digits)})`;
    return [{ row: bound.row, text, reached, certain }];
  });
}

function holds({ least = -Infinity, most = Infinity }: Bound, figure: number): boolean {
  return figure >= least && figure <= most;
}

function boundText({ row, column, least, most, of }: Bound, compared?: ColumnName): string {
  const limit = least !== undefined ? `at least ${least}` : `at most ${most}`;
  const name = column === compared ? "" : `${COLUMNS[column].title} `;
  if (of === undefined) return `${name}${limit}`;
  const base = of.row !== undefined && of.row !== row ? of.row : "own";
  const baseColumn = of.column === undefined ? "" : ` ${COLUMNS[of.column].title}`;
  return `${name}${limit} × ${base}${baseColumn}`;
}
