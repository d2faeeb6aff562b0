/**
 * A copy of the project in which one file at a time has a fault, and what notices it: the types
 * first, then the tests, the likeliest first. The project itself is never written to.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { API, type Snapshot } from "typescript/unstable/async";
import type { SourceFile } from "typescript/unstable/ast";
import { applyMutant, type Mutant } from "./mutants.ts";
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
  "node_modules",
];

/** A fault that makes a test hang is noticed, but not waited for any longer. */
const TEST_RUN_MAX_MS = 180_000;

/**
 * Files of tests that are asked about one fault, the nearest first, unless all are wanted: a fault
 * that nobody notices costs a run of all of them, and what is far away seldom sees it.
 */
const NEAR_TESTS_MAX = 32;

/** Files of one run of the tests: few at first, because most faults are noticed at once. */
const FIRST_BATCH = 4;

export class Workshop {
  readonly #directory = mkdtempSync(join(tmpdir(), "afcgi-mutation-"));
  readonly #types: API;
  readonly #selection: TestSelection;
  readonly #testsMax: number;
  #snapshot: Snapshot | undefined;

  /** `isThorough`: every test that reaches a file is asked, not the nearest alone. */
  constructor(root: string, testFiles: readonly string[], isThorough = false) {
    this.#testsMax = isThorough ? testFiles.length : NEAR_TESTS_MAX;
    for (const name of COPIED) {
      cpSync(join(root, name), join(this.#directory, name), {
        recursive: true,
        verbatimSymlinks: true,
      });
    }
    this.#selection = new TestSelection(root, testFiles);
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
    const path = join(this.#directory, mutant.file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, applyMutant(text, mutant));
    try {
      if (await this.#failsTypes(path)) return "types";
      return await this.#judgeByTests(mutant.file, test);
    } finally {
      writeFileSync(path, text);
      await this.#update([path]);
    }
  }

  async close(): Promise<void> {
    await this.#types.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #judgeByTests(file: string, first: string | undefined): Promise<Verdict> {
    const tests = this.#selection.testsOf(file).slice(0, this.#testsMax)
      .filter((test) => test !== first);
    if (first === undefined && tests.length === 0) return "untested";
    const batches = [tests.slice(0, FIRST_BATCH), tests.slice(FIRST_BATCH)];
    for (const batch of first === undefined ? batches : [[first], ...batches]) {
      if (batch.length === 0) continue;
      const code = await this.#runTests(batch);
      if (code === undefined) return "time";
      if (code !== 0) return "tests";
    }
    return "survived";
  }

  async #failsTypes(path: string): Promise<boolean> {
    const snapshot = await this.#update([path]);
    const [project] = await snapshot.getProjects();
    const found = await project!.program.getSemanticDiagnostics(path);
    return found.length > 0;
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

  /** Resolves to the exit status; undefined when it took too long. */
  #runTests(files: readonly string[]): Promise<number | undefined> {
    return new Promise((resolve) => {
      const args = ["test", "--bail", "--timeout=20000", ...files.map((file) => `./${file}`)];
      const child = spawn(process.execPath, args, {
        cwd: this.#directory,
        stdio: "ignore",
        detached: true,
      });
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        // With all that it has started.
        process.kill(-child.pid!, "SIGKILL");
      }, TEST_RUN_MAX_MS);
      child.on("exit", (code) => {
        clearTimeout(timer);
        resolve(isLate ? undefined : code ?? 1);
      });
    });
  }
}
