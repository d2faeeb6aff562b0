/**
 * Arguments → command → exit status. Everything that goes wrong ends up here as one line: wrong
 * usage and errors of the configuration with status 2, failures with status 1.
 */
import { Command, CommanderError, Option } from "commander";
import { ConfigError } from "../config/located_error.ts";
import { checkCommand } from "./check.ts";
import {
  type CommandDefinition,
  type CommandIo,
  errorText,
  ExitStatus,
  printError,
  UsageError,
} from "./command.ts";
import { demoCommand } from "./demo.ts";
import { explainCommand } from "./explain.ts";
import { hashPasswordCommand } from "./hash_password.ts";
import { importCommand } from "./import.ts";
import { pingCommand } from "./ping.ts";
import { probeCommand } from "./probe.ts";
import { raisedRights } from "../runtime/raised_rights.ts";
import { reloadCommand } from "./reload.ts";
import { requestCommand } from "./request.ts";
import { responderCommand } from "./responder.ts";
import { schemaCommand } from "./schema.ts";
import { serveCommand } from "./serve.ts";
import { trustCommand } from "./trust.ts";
import { versionCommand, versionLine } from "./version.ts";

export const COMMANDS: readonly CommandDefinition[] = [
  serveCommand,
  demoCommand,
  responderCommand,
  probeCommand,
  requestCommand,
  explainCommand,
  checkCommand,
  importCommand,
  hashPasswordCommand,
  schemaCommand,
  trustCommand,
  pingCommand,
  reloadCommand,
  versionCommand,
];

export async function runProgram(io: CommandIo, args: readonly string[]): Promise<number> {
  const raised = raisedRights(await processStatus(io));
  if (raised !== undefined) {
    printError(
      io,
      `afcgi: Cannot run: ${raised}, which anybody who starts it could use for anything ` +
        "(take them off; use AmbientCapabilities of systemd, or start as root with --user)",
    );
    return ExitStatus.failed;
  }
  let status: number = ExitStatus.usage;
  const program = emptyProgram(io);
  for (const definition of COMMANDS) {
    const command = program.command(definition.name).summary(definition.summary)
      .description(definition.summary);
    definition.declare(command);
    command
      .addOption(new Option("-q, --quiet", "print less").conflicts("verbose"))
      .option("-v, --verbose", "print more")
      .action(async () => {
        const { quiet = false, verbose = false, ...options } = command.opts();
        status = await definition.run(io, { positional: command.args, options, quiet, verbose });
      });
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return status;
  } catch (error) {
    return tellError(io, error, args.includes("-v") || args.includes("--verbose"));
  }
}

/** Empty where the system does not tell. */
async function processStatus({ runtime }: CommandIo): Promise<string> {
  return await runtime.files.readText("/proc/self/status").catch(() => "");
}

function emptyProgram(io: CommandIo): Command {
  const { stdout, stderr } = io.runtime.process;
  return new Command("afcgi")
    .description("Serve HTTP by forwarding requests to FastCGI applications")
    .version(versionLine(io.runtime))
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(usageLine(text)),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
}

/** commander's words on one line, with where to look when it has no better word. */
function usageLine(text: string): string {
  const line = text.trim().replace(/^error: /, "").replace(/\.$/, "").replaceAll(/\s*\n\s*/g, " ");
  const isHelped = /\(Did you mean/.test(line);
  return `afcgi: ${line}${isHelped ? "" : ' (see "afcgi --help")'}\n`;
}

function tellError(io: CommandIo, error: unknown, verbose: boolean): number {
  if (error instanceof CommanderError) {
    // Help and version have been printed, and so has what was wrong.
    return error.exitCode === 0 ? ExitStatus.fine : ExitStatus.usage;
  }
  if (error instanceof ConfigError) {
    printError(io, error.message);
    return ExitStatus.usage;
  }
  printError(io, `afcgi: ${errorText(error)}`);
  if (verbose && error instanceof Error && error.stack) printError(io, error.stack);
  return error instanceof UsageError ? ExitStatus.usage : ExitStatus.failed;
}
