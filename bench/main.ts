/**
 * `npm run bench`: afcgi beside nginx on this machine, in alternating rounds of which the first is
 * thrown away; medians, their spread, and the ratio to the first contender of each case.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { LOAD_CASES, type LoadCase, runStartRound, type StartRound } from "./cases.ts";
import { type Round, runRound } from "./measure.ts";
import { median, spread } from "./statistics.ts";

const ROUND_SECONDS = 3;

/** The round that is thrown away: long enough for just-in-time compilers to have finished. */
const WARM_UP_SECONDS = 8;
const ROUNDS_DEFAULT = 5;
const START_CASE = "start";
const CASE_NAMES = [...LOAD_CASES.map((one) => one.name), START_CASE];

interface LoadResult {
  readonly name: string;
  readonly rounds: readonly Round[];
}

const COLUMNS = [
  { title: "requests/s", key: "requestsPerSecond", digits: 0 },
  { title: "p50 ms", key: "p50Ms", digits: 2 },
  { title: "p99 ms", key: "p99Ms", digits: 2 },
  { title: "CPU µs/request", key: "cpuUsPerRequest", digits: 1 },
  { title: "memory MiB", key: "memoryMiB", digits: 0 },
] as const;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      case: { type: "string" },
      rounds: { type: "string", default: String(ROUNDS_DEFAULT) },
      json: { type: "string" },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    console.error(`Cannot run "${values.rounds}" rounds: use a number from 1 on`);
    return 2;
  }
  if (values.case !== undefined && !CASE_NAMES.includes(values.case)) {
    console.error(`Cannot run case "${values.case}": it is one of ${CASE_NAMES.join(", ")}`);
    return 2;
  }
  const isWanted = (name: string) => values.case === undefined || values.case === name;
  const results: Record<string, unknown> = {};
  console.log(`${cpus().length} × ${cpus()[0]?.model ?? "unknown processor"}, ${rounds} rounds\n`);
  for (const loadCase of LOAD_CASES) {
    if (isWanted(loadCase.name)) results[loadCase.name] = await runLoadCase(loadCase, rounds);
  }
  if (isWanted(START_CASE)) results[START_CASE] = await runStartCase(rounds);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(results, null, 2));
  return 0;
}

async function runLoadCase(loadCase: LoadCase, rounds: number): Promise<readonly LoadResult[]> {
  const { contenders, stop } = await loadCase.start();
  try {
    const results = contenders.map(({ name }) => ({ name, rounds: [] as Round[] }));
    for (let round = 0; round <= rounds; round++) {
      for (const [index, { url, pid }] of contenders.entries()) {
        const { clients } = loadCase;
        const seconds = round === 0 ? WARM_UP_SECONDS : ROUND_SECONDS;
        const measured = await runRound({ url, clients, seconds, pid });
        if (round > 0) results[index]!.rounds.push(measured);
      }
    }
    printLoad(loadCase, results);
    return results;
  } finally {
    await stop();
  }
}

function printLoad(loadCase: LoadCase, results: readonly LoadResult[]): void {
  console.log(`${loadCase.name}: ${loadCase.title}`);
  const first = results[0]!;
  const baseline = median(first.rounds.map((round) => round.requestsPerSecond));
  const rows = results.map(({ name, rounds }) => {
    const cells = COLUMNS.map(({ key, digits }) => cell(rounds.map((round) => round[key]), digits));
    const failed = rounds.reduce((sum, round) => sum + round.failed, 0);
    const ratio = median(rounds.map((round) => round.requestsPerSecond)) / baseline;
    return [name, ...cells, String(failed), `${ratio.toFixed(2)} ×`];
  });
  printTable([["", ...COLUMNS.map(({ title }) => title), "failed", "ratio"], ...rows]);
}

async function runStartCase(rounds: number): Promise<readonly StartRound[]> {
  const measured: StartRound[] = [];
  for (let round = 0; round <= rounds; round++) {
    const one = await runStartRound();
    if (round > 0) measured.push(one);
  }
  console.log("start: from the start of the process to its first answer, and at rest 1 s later");
  printTable([
    ["", "first answer ms", "memory MiB"],
    [
      "afcgi",
      cell(measured.map((round) => round.firstAnswerMs), 0),
      cell(measured.map((round) => round.restingMiB), 0),
    ],
  ]);
  return measured;
}

/** The median, and how far the rounds lie from it. */
function cell(values: readonly number[], digits: number): string {
  return `${median(values).toFixed(digits)} ±${Math.round(spread(values) * 100)} %`;
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) {
    const cells = row.map((text, column) =>
      column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!)
    );
    console.log(cells.join("  "));
  }
  console.log();
}

process.exitCode = await main();
