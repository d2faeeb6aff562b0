/**
 * What a measurement starts, and its end: programs in process groups of their own, and one
 * directory for all their files. Whatever way the benchmark ends, nothing stays: {@link Scope.stop}
 * is for the good one, the handlers that `Child` and `temporaryDirectory` leave for the process's
 * exit for the others.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child } from "../tests/support/child.ts";
import { PEER_PATH } from "../tests/support/peers.ts";
import { temporaryDirectory } from "../tests/support/places.ts";

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stopSignal?: NodeJS.Signals;
  /** A file for its output, which else is kept line by line. */
  readonly output?: string;
}

interface Started {
  readonly child: Child;
  readonly stopSignal: NodeJS.Signals;
}

export class Scope {
  readonly directory = temporaryDirectory();
  readonly #started: Started[] = [];
  #directories = 0;
  #ended = false;

  /** It has been stopped, or is being stopped: nothing starts any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** A new directory below ours. */
  newDirectory(name: string): string {
    const directory = join(this.directory, `${name}-${++this.#directories}`);
    mkdirSync(directory);
    return directory;
  }

  start(program: string, args: readonly string[], options: StartOptions = {}): Child {
    if (this.#ended) throw new Error(`Cannot start ${program}: the measurement has ended`);
    const { env = {}, stopSignal = "SIGTERM", output } = options;
    const [command, ...rest] = output === undefined
      ? [program, ...args]
      : ["sh", "-c", 'file=$1; shift; exec "$@" >"$file"', "sh", output, program, ...args];
    // Temporary files of the servers go where they are removed with the rest.
    const all = { PATH: PEER_PATH, TMPDIR: this.directory, ...env };
    const child = new Child(command!, rest, { env: all, group: true, cwd: this.directory });
    this.#started.push({ child, stopSignal });
    return child;
  }

  /** Runs a program to its good end. @throws when it ends otherwise */
  async run(program: string, args: readonly string[], options: StartOptions = {}): Promise<Child> {
    const child = this.start(program, args, options);
    const { code } = await child.exited;
    this.#forget(child);
    if (code === 0) return child;
    const output = [...child.stdout.lines, ...child.stderr.lines].slice(-20).join("\n");
    throw new Error(`Cannot go on: ${program} ended with status ${code}\n${output}`);
  }

  async stopOne(child: Child): Promise<void> {
    const started = this.#forget(child);
    if (started === undefined) return;
    await child.stop(started.stopSignal);
    // What the program left of its group.
    child.kill("SIGKILL");
  }

  /** Stops what was started last first. */
  async stop(): Promise<void> {
    this.#ended = true;
    for (let last = this.#started.at(-1); last !== undefined; last = this.#started.at(-1)) {
      await this.stopOne(last.child);
    }
  }

  #forget(child: Child): Started | undefined {
    const index = this.#started.findIndex((one) => one.child === child);
    return index < 0 ? undefined : this.#started.splice(index, 1)[0];
  }
}

/** A file of the benchmark, by its path below `bench/`. */
export function benchFile(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
