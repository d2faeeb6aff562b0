// `npm test`: every step in order, each with its time, and one count at the end. Nothing vanishes: a
// runner that breaks, a file that does not load or holds no test, and a test that only one of the
// two runtimes saw are failures. Where CI is set, a skipped test is one too.
import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { build } from "./build.mjs";
import { ROOT, run, StepFailed, tool } from "./command.mjs";
import { installPackages, installPeers } from "./install.mjs";
import { slowWithoutReason } from "./slow_tests.mjs";
import { runTestFiles } from "./test_files.mjs";

/** Directories whose tests drive the executable or the package, and so run once, under Bun. */
const EXECUTABLE_DIRECTORIES = [
  "interop",
  "fronts",
  "fault",
  "kill",
  "reload",
  "leak",
  "e2e",
  "examples",
  "package",
];

/** The one of them that runs on Deno too: behind its web servers is the test's own process. */
const WEB_SERVERS_DIRECTORY = "fronts";

/** Those that drive a browser in front of it. */
const BROWSER_DIRECTORY = "apps";

/**
 * Resolves to the exit status. `only` names steps to run, or files and directories below `tests/` whose
 * tests to run; none named: all steps.
 */
export async function runTests(only) {
  await installPackages();
  if (only.some((name) => name.includes("/"))) return report(await runNamedFiles(only));
  const { unit, executable, fronts, browser } = testFiles();
  const benchmarks = benchmarkFiles();
  const unitNames = new Map();
  const steps = [
    ["format", () => command("deno", ["fmt", "--check", "--quiet"])],
    ["lint", () => command("deno", ["lint", "--quiet"])],
    ["types", () => command("tsc", ["-p", "."])],
    ["unit-bun", () => unitTests("bun", unit, unitNames)],
    ["unit-deno", () => unitTests("deno", unit, unitNames)],
    ["unit-same", () => sameTests(unitNames)],
    ["bench-bun", () => smokeTests("bun", [], benchmarks)],
    ["bench-deno", () => smokeTests("deno", ["run", "-A", "--no-check"], benchmarks)],
    ["mutation", namedMutants],
    ["build", buildStep],
    ["executable", () => testsWithPeers("bun", executable)],
    ["fronts-deno", () => testsWithPeers("deno", fronts)],
    ["apps", () => testsWithPeers("bun", browser)],
  ];
  const unknown = only.find((name) => !steps.some(([step]) => step === name));
  if (unknown !== undefined) {
    throw new StepFailed(
      `Cannot run step "${unknown}": it is one of ${steps.map(([step]) => step).join(", ")}, ` +
        "or a file or directory below tests/",
    );
  }
  const chosen = steps.filter(([step]) => only.length === 0 || only.includes(step));
  const results = [];
  for (const [step, action] of chosen) results.push(await runStep(step, action));
  return report(results);
}

/** Some errors, always the same, that the tests must notice: tests/mutation/named_mutants.ts. */
async function namedMutants() {
  return await command("bun", ["tests/mutation/mutate.ts", "--named"]);
}

/** Unit tests under both runtimes; those of the executable as the steps run them. */
async function runNamedFiles(names) {
  const all = testFiles();
  const named = (files) =>
    files.filter((file) => names.some((name) => isBelow(file, name.replace(/^\.\//, ""))));
  const unnamed = names.find((name) =>
    Object.values(all).every((files) =>
      !files.some((file) => isBelow(file, name.replace(/^\.\//, "")))
    )
  );
  if (unnamed !== undefined) throw new StepFailed(`Cannot run "${unnamed}": it holds no test`);
  const unit = named(all.unit);
  const executable = named([...all.executable, ...all.browser]);
  const results = [];
  for (const runtime of unit.length > 0 ? ["bun", "deno"] : []) {
    results.push(await runStep(`unit-${runtime}`, () => runTestFiles(runtime, unit)));
  }
  if (executable.length > 0) {
    results.push(await runStep("build", buildStep));
    results.push(await runStep("executable", () => testsWithPeers("bun", executable)));
  }
  return results;
}

function isBelow(file, path) {
  return file === path || file.startsWith(path.endsWith("/") ? path : `${path}/`);
}

/** Test files below `tests/`, as paths from the root with `/`. */
function testFiles() {
  const directory = join(ROOT, "tests");
  const files = readdirSync(directory, { recursive: true })
    .map((name) => relative(ROOT, join(directory, name)).split(sep).join("/"))
    .filter((path) => path.endsWith(".test.ts"))
    .sort();
  const directoryOf = (path) => path.split("/")[1];
  const isExecutable = (path) => EXECUTABLE_DIRECTORIES.includes(directoryOf(path));
  const isBrowser = (path) => directoryOf(path) === BROWSER_DIRECTORY;
  return {
    unit: files.filter((path) => !isExecutable(path) && !isBrowser(path)),
    executable: files.filter(isExecutable),
    fronts: files.filter((path) => directoryOf(path) === WEB_SERVERS_DIRECTORY),
    browser: files.filter(isBrowser),
  };
}

/** A step's result is the list of its tests; a step that is one program is one test. */
async function runStep(step, action) {
  console.log(`\n=== ${step}`);
  const started = performance.now();
  const tests = await action();
  const seconds = (performance.now() - started) / 1000;
  const result = { step, seconds, tests: tests.map((test) => ({ ...test, step })) };
  console.log(`=== ${step}: ${summary(result.tests)} (${seconds.toFixed(1)} s)`);
  return result;
}

async function command(name, args) {
  const { code } = await run(tool(name), args);
  return [{ name: [name, ...args].join(" "), outcome: code === 0 ? "passed" : "failed" }];
}

/** Benchmarks that need no other program; that they run is all that is looked at. */
function benchmarkFiles() {
  return readdirSync(join(ROOT, "bench")).filter((name) => name.endsWith(".bench.ts")).sort()
    .map((name) => `bench/${name}`);
}

async function testsWithPeers(runtime, files) {
  await installPeers("test");
  return await runTestFiles(runtime, files);
}

async function smokeTests(name, flags, files) {
  const tests = [];
  for (const file of files) tests.push(...await command(name, [...flags, file, "--count", "10"]));
  return tests;
}

async function buildStep() {
  try {
    await build();
    return [{ name: "build", outcome: "passed" }];
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    console.error(error.message);
    return [{ name: "build", outcome: "failed" }];
  }
}

async function unitTests(runtime, files, unitNames) {
  const tests = await runTestFiles(runtime, files, { isQuiet: true });
  unitNames.set(runtime, new Set(tests.map((test) => `${test.file}: ${test.name}`)));
  return tests;
}

/** Both runtimes must have seen the same tests. */
function sameTests(unitNames) {
  const { bun, deno } = Object.fromEntries(unitNames);
  if (bun === undefined || deno === undefined) return [];
  const onlyBun = [...bun].filter((name) => !deno.has(name)).map((name) => `only Bun: ${name}`);
  const onlyDeno = [...deno].filter((name) => !bun.has(name)).map((name) => `only Deno: ${name}`);
  const different = [...onlyBun, ...onlyDeno];
  for (const line of different) console.error(line);
  const outcome = different.length === 0 ? "passed" : "failed";
  return [{ name: "Bun and Deno ran the same unit tests", outcome }];
}

function report(results) {
  const tests = results.flatMap((result) => result.tests).map(strictInCi);
  const slow = slowWithoutReason(tests);
  console.log("\n=== steps");
  for (const { step, seconds, tests } of results) {
    console.log(`${step.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s  ${summary(tests)}`);
  }
  list(
    "slow, and nobody says why (tests/run/slow_tests.json)",
    slow.map((test) => ({ ...test, name: `${test.name} (${test.seconds.toFixed(1)} s)` })),
  );
  list("skipped", tests.filter((test) => test.outcome === "skipped"));
  list("failed", tests.filter((test) => test.outcome === "failed"));
  console.log(`\n${summary(tests)}`);
  return tests.some((test) => test.outcome === "failed") ? 1 : 0;
}

function strictInCi(test) {
  if (test.outcome !== "skipped" || !["true", "1"].includes(process.env.CI ?? "")) return test;
  return { ...test, name: `${test.name} (skipped, which CI does not allow)`, outcome: "failed" };
}

function list(title, tests) {
  if (tests.length === 0) return;
  console.log(`\n=== ${title}`);
  for (const { step, file, name } of tests) {
    console.log([step, file, name].filter((part) => part !== undefined).join(": "));
  }
}

function summary(tests) {
  const count = (outcome) => tests.filter((test) => test.outcome === outcome).length;
  return `${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`;
}
