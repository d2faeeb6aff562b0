/**
 * Our own process by way of `node:process`, which both runtimes have. Standard output and error are
 * written through their descriptors: the runtimes' own streams may drop text when the process exits.
 */
import { ttyModule } from "./lazy_modules.ts";
import { descriptorLimit, hasDescriptors } from "./node_descriptors.ts";
import { read } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { DescriptorSink, type WriteSync } from "./descriptor_sink.ts";
import { listenForSignal } from "./early_signals.ts";
import { errorCode } from "./failures.ts";
import type { Process } from "./process.ts";
import { processUsage } from "./process_usage.ts";
import { reportUnexpected } from "./unexpected.ts";

const STANDARD_INPUT = 0;
const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;
const STDIN_PIECE_LENGTH = 64 * 1024;
const STDIN_RETRY_MS = 10;

/** The system and processor, such as `linux-x64`. */
export function nodePlatform(): string {
  return `${process.platform}-${process.arch}`;
}

/** Our own process; call it once. `openSocketWrite` as {@link DescriptorSink.unblock} has it. */
export function createNodeProcess(openSocketWrite?: () => WriteSync | undefined): Process {
  const stdout = new TerminalSink(STANDARD_OUTPUT, "standard output");
  const stderr = new TerminalSink(STANDARD_ERROR, "standard error");
  let stdin: ReadableStream<Uint8Array> | undefined;
  return {
    args: process.argv.slice(2),
    pid: process.pid,
    cpuCount: availableParallelism(),
    descriptorLimit: descriptorLimit(),
    hasDescriptors,
    env: (name) => process.env[name],
    allEnv: () => ({ ...process.env }) as Record<string, string>,
    cwd: () => process.cwd(),
    usage: processUsage,
    exit(code) {
      stdout.flushAtExit();
      stderr.flushAtExit();
      process.exit(code);
    },
    unblockOutput() {
      stdout.unblock(openSocketWrite);
      stderr.unblock(openSocketWrite);
    },
    onSignal: listenForSignal,
    surviveExceptions() {
      process.on("uncaughtException", (error) => reportUnexpected(error, "a callback"));
      process.on("unhandledRejection", (error) => reportUnexpected(error, "a promise"));
    },
    stdout,
    stderr,
    async writeStdout(bytes) {
      // The sink keeps the bytes where it cannot write them at once; the caller may reuse his.
      stdout.writeBytes(bytes.slice());
      await stdout.drained();
    },
    get stdin() {
      return stdin ??= standardInput();
    },
  };
}

class TerminalSink extends DescriptorSink {
  readonly #descriptor: number;

  constructor(descriptor: number, name: string) {
    super(descriptor, name);
    this.#descriptor = descriptor;
  }

  get isTerminal(): boolean {
    return ttyModule().isatty(this.#descriptor);
  }
}

function standardInput(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const bytes = await readStandardInput();
      if (bytes.length === 0) controller.close();
      else controller.enqueue(bytes);
    },
  }, { highWaterMark: 0 });
}

function readStandardInput(): Promise<Uint8Array> {
  const bytes = new Uint8Array(STDIN_PIECE_LENGTH);
  return new Promise((resolve, reject) => {
    const tryRead = () => {
      read(STANDARD_INPUT, bytes, 0, bytes.length, null, (error, count) => {
        if (error === null) resolve(bytes.subarray(0, count));
        else if (errorCode(error) === "EAGAIN") setTimeout(tryRead, STDIN_RETRY_MS);
        else reject(error);
      });
    };
    tryRead();
  });
}
