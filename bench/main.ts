/**
 * `npm run bench`: afcgi beside other servers on this machine. Each case starts its contenders,
 * measures them in alternating rounds of which the first is thrown away, prints a table and stops
 * all that it started; so do an error and a signal. A table that is done is safe: it has been
 * printed and is in the file of `--json`, whatever happens to the next one.
 */
import { writeFileSync } from "node:fs";
import { constants } from "node:os";
import { missingPeer } from "../tests/support/peers.ts";
import type { BenchCase, TablePlan } from "./cases/case.ts";
import { CASES } from "./cases/cases.ts";
import { judge, measureRounds } from "./comparison.ts";
import { type Contender, missing } from "./contenders/contender.ts";
import { CONTENDERS } from "./contenders/contenders.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { type Options, readOptions, UsageError } from "./options.ts";
import { type Results, resultsText } from "./results.ts";
import { Scope } from "./scope.ts";
import { tableLines, type TableResult } from "./table.ts";

/** The round that is thrown away is longer: just-in-time compilers have finished then. */
const WARM_UP_FACTOR = 2.5;

/** Resolves to the exit status. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const machine = describeMachine();
  printMachine(machine, options);
  const contenders = contendersOf(options);
  const tables: TableResult[] = [];
  // A file that cannot be written shows now, not after an hour.
  saveTables(options, machine, tables);
  let status = 0;
  for (const one of CASES.filter(({ name }) => options.cases.includes(name))) {
    const reason = one.peers.map(missingPeer).find((missing) => missing !== false);
    if (reason !== undefined) {
      console.log(`${one.name}: left out, ${reason}\n`);
      continue;
    }
    for (const plan of one.tables(options.clients)) {
      try {
        const table = await runTable(one, plan, contenders, options);
        if (table !== undefined) tables.push(table);
      } catch (error) {
        if (interrupted) throw error;
        console.error(`${one.name}: left out, it broke:`, error, "\n");
        status = 1;
      }
      saveTables(options, machine, tables);
    }
  }
  return status;
}

function saveTables(
  { json, rounds, seconds }: Options,
  machine: Machine,
  tables: readonly TableResult[],
): void {
  if (json === undefined) return;
  const results: Results = { ...machine, rounds, seconds, tables };
  try {
    writeFileSync(json, resultsText(results));
  } catch (error) {
    throw new UsageError(`Cannot write the file of --json: ${error}`);
  }
}

async function runTable(
  { name }: BenchCase,
  plan: TablePlan,
  contenders: readonly Contender[],
  { rounds, seconds }: Options,
): Promise<TableResult | undefined> {
  console.log(`${name}: ${plan.title}`);
  const scope = new Scope();
  running = scope;
  try {
    const comparison = await plan.prepare({ scope, contenders });
    if (comparison.rows.length === 0) {
      console.log("left out: none of its contenders takes part\n");
      return undefined;
    }
    const warmUpSeconds = Math.ceil(seconds * WARM_UP_FACTOR);
    const rows = await measureRounds(comparison.rows, {
      rounds,
      seconds,
      warmUpSeconds,
      isOver: () => scope.ended,
    });
    const { bounds, columns, compared } = comparison;
    const wanted = judge(bounds, rows, compared);
    const table = { case: name, title: plan.title, columns, compared, rows, wanted };
    console.log(`${tableLines(table).join("\n")}\n`);
    return table;
  } finally {
    await scope.stop();
  }
}

function contendersOf(options: Options): readonly Contender[] {
  const wanted = CONTENDERS.filter(({ name }) => options.contenders.includes(name));
  for (const contender of wanted) {
    const reason = missing(contender);
    if (reason !== false) console.log(`${contender.title}: left out, ${reason}\n`);
  }
  return wanted.filter((contender) => missing(contender) === false);
}

function printMachine(machine: Machine, { rounds, seconds }: Options): void {
  const { system, processors, memory, versions } = machine;
  console.log(`${system}, ${processors}, ${memory}; ${rounds} rounds of ${seconds} s`);
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  console.log(`${list.join(", ")}\n`);
}

/** What the table under way has started. */
let running: Scope | undefined;
let interrupted = false;

/** Servers end as they would by themselves; a second signal, or what goes wrong, kills them. */
async function interrupt(signal: "SIGINT" | "SIGTERM" | "SIGHUP"): Promise<void> {
  const status = 128 + constants.signals[signal];
  if (interrupted) process.exit(status);
  interrupted = true;
  await running?.stop().catch(() => {});
  process.exit(status);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void interrupt(signal));
}

try {
  process.exitCode = await main();
} catch (error) {
  // Whoever interrupts knows, and leaves when all has stopped.
  if (interrupted) await new Promise(() => {});
  console.error(error instanceof UsageError ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
process.exit();
