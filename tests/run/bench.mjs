// `npm run bench -- [--case NAME] [--rounds N] ...`: see bench/README.md. Signals reach the
// benchmark, which then stops what it started; so does a run that takes too long.
import { spawn } from "node:child_process";
import { build } from "./build.mjs";
import { PATH, ROOT, tool } from "./command.mjs";
import { installPeers } from "./install.mjs";

const TIME_LIMIT_MS = 3 * 60 * 60_000;

/** Thousands of connections want a descriptor each, in the servers too. */
const WITH_DESCRIPTORS = 'ulimit -n "$(ulimit -Hn)"; exec "$@"';

export async function runBench(args) {
  const code = await build([]);
  if (code !== 0) return code;
  await installPeers("bench");
  const command = ["-c", WITH_DESCRIPTORS, "sh", tool("bun"), "bench/main.ts", ...args];
  const child = spawn("sh", command, {
    cwd: ROOT,
    env: { ...process.env, PATH },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: TIME_LIMIT_MS,
    // Out of the terminal's reach: of Ctrl-C it hears once, from here. A second one is in earnest.
    detached: true,
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => child.kill(signal));
  }
  return await new Promise((resolve) => {
    child.on("error", (error) => resolve((console.error(error.message), 127)));
    child.on("close", (code) => resolve(code ?? 1));
  });
}
