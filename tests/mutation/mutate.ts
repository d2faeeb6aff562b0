/**
 * Asks the unit tests whether they notice faults:
 *
 *     npm run mutate -- --files src/upstream --sample 100
 *     npm run mutate -- --files src/http1/connection.ts --kinds bound,condition --seed 7
 *     npm run mutate -- --named
 *
 * Each fault is put into a copy of the project by itself, and the tests that reach its file are run.
 * `--sample` draws so many of them by `--seed`; without it all are tried, which takes hours. Those
 * tests are asked that run its line: of its own directory, then of the nearest others, with `--thorough`
 * every one that reaches the file. Prints
 * each fault that nobody noticed, and the score: of those that types allow and that are not
 * equivalent, how many were noticed. With `--min 95` a lower score is exit status 1. `--named` tries
 * those of `named_mutants.ts`, which are all to be noticed.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Random } from "../simulation/random.ts";
import { equivalentOf, EQUIVALENTS } from "./equivalents.ts";
import {
  describeMutant,
  type Mutant,
  MUTANT_KINDS,
  type MutantKind,
  mutantsOf,
} from "./mutants.ts";
import { findNamed, NAMED_MUTANTS } from "./named_mutants.ts";
import { type Verdict, Workshop } from "./workshop.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Directories of tests that want the executable, peers or a browser, which a copy does not have.
 */
const NOT_UNIT = [
  "apps",
  "bench",
  "docs",
  "e2e",
  "examples",
  "fault",
  "fronts",
  "interop",
  "kill",
  "leak",
];

/** After so many mutants the score so far is told. */
const PROGRESS_EVERY = 10;

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      files: { type: "string", default: "src" },
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      kinds: { type: "string", default: MUTANT_KINDS.join(",") },
      thorough: { type: "boolean", default: false },
      min: { type: "string", default: "0" },
      named: { type: "boolean", default: false },
    },
  });
  const workshop = new Workshop(ROOT, unitTests(), values.thorough);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
  try {
    if (values.named) {
      process.exitCode = await judgeNamed(workshop) ? 0 : 1;
      return;
    }
    const kinds = values.kinds.split(",").map(knownKind);
    const all = (await collect(workshop, values.files.split(",")))
      .filter(({ kind }) => kinds.includes(kind));
    const chosen = values.sample === undefined
      ? all
      : drawn(all, wholeNumber("sample", values.sample), wholeNumber("seed", values.seed));
    console.log(`${chosen.length} of ${all.length} mutants`);
    const score = await judgeAll(workshop, chosen);
    process.exitCode = score >= Number(values.min) ? 0 : 1;
  } finally {
    await workshop.close();
  }
}

/** Mutants of the files, without those that are known to change nothing. */
async function collect(workshop: Workshop, paths: readonly string[]): Promise<Mutant[]> {
  const mutants: Mutant[] = [];
  const met = new Set<unknown>();
  for (const file of paths.flatMap(sourceFiles)) {
    const text = readFileSync(join(ROOT, file), "utf8");
    for (const mutant of mutantsOf(await workshop.sourceOf(file), file)) {
      const equivalent = equivalentOf(mutant, text);
      if (equivalent === undefined) mutants.push(mutant);
      else met.add(equivalent);
    }
    for (const entry of EQUIVALENTS) {
      if (entry.file === file && !met.has(entry)) {
        console.log(`no mutant meets this entry any more: ${entry.file}: ${entry.line}`);
      }
    }
  }
  return mutants;
}

type Counts = Readonly<Record<Verdict, number>>;

function judgedIn({ tests, time, survived, untested }: Counts): number {
  return tests + time + survived + untested;
}

/** In percent. */
function scoreOf(counts: Counts): number {
  const judged = judgedIn(counts);
  return judged === 0 ? 100 : 100 * (counts.tests + counts.time) / judged;
}

function describeScore(counts: Counts): string {
  return `${counts.tests + counts.time} of ${judgedIn(counts)} noticed ` +
    `(${scoreOf(counts).toFixed(1)} %), ${counts.time} of them by their time; ` +
    `${counts.types} more do not pass the types`;
}

/** Resolves to the score in percent. */
async function judgeAll(workshop: Workshop, mutants: readonly Mutant[]): Promise<number> {
  const counts: Record<Verdict, number> = { types: 0, tests: 0, time: 0, survived: 0, untested: 0 };
  for (const [index, mutant] of mutants.entries()) {
    const verdict = await workshop.judge(mutant);
    counts[verdict]++;
    if (verdict === "survived" || verdict === "untested") {
      console.log(`${verdict} (${index + 1} of ${mutants.length}): ${describeMutant(mutant)}`);
    }
    // A long run may be broken off.
    if ((index + 1) % PROGRESS_EVERY === 0) console.log(`so far ${describeScore(counts)}`);
  }
  console.log(describeScore(counts));
  return scoreOf(counts);
}

/** Resolves to whether all of them are there and noticed. */
async function judgeNamed(workshop: Workshop): Promise<boolean> {
  let noticed = 0;
  for (const named of NAMED_MUTANTS) {
    try {
      const mutant = await findNamed(named, (file) => workshop.sourceOf(file));
      const verdict = await workshop.judge(mutant, named.test);
      if (verdict === "tests" || verdict === "time") noticed++;
      else console.log(`${verdict}: ${describeMutant(mutant)}: ${named.says}`);
    } catch (error) {
      console.log(String(error));
    }
  }
  console.log(`${noticed} of ${NAMED_MUTANTS.length} named mutants noticed`);
  return noticed === NAMED_MUTANTS.length;
}

/** So many of them, each as likely as the others. */
function drawn(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const random = new Random(seed);
  const rest = [...mutants];
  const chosen: Mutant[] = [];
  while (chosen.length < count && rest.length > 0) {
    chosen.push(rest.splice(random.between(0, rest.length - 1), 1)[0]!);
  }
  return chosen;
}

function sourceFiles(path: string): string[] {
  if (!statSync(join(ROOT, path)).isDirectory()) return [path];
  return filesBelow(path).filter((file) => file.endsWith(".ts"));
}

function unitTests(): string[] {
  return filesBelow("tests").filter((file) =>
    file.endsWith(".test.ts") && !NOT_UNIT.includes(file.split("/")[1]!)
  );
}

function filesBelow(path: string): string[] {
  const directory = join(ROOT, path);
  return readdirSync(directory, { recursive: true })
    .map((name) => relative(ROOT, join(directory, String(name))).split(sep).join("/"))
    .sort();
}

function knownKind(kind: string): MutantKind {
  const known = MUTANT_KINDS.find((name) => name === kind);
  if (known === undefined) {
    throw new Error(`Cannot use --kinds "${kind}": it is one of ${MUTANT_KINDS.join(", ")}`);
  }
  return known;
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`Cannot use --${name} "${text}": give a number`);
  return Number(text);
}
