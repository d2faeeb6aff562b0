/** An executable whose threads do what a test tells them: spin, throw, end (obedient_threads/). */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "./places.ts";

const DIRECTORY = fileURLToPath(new URL("./obedient_threads", import.meta.url));

export type Order = "spin" | "pause" | "throw" | "reject" | "exit" | "block";

let built: string | undefined;

/** Its path; made once. */
export function obedientExecutable(): string {
  if (built !== undefined) return built;
  assert.ok(process.versions["bun"], "Only Bun makes executables");
  const output = join(temporaryDirectory(), "afcgi");
  const entries = ["main.ts", "thread.ts"].map((name) => join(DIRECTORY, name));
  const args = ["build", "--compile", "--format=esm", ...entries, "--outfile", output];
  execFileSync(process.execPath, args, { stdio: "pipe" });
  return built = output;
}

/** Tells a thread; `directory` is what THREAD_ORDERS says. */
export function giveOrder(directory: string, thread: string, order: Order): void {
  // Whole or not at all.
  const draft = join(directory, "draft");
  writeFileSync(draft, order);
  renameSync(draft, join(directory, thread));
}
