// `npm run demo`: the built-in application behind the proxy, from a fresh clone.
import { existsSync } from "node:fs";
import { build } from "./build.mjs";
import { executablePath, runInPlace } from "./command.mjs";

export async function runDemo(args) {
  const code = await build([]);
  if (code !== 0 || !existsSync(executablePath())) return 1;
  return await runInPlace(executablePath(), ["demo", ...args]);
}
