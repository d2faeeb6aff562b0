// Runs test files under one runtime and reads its report. Each file that was asked for must have
// given at least one test, and a runner that ended badly must have named a failed test; what does
// not hold is added as a failed test of its own.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, run, tool } from "./command.mjs";
import { parseJunit } from "./junit.mjs";

/** For one test; a hanging one must not hold the whole run. */
const TEST_TIMEOUT_MS = 60_000;

const ARGS = {
  bun: (reportPath, files) => [
    "test",
    `--timeout=${TEST_TIMEOUT_MS}`,
    "--only-failures",
    "--reporter=junit",
    `--reporter-outfile=${reportPath}`,
    ...files.map((file) => `./${file}`),
  ],
  deno: (reportPath, files) => [
    "test",
    "-A",
    "--no-check",
    "--reporter=dot",
    `--junit-path=${reportPath}`,
    ...files,
  ],
};

/**
 * One process for all of them, with a time limit. What it says is shown only where a test failed, in
 * one piece: another one may run beside it. `yields`: the processors are others' first.
 * `env` is what the tests find beside our own environment.
 *
 * @returns {Promise<{ file: string, name: string, outcome: string, seconds?: number }[]>}
 */
export async function runTestFiles(runtime, files, { yields = false, env = {} } = {}) {
  const { code, tests } = await runOnce(runtime, files, { yields, env });
  if (tests !== undefined) return [...tests, ...missing(code, tests, files)];
  if (files.length === 1) return [failed(files[0], `${runtime} ended with status ${code}`)];
  // One file that does not load takes the report of all with it: run them one by one.
  const all = [];
  for (const file of files) all.push(...await runTestFiles(runtime, [file], { yields, env }));
  return all;
}

/** `tests` is undefined when the runner wrote no report. */
async function runOnce(runtime, files, { yields, env }) {
  const directory = mkdtempSync(join(tmpdir(), "afcgi-report-"));
  try {
    const reportPath = join(directory, "report.xml");
    const entries = runtime === "deno" ? denoEntries(directory, files) : files;
    const args = ARGS[runtime](reportPath, entries);
    const { code, output } = await run(tool(runtime), args, { capture: true, yields, env });
    if (code !== 0) console.log(output);
    if (!existsSync(reportPath)) return { code, tests: undefined };
    return { code, tests: parseJunit(readFileSync(reportPath, "utf8")) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What runs before or after the tests of a file, and would for all that are loaded with it. */
const HOOK = /^(?:before|after)(?:Each)?\(/m;

/**
 * Deno loads every module again for each file, which takes longer than most tests: so those of a group
 * are loaded by one. Its report names a test by the file that has registered it.
 */
function denoEntries(directory, files) {
  const isAlone = (file) => HOOK.test(readFileSync(join(ROOT, file), "utf8"));
  const together = files.filter((file) => !isAlone(file));
  if (together.length < 2) return files;
  const imports = together.map((file) => `import ${JSON.stringify(urlOf(file))};\n`);
  const path = join(directory, "all.test.ts");
  writeFileSync(path, imports.join(""));
  return [path, ...files.filter(isAlone)];
}

function urlOf(file) {
  return pathToFileURL(join(ROOT, file)).href;
}

/** What the report should hold and does not. */
function missing(code, tests, files) {
  const seen = new Set(tests.map((test) => test.file));
  const failures = files.filter((file) => !seen.has(file))
    .map((file) => failed(file, "did not load, or holds no test"));
  const explained = failures.length > 0 || tests.some((test) => test.outcome === "failed");
  if (code === 0 || explained) return failures;
  return [failed(undefined, `no test failed, but the runner ended with status ${code}`)];
}

function failed(file, name) {
  return { file, name, outcome: "failed" };
}
