// Runs other programs: to the end with their output shown or captured, or in our place with signals
// passed through. Every run has a time limit, so that nothing here can hang for ever.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const DIST = join(ROOT, "dist");

const TIME_LIMIT_MS = 10 * 60_000;
const EXECUTABLE_SUFFIX = process.platform === "win32" ? ".exe" : "";

/** The pinned tools of node_modules first, then the machine's, also those of its administrator. */
export const PATH = [
  join(ROOT, "node_modules", ".bin"),
  process.env.PATH ?? "",
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
].join(delimiter);

/** Something that the user has to know, already in words: shown without a stack. */
export class StepFailed extends Error {}

/** A tool of node_modules by name. */
export function tool(name) {
  return join(ROOT, "node_modules", ".bin", name);
}

/** The executable that `build` makes. */
export function executablePath() {
  return join(DIST, `afcgi${EXECUTABLE_SUFFIX}`);
}

/**
 * Runs a program to its end. `capture` collects its output instead of showing it; `yields` lets
 * others have the processors first.
 * Resolves to `{ code, output }`; a program that cannot be started has code 127, one that a signal
 * ended 128, one that took too long 124.
 */
export function run(program, args, options = {}) {
  const { capture = false, timeLimitMs = TIME_LIMIT_MS, env = {}, yields = false } = options;
  const [name, ...words] = yields && process.platform !== "win32"
    ? ["nice", "-n", "5", program, ...args]
    : [program, ...args];
  return new Promise((resolve) => {
    const child = spawn(name, words, {
      cwd: ROOT,
      env: { ...process.env, PATH, ...env },
      stdio: ["ignore", capture ? "pipe" : "inherit", capture ? "pipe" : "inherit"],
    });
    const output = [];
    let tooLong = false;
    const timer = setTimeout(() => {
      tooLong = true;
      child.kill("SIGKILL");
    }, timeLimitMs);
    child.stdout?.on("data", (bytes) => output.push(bytes));
    child.stderr?.on("data", (bytes) => output.push(bytes));
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: error.message });
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: tooLong ? 124 : code ?? 128, output: Buffer.concat(output).toString() });
    });
  });
}

/** Runs a program whose failure ends the whole command. */
export async function runOrFail(program, args, options = {}) {
  const { code, output } = await run(program, args, options);
  if (code === 0) return output;
  throw new StepFailed(
    `${output}Cannot go on: "${[program, ...args].join(" ")}" ended with status ${code}`,
  );
}

/** Runs a program in our place: its terminal is ours, and signals reach it. */
export function runInPlace(program, args) {
  if (!existsSync(program)) throw new StepFailed(`Cannot run "${program}": there is no such file`);
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, PATH } });
    // A terminal sends SIGINT to both of us: ours is ignored, and the child decides.
    process.on("SIGINT", () => {});
    for (const signal of ["SIGTERM", "SIGHUP", "SIGQUIT"]) {
      process.on(signal, () => child.kill(signal));
    }
    child.on("error", (error) => resolve((console.error(error.message), 127)));
    child.on("close", (code) => resolve(code ?? 1));
  });
}
