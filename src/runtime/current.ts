/**
 * Which runtime we run on. Both adapters are imported: they name their runtime only inside functions,
 * so a bundle with both works on either, and nothing is loaded at run time.
 */
import { createBunRuntime } from "./bun.ts";
import { createDenoRuntime } from "./deno.ts";
import type { Runtime } from "./runtime.ts";

let current: Runtime | undefined;

/**
 * The adapter for the runtime we run on; always the same one.
 *
 * @throws when it is neither Bun nor Deno
 */
export function currentRuntime(): Runtime {
  return current ??= createRuntime();
}

function createRuntime(): Runtime {
  // Deno has no global Bun, and Bun no global Deno.
  if (typeof Bun !== "undefined") return createBunRuntime();
  if (typeof Deno !== "undefined") return createDenoRuntime();
  throw new Error("Cannot run here: afcgi runs on Bun and on Deno");
}
