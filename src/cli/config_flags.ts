/** The flags of {@link SETTINGS} on a command, and the configuration that they lead to. */
import { type Command, Option } from "commander";
import { loadConfig, type LoadedConfig } from "../config/load_config.ts";
import { type Flags, SETTINGS, variableName } from "../config/settings.ts";
import type { LogLevel } from "../observe/logger.ts";
import type { CommandArguments, CommandIo } from "./command.ts";

export function declareConfigFlags(command: Command): void {
  for (const setting of SETTINGS) {
    const { flags, description, repeatable } = setting;
    const option = new Option(flags, `${description} [${variableName(setting)}]`);
    if (repeatable) {
      option.argParser((text: string, before: string[] = []) => [...before, text]);
    }
    command.addOption(option);
  }
}

/**
 * What flags, environment and file say; `-q` and `-v` stand for a log level where none is given.
 * With `isServing` clients have their turns meanwhile.
 *
 * @throws {ConfigError}
 */
export async function loadFromArguments(
  io: CommandIo,
  args: CommandArguments,
  isServing = false,
): Promise<LoadedConfig> {
  const { process, files, clock } = io.runtime;
  const flags = args.options as Flags;
  const level = quietnessLevel(args);
  return await loadConfig(
    level === undefined ? flags : { logLevel: level, ...flags },
    {
      files,
      cwd: process.cwd(),
      readVariable: (name) => process.env(name),
      variableNames: Object.keys(process.allEnv()),
      showSecrets: args.options["showSecrets"] === true,
      ...(isServing && {
        betweenSteps: () => new Promise<void>((resolve) => void clock.setTimer(resolve, 0)),
      }),
    },
  );
}

export function quietnessLevel(args: CommandArguments): LogLevel | undefined {
  if (args.quiet) return "error";
  return args.verbose ? "debug" : undefined;
}
