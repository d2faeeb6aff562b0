// `npm test`: first what takes seconds, one after the other, then the tests, those beside each other
// that bear it (jobs.mjs, pool.mjs); and one count at the end. Nothing vanishes: a runner that breaks,
// a file that does not load or holds no test, and a test that only one of the two runtimes saw are
// failures. Where CI is set, a skipped test is one too.
import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { build } from "./build.mjs";
import { ROOT, run, StepFailed, tool } from "./command.mjs";
import { installPackages, installPeers } from "./install.mjs";
import { groupsOf } from "./jobs.mjs";
import { runPool } from "./pool.mjs";
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

/** With one thread, where the executable has one for each processor: what any thread does. */
const ONE_THREAD = { AFCGI_TEST_WORKERS: "1" };
const ONE_THREAD_FILES = [
  "tests/e2e/application_manners.test.ts",
  "tests/e2e/files.test.ts",
  "tests/e2e/gateway_requests.test.ts",
  "tests/e2e/https.test.ts",
  "tests/fault/client.test.ts",
  "tests/interop/spawn.test.ts",
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
  const startMs = performance.now();
  const steps = only.some((name) => name.includes("/")) ? stepsOfFiles(only) : stepsNamed(only);
  const results = [];
  for (const step of steps.filter((step) => step.run)) results.push(await runStep(step));
  const tests = steps.filter((step) => step.jobs);
  if (tests.some((step) => step.needsPeers)) await installPeers("test");
  results.push(...await runBeside(tests));
  for (const step of steps.filter((step) => step.compare)) results.push(compared(step, results));
  return report(results, steps, (performance.now() - startMs) / 1000);
}

/**
 * A step is one program, `run`; or `jobs` that may run beside those of other steps; or it compares
 * what others have seen.
 */
function allSteps() {
  const { unit, executable, fronts, browser } = testFiles();
  const benchmarks = benchmarkFiles();
  const oneThread = executable.filter((file) => ONE_THREAD_FILES.includes(file));
  return [
    { step: "format", run: () => command("deno", ["fmt", "--check", "--quiet"]) },
    { step: "lint", run: () => command("deno", ["lint", "--quiet"]) },
    { step: "types", run: () => command("tsc", ["-p", "."]) },
    { step: "bench-bun", run: () => smokeTests("bun", [], benchmarks) },
    { step: "bench-deno", run: () => smokeTests("deno", DENO_RUN, benchmarks) },
    { step: "build", run: buildStep },
    // The longest first: what is short fills the gaps at the end.
    { step: "mutation", jobs: [{ kind: "memory", name: "named mutants", run: namedMutants }] },
    { step: "apps", jobs: jobsOf("bun", browser), needsPeers: true },
    { step: "executable", jobs: jobsOf("bun", executable), needsPeers: true },
    { step: "one-thread", jobs: jobsOf("bun", oneThread, ONE_THREAD), needsPeers: true },
    { step: "fronts-deno", jobs: jobsOf("deno", fronts), needsPeers: true },
    { step: "unit-bun", jobs: jobsOf("bun", unit) },
    { step: "unit-deno", jobs: jobsOf("deno", unit) },
    { step: "unit-same", compare: sameTests },
  ];
}

const DENO_RUN = ["run", "-A", "--no-check"];

function stepsNamed(only) {
  const steps = allSteps();
  const unknown = only.find((name) => !steps.some(({ step }) => step === name));
  if (unknown !== undefined) {
    throw new StepFailed(
      `Cannot run step "${unknown}": it is one of ${steps.map(({ step }) => step).join(", ")}, ` +
        "or a file or directory below tests/",
    );
  }
  return steps.filter(({ step }) => only.length === 0 || only.includes(step));
}

/** Unit tests under both runtimes; those of the executable as the steps run them. */
function stepsOfFiles(names) {
  const all = testFiles();
  const isNamed = (file) => names.some((name) => isBelow(file, name.replace(/^\.\//, "")));
  const unnamed = names.find((name) =>
    Object.values(all).every((files) =>
      !files.some((file) => isBelow(file, name.replace(/^\.\//, "")))
    )
  );
  if (unnamed !== undefined) throw new StepFailed(`Cannot run "${unnamed}": it holds no test`);
  const unit = all.unit.filter(isNamed);
  const executable = [...all.executable, ...all.browser].filter(isNamed);
  const steps = [
    { step: "build", run: buildStep, files: executable },
    { step: "executable", jobs: jobsOf("bun", executable), needsPeers: true, files: executable },
    { step: "unit-bun", jobs: jobsOf("bun", unit), files: unit },
    { step: "unit-deno", jobs: jobsOf("deno", unit), files: unit },
  ];
  return steps.filter(({ files }) => files.length > 0);
}

function jobsOf(runtime, files, env = {}) {
  return groupsOf(files).map((group) => ({
    kind: group.kind,
    name: `${runtime} ${group.name}`,
    // What keeps to memory can wait; who waits for a peer should not.
    run: () => runTestFiles(runtime, group.files, { yields: group.kind === "memory", env }),
  }));
}

/** The jobs of all steps in one pool; the results are those of each step. */
async function runBeside(steps) {
  const results = steps.map(({ step }) => ({ step, seconds: 0, tests: [] }));
  const jobs = steps.flatMap(({ step, jobs }, index) =>
    jobs.map(({ kind, name, run }) => ({
      kind,
      async run() {
        const startMs = performance.now();
        const tests = await run();
        const seconds = (performance.now() - startMs) / 1000;
        results[index].seconds += seconds;
        results[index].tests.push(...tests.map((test) => ({ ...test, step })));
        console.log(`${step}: ${name}: ${summary(tests)} (${seconds.toFixed(1)} s)`);
      },
    }))
  );
  if (jobs.length > 0) console.log("\n=== tests");
  await runPool(jobs);
  return results;
}

/** Some errors, always the same, that the tests must notice: tests/mutation/named_mutants.ts. */
async function namedMutants() {
  const { code, output } = await run(tool("bun"), ["tests/mutation/mutate.ts", "--named"], {
    capture: true,
    yields: true,
  });
  console.log(output.trimEnd());
  return [{ name: "named mutants", outcome: code === 0 ? "passed" : "failed" }];
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
async function runStep({ step, run }) {
  console.log(`\n=== ${step}`);
  const started = performance.now();
  const tests = await run();
  const seconds = (performance.now() - started) / 1000;
  console.log(`=== ${step}: ${summary(tests)} (${seconds.toFixed(1)} s)`);
  return { step, seconds, tests: tests.map((test) => ({ ...test, step })) };
}

function compared({ step, compare }, results) {
  return { step, seconds: 0, tests: compare(results).map((test) => ({ ...test, step })) };
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

/** Both runtimes must have seen the same tests. */
function sameTests(results) {
  const namesOf = (step) => {
    const tests = results.find((result) => result.step === step)?.tests;
    return tests && new Set(tests.map((test) => `${test.file}: ${test.name}`));
  };
  const [bun, deno] = [namesOf("unit-bun"), namesOf("unit-deno")];
  if (bun === undefined || deno === undefined) return [];
  const onlyBun = [...bun].filter((name) => !deno.has(name)).map((name) => `only Bun: ${name}`);
  const onlyDeno = [...deno].filter((name) => !bun.has(name)).map((name) => `only Deno: ${name}`);
  const different = [...onlyBun, ...onlyDeno];
  for (const line of different) console.error(line);
  const outcome = different.length === 0 ? "passed" : "failed";
  return [{ name: "Bun and Deno ran the same unit tests", outcome }];
}

/** Seconds of a step are those of its work; beside each other they are fewer, as the last line says. */
function report(results, steps, wholeSeconds) {
  const tests = results.flatMap((result) => result.tests).map(strictInCi);
  const slow = slowWithoutReason(tests);
  console.log("\n=== steps");
  for (const { step } of steps) {
    const { seconds, tests } = results.find((result) => result.step === step);
    console.log(`${step.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s  ${summary(tests)}`);
  }
  list(
    "slow, and nobody says why (tests/run/slow_tests.json)",
    slow.map((test) => ({ ...test, name: `${test.name} (${test.seconds.toFixed(1)} s)` })),
  );
  list("skipped", tests.filter((test) => test.outcome === "skipped"));
  list("failed", tests.filter((test) => test.outcome === "failed"));
  console.log(`\n${summary(tests)} in ${wholeSeconds.toFixed(0)} s`);
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
