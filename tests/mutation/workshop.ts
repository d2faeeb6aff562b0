/**
 * A copy of the project in which one file at a time has a fault, and what notices it: the types
 * first, then the tests, the likeliest first. The project itself is never written to.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { API, type Snapshot } from "typescript/unstable/async";
import type { SourceFile } from "typescript/unstable/ast";
import { applyMutant, type Mutant } from "./mutants.ts";
import { FactsStore } from "./facts_store.ts";
import { type RunEnd, SLOW_TEST_MS, TestRuns } from "./test_runs.ts";
import { TestSelection } from "./test_selection.ts";

export type Verdict = "types" | "tests" | "time" | "survived" | "untested";

/** What a copy needs for its unit tests. */
const COPIED = [
  "mod.ts",
  "src",
  "tests",
  "bench",
  "docs",
  "examples",
  "deno.json",
  "package.json",
  "tsconfig.json",
  "bunfig.toml",
  "README.md",
  "CHANGELOG.md",
  "Dockerfile",
];

/** Looks at the text of every source file, and imports none: the bounds that have names. */
const BOUNDS_TEST = "tests/config/visible_limits.test.ts";

/** Files of tests beyond those of its own directory that are asked about one fault, the nearest. */
const NEIGHBOURS_MAX = 12;

/** Time that the first run of tests may take by itself: most faults are noticed at once. */
const FIRST_RUN_MS = 3_000;

export class Workshop {
  readonly #directory = mkdtempSync(join(tmpdir(), "afcgi-mutation-"));
  readonly #types: API;
  readonly #selection: TestSelection;
  readonly #runs: TestRuns;
  readonly #isThorough: boolean;
  /** By source file the tests that noticed a fault of it: they are the likeliest to do so again. */
  readonly #noticed = new Map<string, Set<string>>();
  #snapshot: Snapshot | undefined;

  /** `isThorough`: every test that reaches a file is asked, not the nearest alone. */
  constructor(root: string, testFiles: readonly string[], isThorough = false) {
    this.#isThorough = isThorough;
    // Also of a run that is broken off.
    process.on("exit", this.#remove);
    for (const name of COPIED) {
      cpSync(join(root, name), join(this.#directory, name), {
        recursive: true,
        verbatimSymlinks: true,
      });
    }
    symlinkSync(join(root, "node_modules"), join(this.#directory, "node_modules"));
    this.#selection = new TestSelection(this.#directory, testFiles);
    this.#runs = new TestRuns(
      this.#directory,
      (file) => this.#selection.closureOf(file),
      new FactsStore(join(tmpdir(), "afcgi-mutation-facts"), this.#directory),
    );
    this.#types = new API({ cwd: this.#directory });
  }

  async sourceOf(file: string): Promise<SourceFile> {
    const snapshot = await this.#update([]);
    const [project] = await snapshot.getProjects();
    const source = await project?.program.getSourceFile(join(this.#directory, file));
    if (source === undefined) throw new Error(`Cannot read "${file}": tsconfig.json leaves it out`);
    return source;
  }

  /**
   * Puts the fault in, asks who notices, and takes it out again. `test` is asked before the others.
   */
  async judge(mutant: Mutant, test?: string): Promise<Verdict> {
    if (await this.#failsTypes(mutant)) return "types";
    if (test !== undefined) {
      const verdict = await this.#ask(mutant, newRun([test], SLOW_TEST_MS));
      if (verdict !== undefined) return verdict;
    }
    const isOfBound = mutant.kind === "number" || mutant.kind === "arithmetic";
    if (isOfBound && (await this.#runs.factsOf(BOUNDS_TEST)).passes) {
      const verdict = await this.#ask(mutant, newRun([BOUNDS_TEST], FIRST_RUN_MS));
      if (verdict !== undefined) return verdict;
    }
    let asked = 0;
    for (const stage of this.#stagesOf(mutant.file)) {
      for (const run of await this.#runsFor(mutant, stage)) {
        const verdict = await this.#ask(mutant, run);
        if (verdict !== undefined) return verdict;
        asked += run.tests.length;
      }
    }
    return asked === 0 && test === undefined ? "untested" : "survived";
  }

  async close(): Promise<void> {
    await this.#types.close();
    this.#remove();
  }

  readonly #remove = (): void => rmSync(this.#directory, { recursive: true, force: true });

  /** Which test files are asked first, and which if those notice nothing. */
  #stagesOf(file: string): readonly (readonly string[])[] {
    const { own, others } = this.#selection.byDirectory(file);
    return [own, this.#isThorough ? others : others.slice(0, NEIGHBOURS_MAX)];
  }

  /** Of those the ones that run the line, the likeliest and then the quickest first, in two runs. */
  async #runsFor(mutant: Mutant, files: readonly string[]): Promise<readonly Run[]> {
    const first = newRun();
    const then = newRun();
    const likely = this.#noticed.get(mutant.file);
    const known = [];
    for (const file of files) {
      const isLikely = likely?.has(file) === true;
      known.push({ file, isLikely, facts: await this.#runs.factsOf(file) });
    }
    known.sort((one, other) =>
      Number(other.isLikely) - Number(one.isLikely) ||
      one.facts.durationMs - other.facts.durationMs
    );
    for (const { file, facts: { passes, durationMs, lines } } of known) {
      const isSlow = durationMs > SLOW_TEST_MS && !this.#isThorough;
      if (!passes || isSlow || !runs(lines.get(mutant.file), mutant)) continue;
      add(first.durationMs + durationMs <= FIRST_RUN_MS ? first : then, file, durationMs);
    }
    return [first, then].filter(({ tests }) => tests.length > 0);
  }

  /** Undefined when they notice nothing. */
  async #ask(mutant: Mutant, run: Run): Promise<"tests" | "time" | undefined> {
    const end = await this.#runWith(mutant, run);
    if (end === "passed") return undefined;
    if (end === "late") return "time";
    const { failed } = end;
    if (failed === undefined || !run.tests.includes(failed)) return "tests";
    if (!await this.#runs.isSound(failed)) {
      // It fails by itself, so it says nothing of the fault.
      const tests = run.tests.filter((file) => file !== failed);
      return tests.length === 0 ? undefined : await this.#ask(mutant, { ...run, tests });
    }
    const noticed = this.#noticed.get(mutant.file) ?? new Set();
    this.#noticed.set(mutant.file, noticed.add(failed));
    return "tests";
  }

  async #runWith(mutant: Mutant, { tests, durationMs, slowestMs }: Run): Promise<RunEnd> {
    const path = join(this.#directory, mutant.file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, applyMutant(text, mutant));
    try {
      return await this.#runs.run(tests, durationMs, slowestMs);
    } finally {
      writeFileSync(path, text);
    }
  }

  async #failsTypes(mutant: Mutant): Promise<boolean> {
    const path = join(this.#directory, mutant.file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, applyMutant(text, mutant));
    try {
      const snapshot = await this.#update([path]);
      const [project] = await snapshot.getProjects();
      return (await project!.program.getSemanticDiagnostics(path)).length > 0;
    } finally {
      writeFileSync(path, text);
      await this.#update([path]);
    }
  }

  async #update(changed: string[]): Promise<Snapshot> {
    if (this.#snapshot !== undefined && changed.length === 0) return this.#snapshot;
    this.#snapshot = await this.#types.updateSnapshot(
      this.#snapshot === undefined
        ? { openProjects: [join(this.#directory, "tsconfig.json")] }
        : { fileChanges: { changed } },
    );
    return this.#snapshot;
  }
}

/** Test files that are run together. */
interface Run {
  tests: string[];
  durationMs: number;
  /** What the slowest of them takes. */
  slowestMs: number;
}

function newRun(tests: string[] = [], durationMs = 0): Run {
  return { tests, durationMs, slowestMs: durationMs };
}

function add(run: Run, file: string, durationMs: number): void {
  run.tests.push(file);
  run.durationMs += durationMs;
  run.slowestMs = Math.max(run.slowestMs, durationMs);
}

/** Whether the place of the fault was run; a line of a statement may count as the one before it. */
function runs(lines: ReadonlySet<number> | undefined, mutant: Mutant): boolean {
  if (lines === undefined) return false;
  const end = mutant.line + mutant.original.split("\n").length;
  for (let line = mutant.line - 1; line <= end; line++) if (lines.has(line)) return true;
  return false;
}
