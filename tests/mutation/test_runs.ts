/**
 * Runs test files in the copy of the project, and knows of each what it runs through: asked of the
 * project as it is, once, when it is first needed. A fault in a line that a test file never runs is
 * not noticed by it, so it is not asked; and one that fails by itself would notice everything.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** One test file, on the project as it is. */
export interface TestFacts {
  /** Whether it says anything of a fault: it passes without one. */
  readonly passes: boolean;
  readonly durationMs: number;
  /** By source file, from 1. */
  readonly lines: ReadonlyMap<string, ReadonlySet<number>>;
}

/** A test file that takes longer than this by itself is asked only where all are wanted. */
export const SLOW_TEST_MS = 30_000;

/** What a fault may add to the time that its tests take: beyond it they hang. */
const TIMES_SLOWER_MAX = 5;
const SLOWER_MAX_MS = 20_000;

export class TestRuns {
  readonly #directory: string;
  readonly #facts = new Map<string, Promise<TestFacts>>();

  /** `directory` is the root of the project. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Must be asked while there is no fault in the project. */
  factsOf(file: string): Promise<TestFacts> {
    const known = this.#facts.get(file);
    if (known !== undefined) return known;
    const facts = this.#measure(file);
    this.#facts.set(file, facts);
    return facts;
  }

  /** Resolves to the exit status; undefined when they took far too long. */
  async run(files: readonly string[], usualMs: number): Promise<number | undefined> {
    const limitMs = SLOWER_MAX_MS + TIMES_SLOWER_MAX * usualMs;
    const args = ["test", "--bail", "--timeout=20000", ...files.map((file) => `./${file}`)];
    return await runToEnd(this.#directory, args, limitMs);
  }

  async #measure(file: string): Promise<TestFacts> {
    const reports = mkdtempSync(join(tmpdir(), "afcgi-coverage-"));
    try {
      const coverage = ["--coverage", "--coverage-reporter=lcov", `--coverage-dir=${reports}`];
      const startedMs = performance.now();
      const args = ["test", ...coverage, "--timeout=60000", `./${file}`];
      const code = await runToEnd(this.#directory, args, 2 * SLOW_TEST_MS);
      const report = join(reports, "lcov.info");
      const lines = existsSync(report) ? linesOf(readFileSync(report, "utf8")) : new Map();
      return { passes: code === 0, durationMs: performance.now() - startedMs, lines };
    } finally {
      rmSync(reports, { recursive: true, force: true });
    }
  }
}

/** The lines that were run, of a report in the form of lcov. */
export function linesOf(report: string): Map<string, Set<number>> {
  const files = new Map<string, Set<number>>();
  let lines = new Set<number>();
  for (const text of report.split("\n")) {
    if (text.startsWith("SF:")) files.set(text.slice(3), lines = new Set());
    const [, line, count] = /^DA:(\d+),(\d+)/.exec(text) ?? [];
    if (line !== undefined && Number(count) > 0) lines.add(Number(line));
  }
  return files;
}

function runToEnd(
  cwd: string,
  args: readonly string[],
  limitMs: number,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, stdio: "ignore", detached: true });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      // With all that it has started.
      process.kill(-child.pid!, "SIGKILL");
    }, limitMs);
    child.on("exit", (code) => {
      clearTimeout(timer);
      resolve(isLate ? undefined : code ?? 1);
    });
  });
}
