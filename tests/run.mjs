// The one entry behind `npm run demo|build|build:all|build:package|bench` and `npm test`. It is plain
// JavaScript for Node without a dependency, because it must run on a machine that has nothing but Node and
// npm: it fetches what is missing (Bun, Deno, real peers) and hands over to it.
import { runBench } from "./run/bench.mjs";
import { build, buildAll } from "./run/build.mjs";
import { runDemo } from "./run/demo.mjs";
import { StepFailed } from "./run/command.mjs";
import { buildPackage } from "./run/package.mjs";
import { runTests } from "./run/steps.mjs";

const COMMANDS = {
  demo: runDemo,
  test: runTests,
  build,
  "build:all": buildAll,
  "build:package": buildPackage,
  bench: runBench,
};

const [name, ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name ?? "") ? COMMANDS[name] : undefined;
if (command === undefined) {
  console.error(
    `Cannot run "${name ?? ""}": it is one of ${Object.keys(COMMANDS).join(", ")}`,
  );
  process.exit(2);
}

try {
  process.exitCode = await command(args);
} catch (error) {
  if (!(error instanceof StepFailed)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
