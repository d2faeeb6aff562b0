/**
 * Our own process: arguments, environment, signals, standard streams. Processes that we start are in
 * `spawning.ts`.
 */
import type { ProcessUsage } from "./process_usage.ts";
import type { TextSink } from "./text_sink.ts";

export type Signal =
  | "SIGTERM"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGHUP"
  | "SIGUSR1"
  | "SIGUSR2"
  | "SIGWINCH";

export interface Process {
  /** Arguments behind the program's name. */
  readonly args: readonly string[];
  readonly pid: number;
  readonly cpuCount: number;
  /** How many descriptors may be open; undefined where nobody knows. */
  readonly descriptorLimit: number | undefined;
  /** Whether so many more could be opened now; yes, where nobody knows. */
  hasDescriptors(count: number): boolean;
  env(name: string): string | undefined;
  /** Every variable, for programs that we start. */
  allEnv(): Readonly<Record<string, string>>;
  cwd(): string;
  /** What it takes of the machine now. */
  usage(): ProcessUsage;
  exit(code: number): never;
  onSignal(signal: Signal, callback: () => void): void;
  /**
   * From now on what nobody catches, in a timer or a promise, comes to `reportUnexpected` instead of
   * ending the process: one request of a kind must not end all others.
   */
  surviveExceptions(): void;
  readonly stdout: TextSink & { readonly isTerminal: boolean };
  readonly stderr: TextSink & { readonly isTerminal: boolean };
  /** From here on, standard output and error never make the program wait; they may lose lines. */
  unblockOutput(): void;
  /** Writes bytes to standard output and waits until they are taken. */
  writeStdout(bytes: Uint8Array): Promise<void>;
  readonly stdin: ReadableStream<Uint8Array>;
}
