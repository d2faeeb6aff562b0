/**
 * Arguments → command → exit status. Everything that goes wrong ends up here as one line: wrong
 * usage and errors of the configuration with status 2, failures with status 1.
 */
import { Command, CommanderError, Option } from "commander";
import { ConfigError } from "../config/located_error.ts";
import { raisedRights } from "../runtime/raised_rights.ts";
import { type CommandIo, errorText, ExitStatus, printError, UsageError } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { versionLine } from "./version.ts";

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
  // Only what is named can run; the list of all shows what each takes.
  const isOneNamed = COMMANDS.some(({ name }) => args.includes(name));
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).summary(summary).description(summary);
    if (isOneNamed && !args.includes(name)) continue;
    const { declare, run } = await load();
    declare(command);
    command
      .addOption(new Option("-q, --quiet", "print less").conflicts("verbose"))
      .option("-v, --verbose", "print more")
      .action(async () => {
        const { quiet = false, verbose = false, ...options } = command.opts();
        status = await run(io, { positional: command.args, options, quiet, verbose });
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
