/**
 * The file of `--json`: all figures of a run, from which the tables of the documents are made
 * (`publish.ts`). A row is a line, so that two files can be compared.
 */
import type { Measured } from "./comparison.ts";
import type { Figures } from "./measure/figures.ts";
import type { Machine } from "./machine.ts";
import type { TableResult } from "./table.ts";

export interface Results extends Machine {
  readonly rounds: number;
  readonly seconds: number;
  readonly tables: readonly TableResult[];
}

/** More digits than any table shows, and fewer than chance adds. */
const DIGITS = 5;

export function resultsText({ tables, ...run }: Results): string {
  return `${openText(run)},"tables":[${tables.map(tableText).join(",")}\n]}\n`;
}

function tableText({ rows, ...table }: TableResult): string {
  return `\n${openText(table)},"rows":[\n${rows.map(rowText).join(",\n")}\n]}`;
}

function rowText(row: Measured): string {
  return JSON.stringify({ ...row, rounds: row.rounds.map(rounded) });
}

/** An object that others are added to. */
function openText(value: object): string {
  return JSON.stringify(value).slice(0, -1);
}

function rounded(figures: Figures): Figures {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [name, Number(value.toPrecision(DIGITS))]),
  );
}
