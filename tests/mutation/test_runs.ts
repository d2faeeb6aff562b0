/**
 * Runs test files in the copy of the project, and knows of each what it runs through: asked of the
 * project as it is, once, when it is first needed, and remembered for later runs
 * (`facts_store.ts`). A fault in a line that a test file never runs is not noticed by it, so it is
 * not asked; and one that fails by itself would notice everything.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { FactsStore } from "./facts_store.ts";

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
const TIMES_SLOWER_MAX = 3;
const SLOWER_MAX_MS = 15_000;

/** How long one test may take: longer than the slowest file of a run takes by itself. */
const TEST_TIMEOUT_MIN_MS = 5_000;
const TEST_TIMEOUT_MAX_MS = 20_000;

/** How a run ended, and of one that failed the file where a test did, as far as it was said. */
export type RunEnd = "passed" | "late" | { readonly failed: string | undefined };

export class TestRuns {
  readonly #directory: string;
  readonly #importsOf: (file: string) => readonly string[];
  readonly #store: FactsStore;
  readonly #facts = new Map<string, Promise<TestFacts>>();
  /** Whether a file passes today, of those whose facts are from an earlier run. */
  readonly #tried = new Map<string, Promise<boolean>>();
  readonly #remembered = new Set<string>();

  /** `directory` is the root of the project; `importsOf` names a file and all that it imports. */
  constructor(
    directory: string,
    importsOf: (file: string) => readonly string[],
    store: FactsStore,
  ) {
    this.#directory = directory;
    this.#importsOf = importsOf;
    this.#store = store;
  }

  /** Must be asked while there is no fault in the project. */
  factsOf(file: string): Promise<TestFacts> {
    const known = this.#facts.get(file);
    if (known !== undefined) return known;
    const facts = this.#recall(file);
    this.#facts.set(file, facts);
    return facts;
  }

  /** Whether a test file that noticed a fault passes without one; asked as {@link factsOf}. */
  async isSound(file: string): Promise<boolean> {
    if (!this.#remembered.has(file)) return true;
    const tried = this.#tried.get(file) ??
      runToEnd(this.#directory, ["test", "--timeout=60000", `./${file}`], 2 * SLOW_TEST_MS)
        .then(({ code }) => code === 0);
    this.#tried.set(file, tried);
    const isSound = await tried;
    if (!isSound) {
      this.#facts.set(file, Promise.resolve({ passes: false, durationMs: 0, lines: new Map() }));
    }
    return isSound;
  }

  /** `usualMs`: what all of them take together; `slowestMs`: what one of them takes at most. */
  async run(files: readonly string[], usualMs: number, slowestMs: number): Promise<RunEnd> {
    const limitMs = SLOWER_MAX_MS + TIMES_SLOWER_MAX * usualMs;
    const timeoutMs = Math.min(
      TEST_TIMEOUT_MAX_MS,
      Math.max(TEST_TIMEOUT_MIN_MS, Math.ceil(TIMES_SLOWER_MAX * slowestMs)),
    );
    const paths = files.map((file) => `./${file}`);
    const args = ["test", "--bail", `--timeout=${timeoutMs}`, ...paths];
    const { code, output } = await runToEnd(this.#directory, args, limitMs);
    if (code === undefined) return "late";
    return code === 0 ? "passed" : { failed: failedFile(output) };
  }

  async #recall(file: string): Promise<TestFacts> {
    const key = this.#store.keyOf(this.#importsOf(file));
    const stored = this.#store.read(key);
    if (stored !== undefined) {
      this.#remembered.add(file);
      return { ...stored, passes: true };
    }
    const facts = await this.#measure(file);
    if (facts.passes) this.#store.write(key, facts);
    return facts;
  }

  async #measure(file: string): Promise<TestFacts> {
    const reports = mkdtempSync(join(tmpdir(), "afcgi-coverage-"));
    try {
      const coverage = ["--coverage", "--coverage-reporter=lcov", `--coverage-dir=${reports}`];
      const startedMs = performance.now();
      const args = ["test", ...coverage, "--timeout=60000", `./${file}`];
      const { code } = await runToEnd(this.#directory, args, 2 * SLOW_TEST_MS);
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

/** The last one that a run up to the first failure has named: Bun writes a file's name before it. */
export function failedFile(output: string): string | undefined {
  const names = [...output.matchAll(/^(?:\.\/)?(tests\/\S+\.test\.ts):$/gm)];
  return names.at(-1)?.[1];
}

/** Runs that are under way, each the leader of a group. */
const underWay = new Set<number>();

// Whoever breaks the command off leaves none of them behind: one may never end by itself.
process.on("exit", () => underWay.forEach(endGroup));

/** With all that it has started. */
function endGroup(leader: number): void {
  process.kill(-leader, "SIGKILL");
}

/** `code` is undefined where it took longer than `limitMs`. */
function runToEnd(
  cwd: string,
  args: readonly string[],
  limitMs: number,
): Promise<{ readonly code: number | undefined; readonly output: string }> {
  return new Promise((resolve) => {
    const stdio = ["ignore", "ignore", "pipe"] as const;
    const child = spawn(process.execPath, args, { cwd, stdio: [...stdio], detached: true });
    const pid = child.pid!;
    underWay.add(pid);
    let isLate = false;
    let output = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => output += text);
    const timer = setTimeout(() => {
      isLate = true;
      endGroup(pid);
    }, limitMs);
    child.on("exit", (code) => {
      clearTimeout(timer);
      underWay.delete(pid);
      resolve({ code: isLate ? undefined : code ?? 1, output });
    });
  });
}
