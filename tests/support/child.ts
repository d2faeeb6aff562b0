/**
 * Programs that a test starts: their output as lines that can be waited for, and an end that is
 * always reached. Whatever still runs when the test process ends is killed, by its own handle.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { atExit } from "./at_exit.ts";

const LINE_WAIT_MS = 20_000;
const STOP_WAIT_MS = 20_000;

/** How a program ended: a status, or the signal that ended it. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface ChildOptions {
  /** Added to ours; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** For a program that leaves its own children behind: signals go to all of them. */
  readonly group?: boolean;
}

const running = new Set<Child>();
atExit(() => {
  for (const child of running) child.kill("SIGKILL");
});

/** Lines of one output stream, those so far and those to come. */
export class ChildLines {
  readonly lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #ended = false;

  constructor(stream: Readable) {
    const reader = createInterface({ input: stream });
    reader.on("line", (line) => {
      this.lines.push(line);
      this.#wake();
    });
    reader.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** The first line, from `start` on, that `matches`; rejects when none comes. */
  async waitFor(matches: (line: string) => boolean, start = 0): Promise<string> {
    const deadline = performance.now() + LINE_WAIT_MS;
    for (let index = start;; index++) {
      while (index >= this.lines.length) {
        const left = deadline - performance.now();
        if (this.#ended || left <= 0) throw this.#notSeen(start);
        await this.#nextLine(left);
      }
      const line = this.lines[index]!;
      if (matches(line)) return line;
    }
  }

  #nextLine(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  #notSeen(start: number): Error {
    const reason = this.#ended ? "the output has ended" : `${LINE_WAIT_MS} ms are over`;
    const seen = this.lines.slice(start).join("\n");
    return new Error(`Cannot find the line waited for: ${reason}. Lines seen:\n${seen}`);
  }
}

/** A running program. */
export class Child {
  readonly pid: number;
  readonly stdout: ChildLines;
  readonly stderr: ChildLines;
  readonly exited: Promise<ChildExit>;
  readonly #group: boolean;

  constructor(program: string, args: readonly string[], options: ChildOptions = {}) {
    const child = spawn(program, [...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: options.group ?? false,
    });
    this.#group = options.group ?? false;
    running.add(this);
    this.pid = child.pid ?? 0;
    this.stdout = new ChildLines(child.stdout!);
    this.stderr = new ChildLines(child.stderr!);
    this.exited = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        running.delete(this);
        resolve({ code, signal });
      });
    });
    this.exited.catch(() => running.delete(this));
  }

  /** Not by `ChildProcess.kill`: on Deno that is told as the end, whatever the program did. */
  kill(signal: NodeJS.Signals): void {
    if (!this.#group && !running.has(this)) return; // The number may be somebody else's by now.
    try {
      process.kill(this.#group ? -this.pid : this.pid, signal);
    } catch {
      // It has just ended, or the last of its group has.
    }
  }

  /** Asks the program to end and resolves when it has; kills it when it does not. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<ChildExit> {
    this.kill(signal);
    const timer = setTimeout(() => this.kill("SIGKILL"), STOP_WAIT_MS);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }
}
