/**
 * Starts the process that takes our place: the command line that we were started with, run anew. It
 * gets listening sockets as descriptors, and a pipe on which it says that it serves. When we are
 * killed meanwhile, the pipe breaks and it goes on; when it is killed, the pipe ends and we do.
 */
import { accessSync, closeSync, constants, readFileSync, writeSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import process from "node:process";
import { childProcessModule } from "./lazy_modules.ts";
import {
  FIRST_FREE_DESCRIPTOR,
  SpawnError,
  type Successor,
  type SuccessorOptions,
} from "./spawner.ts";

const READY = "ready";

/** At the start: a directory may change, and so may a link that leads to it. */
const startDirectory = process.cwd();

/** @throws {SpawnError} */
export async function startSuccessor(
  { env, descriptors, readyVariable }: SuccessorOptions,
): Promise<Successor> {
  const [program, ...args] = commandLine();
  const readyDescriptor = FIRST_FREE_DESCRIPTOR + descriptors.length;
  const given = { ...process.env, ...env, [readyVariable]: String(readyDescriptor) };
  const child = childProcessModule().spawn(program, args, {
    cwd: startDirectory,
    env: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    stdio: ["inherit", "inherit", "inherit", ...descriptors, "pipe"],
  });
  const { promise: ready, resolve: settle } = Promise.withResolvers<boolean>();
  const started = Promise.withResolvers<void>();
  child.on("spawn", started.resolve);
  child.on("error", (cause) => {
    started.reject(new SpawnError(`Cannot start "${program}": ${cause.message}`, { cause }));
  });
  child.on("exit", () => settle(false));
  const pipe = child.stdio[readyDescriptor];
  let said = "";
  pipe?.on("data", (bytes: Uint8Array) => {
    said += new TextDecoder().decode(bytes);
    if (said.includes(READY)) settle(true);
  });
  pipe?.on("error", () => {});
  await started.promise;
  return {
    pid: child.pid!,
    ready,
    kill: () => void child.kill("SIGKILL"),
    release() {
      pipe?.destroy();
      child.unref();
    },
  };
}

export function sayReady(descriptor: number): void {
  try {
    writeSync(descriptor, `${READY}\n`);
    closeSync(descriptor);
  } catch {
    // Whoever started us has gone.
  }
}

/** As we were started, with the program's path made whole. @throws {SpawnError} */
function commandLine(): readonly [program: string, ...args: string[]] {
  let words: readonly string[];
  try {
    words = readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
  } catch (cause) {
    throw new SpawnError("Cannot see how we were started: there is no /proc", { cause });
  }
  const [name = "", ...args] = words;
  return [pathOf(name) ?? process.execPath, ...args];
}

function pathOf(name: string): string | undefined {
  if (name.includes("/")) return canRun(resolve(startDirectory, name));
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    const found = directory === "" ? undefined : canRun(resolve(directory, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

function canRun(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    return undefined;
  }
}
