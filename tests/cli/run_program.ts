/** Commands run in memory: what they print is text, what they ask of the world is a test's. */
import { runProgram } from "../../src/cli/program.ts";
import { type MemoryNetwork, MemoryRuntime } from "../support/memory/memory.ts";
import { layOut, type Tree } from "../config/memory_files.ts";
import { until } from "../support/idle.ts";

export interface World {
  readonly env?: Readonly<Record<string, string>>;
  readonly tree?: Tree;
  readonly cwd?: string;
  readonly network?: MemoryNetwork;
  /** One that another command runs in already. */
  readonly runtime?: MemoryRuntime;
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs until it is told to stop. */
export interface RunningCommand {
  readonly runtime: MemoryRuntime;
  readonly outcome: Promise<Outcome>;
}

/** Starts a command; `args` are words apart by spaces. */
export function startCommand(args: string, world: World = {}): RunningCommand {
  const { network, tree = {}, ...process } = world;
  const runtime = world.runtime ?? new MemoryRuntime({ process, ...(network && { network }) });
  layOut(runtime.files, tree);
  const words = args.split(" ").filter((word) => word !== "");
  const outcome = runProgram({ runtime }, words).then((status) => ({
    status,
    stdout: runtime.process.stdout.text,
    stderr: runtime.process.stderr.text,
  }));
  return { runtime, outcome };
}

/** Runs a command to its end. */
export function runCommand(args: string, world: World = {}): Promise<Outcome> {
  return startCommand(args, world).outcome;
}

export const turnUntil = until;

/** The lines of a log in JSON, in order. */
export function logLines({ runtime }: RunningCommand): Record<string, unknown>[] {
  return runtime.process.stderr.text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Resolves when the log has the message. */
export function untilLogged(command: RunningCommand, message: string): Promise<void> {
  return turnUntil(() => {
    // The logger gathers what belongs to one turn.
    command.runtime.clock.advance(0);
    return logLines(command).some((line) => line["msg"] === message);
  }, `the log line "${message}"`);
}
