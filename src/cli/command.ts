/**
 * What a command is: its flags, and a function from arguments to an exit status. A command
 * reads no `argv` and never exits; all that it touches of the world comes in as {@link CommandIo}.
 */
import type { Command } from "commander";
import type { Runtime } from "../runtime/runtime.ts";

/** Exit statuses (docs/configuration.md). */
export const ExitStatus = { fine: 0, failed: 1, usage: 2 } as const;

export interface CommandIo {
  readonly runtime: Runtime;
}

export interface CommandArguments {
  /** Those without a flag, in order. */
  readonly positional: readonly string[];
  /** By the flag's name in camel case. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

export type RunCommand = (io: CommandIo, args: CommandArguments) => Promise<number>;

/** A command, once it is loaded; what it is called stands in `commands.ts`. */
export interface CommandDefinition {
  /** Adds its arguments and flags. */
  readonly declare: (command: Command) => void;
  readonly run: RunCommand;
}

/** A flag or argument that cannot be used: exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A command that failed for a reason that its one line tells: exit status 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

export function print(io: CommandIo, line: string): void {
  io.runtime.process.stdout.write(`${line}\n`);
}

export function printError(io: CommandIo, line: string): void {
  io.runtime.process.stderr.write(`${line}\n`);
}

/** What an unknown thrown value says. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
