/** A process in memory for tests: what it is told is set, what it says is collected. */
import type { Process, Signal } from "../../../src/runtime/process.ts";
import type { ProcessUsage } from "../../../src/runtime/process_usage.ts";
import type { TextSink } from "../../../src/runtime/text_sink.ts";

export interface MemoryProcessOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: Uint8Array;
  readonly isTerminal?: boolean;
  readonly descriptorLimit?: number;
}

/** What `exit` throws, since a test must go on. */
export class MemoryExit extends Error {
  override readonly name = "MemoryExit";
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`The process exits with ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Text that was written. */
export class MemorySink implements TextSink {
  readonly isTerminal: boolean;
  text = "";

  constructor(isTerminal = false) {
    this.isTerminal = isTerminal;
  }

  write(text: string): void {
    this.text += text;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}

/** A process that a test plays. */
export class MemoryProcess implements Process {
  readonly args: readonly string[];
  readonly pid = 1;
  readonly cpuCount = 1;
  readonly descriptorLimit: number | undefined;
  /** Descriptors that are free. */
  descriptorsFree = Infinity;
  readonly stdout: MemorySink;
  readonly stderr: MemorySink;
  readonly stdin: ReadableStream<Uint8Array>;
  readonly #env: Readonly<Record<string, string>>;
  readonly #cwd: string;
  readonly #signals = new Map<Signal, (() => void)[]>();
  readonly #decoder = new TextDecoder();

  constructor(options: MemoryProcessOptions = {}) {
    this.args = options.args ?? [];
    this.descriptorLimit = options.descriptorLimit;
    this.#env = options.env ?? {};
    this.#cwd = options.cwd ?? "/";
    this.stdout = new MemorySink(options.isTerminal);
    this.stderr = new MemorySink(options.isTerminal);
    this.stdin = new ReadableStream({
      start(controller) {
        if (options.stdin) controller.enqueue(options.stdin);
        controller.close();
      },
    });
  }

  hasDescriptors(count: number): boolean {
    return this.descriptorsFree >= count;
  }

  env(name: string): string | undefined {
    return this.#env[name];
  }

  allEnv(): Readonly<Record<string, string>> {
    return this.#env;
  }

  cwd(): string {
    return this.#cwd;
  }

  /** @throws {MemoryExit} */
  usage(): ProcessUsage {
    return { cpuS: 0, residentLength: 0, virtualLength: undefined, descriptors: undefined };
  }

  exit(code: number): never {
    throw new MemoryExit(code);
  }

  onSignal(signal: Signal, callback: () => void): void {
    this.#signals.set(signal, [...(this.#signals.get(signal) ?? []), callback]);
  }

  /** Sends ourselves a signal. */
  raise(signal: Signal): void {
    for (const callback of this.#signals.get(signal) ?? []) callback();
  }

  surviveExceptions(): void {}

  unblockOutput(): void {}

  async writeStdout(bytes: Uint8Array): Promise<void> {
    this.stdout.write(this.#decoder.decode(bytes, { stream: true }));
  }
}
