/** What the documents show of the results of a run, and where. */
import { type Measured, medianOf, ratioOf } from "./comparison.ts";
import type { ColumnName } from "./measure/figures.ts";
import type { Results } from "./results.ts";
import { tableLines, type TableResult } from "./table.ts";

/** The documents with figures, by their path below `bench/`. */
export const PUBLISHED = ["README.md", "../README.md"] as const;

export const FIGURES: Readonly<
  Record<(typeof PUBLISHED)[number], (results: Results) => string>
> = { "README.md": everyTable, "../README.md": summary };

const BEGIN = "<!-- figures: made by bench/publish.ts -->";
const END = "<!-- end of figures -->";

/** A document with its figures replaced. */
export function published(document: string, figures: string): string {
  const start = document.indexOf(BEGIN) + BEGIN.length;
  const end = document.indexOf(END);
  if (start < BEGIN.length || end < start) throw new Error(`Cannot find "${BEGIN}" and "${END}"`);
  return `${document.slice(0, start)}\n\n${figures}\n\n${document.slice(end)}`;
}

function everyTable({ tables, ...run }: Results): string {
  const versions = Object.entries(run.versions).map(([name, version]) => `${name} ${version}`);
  const texts = tables.map((table) =>
    [`${table.case}: ${table.title}`, ...tableLines(table)].join("\n")
  );
  return [
    "```",
    `${run.system}, ${run.processors}, ${run.memory}; ${run.rounds} rounds of ${run.seconds} s`,
    versions.join(", "),
    "",
    texts.join("\n\n"),
    "```",
  ].join("\n");
}

/** The tables of the README, and their name there. */
const SUMMARY: readonly (readonly [name: string, title: string, about: string])[] = [
  ["small", "64 clients", "12 bytes, multiplexing application, 64 clients"],
  ["fpm", "64 clients", "a short PHP script, 8 children, 64 clients"],
  ["page", "64 clients", "32 kB, multiplexing application, 64 clients"],
  ["static", "a file of 1 kB", "a file of 1 kB, 64 clients"],
];

/** Rows that are left out there. */
const MINOR = /Caddy|Apache|lighttpd|Deno|mpxs|floor/;

const SUMMARY_COLUMNS: readonly (readonly [ColumnName, title: string, digits: number])[] = [
  ["requestsPerSecond", "requests/s", 0],
  ["p99Ms", "p99 ms", 1],
  ["proxyCpuUs", "CPU µs/request", 1],
  ["connections", "upstream connections", 0],
];

function summary({ tables }: Results): string {
  const rows = SUMMARY.flatMap(([name, title, about]) => {
    const table = tables.find((one) => one.case === name && one.title.includes(title));
    return table === undefined ? [] : summaryRows(table, about);
  });
  const titles = ["case", "proxy", ...SUMMARY_COLUMNS.map(([, title]) => title), "ratio"];
  return markdownTable([titles, ...rows]);
}

function summaryRows({ rows }: TableResult, about: string): readonly (readonly string[])[] {
  const first = rows[0]!;
  return rows.filter(({ name }) => !MINOR.test(name)).map((row, index) => [
    index === 0 ? about : "",
    row.name,
    ...SUMMARY_COLUMNS.map(([column, , digits]) => number(row, column, digits)),
    ratioOf(row, "requestsPerSecond", first)?.value.toFixed(2) ?? "–",
  ]);
}

function number(row: Measured, column: ColumnName, digits: number): string {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return medianOf(row, column)?.toLocaleString("en-US", options) ?? "–";
}

/** As the formatter has it. */
function markdownTable(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length))
  );
  const text = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const [titles, ...rows] = lines.map((line) =>
    text(line.map((cell, column) => cell.padEnd(widths[column]!)))
  );
  return [titles, text(widths.map((width) => "-".repeat(width))), ...rows].join("\n");
}
