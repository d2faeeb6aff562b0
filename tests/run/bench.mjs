// `npm run bench -- [--case NAME] [--rounds N] [--json FILE]`: see bench/README.md.
import { build } from "./build.mjs";
import { run, tool } from "./command.mjs";
import { installPeers } from "./install.mjs";

const TIME_LIMIT_MS = 30 * 60_000;

export async function runBench(args) {
  const code = await build([]);
  if (code !== 0) return code;
  await installPeers("bench");
  const result = await run(tool("bun"), ["bench/main.ts", ...args], { timeLimitMs: TIME_LIMIT_MS });
  return result.code;
}
