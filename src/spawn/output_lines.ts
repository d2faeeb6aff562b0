/**
 * What one process of an application writes, told line by line. It knows its process, which is not the
 * one that its worker has by now: the last lines of a process come when the next one may run.
 */
import type { OutputSource } from "../runtime/spawner.ts";
import { StderrLines } from "../upstream/stderr_lines.ts";
import type { SpawnObserver } from "./deps.ts";

export class OutputLines {
  /** Undefined until it is started. */
  pid: number | undefined;
  readonly #lines: Readonly<Record<OutputSource, StderrLines>>;

  constructor(upstream: string, observer: Pick<SpawnObserver, "onLine" | "leavesOut">) {
    const linesOf = (source: OutputSource) =>
      new StderrLines(
        (line) => observer.onLine(upstream, this.pid, source, line),
        (...what) => observer.leavesOut?.(upstream, ...what) ?? false,
      );
    this.#lines = { stdout: linesOf("stdout"), stderr: linesOf("stderr") };
  }

  push(source: OutputSource, bytes: Uint8Array): void {
    this.#lines[source].push(bytes);
  }

  /** An unfinished line is a line, too: often it is the one that says why the process has ended. */
  end(source: OutputSource): void {
    this.#lines[source].end();
  }
}
