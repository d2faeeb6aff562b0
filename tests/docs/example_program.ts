/** An example as a program of its own, run by the runtime of the tests. */
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The example with package names made files: it may lie anywhere. */
export function asProgram(code: string): string {
  const url = (path: string) => JSON.stringify(pathToFileURL(join(ROOT, path)).href);
  return code
    .replaceAll('from "afcgi"', `from ${url("mod.ts")}`)
    .replaceAll('from "hono"', `from ${url("node_modules/hono/dist/index.js")}`);
}

/** What the runtime is to be called with, to run the file. */
export function runArguments(file: string): string[] {
  if (!("Deno" in globalThis)) return [file];
  // Deno looks for the library's packages where its configuration is, not where the example is.
  return ["run", "-A", "--no-check", "--quiet", `--config=${join(ROOT, "deno.json")}`, file];
}
