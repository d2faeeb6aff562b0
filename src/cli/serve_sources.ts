/**
 * What `afcgi serve` runs on: flags, environment and file, read and looked at. The same function reads
 * it at the start and for a reload, so that both refuse the same.
 */
import { anyFileRuns } from "../app/any_file_runs.ts";
import { missingPrograms } from "../app/preflight.ts";
import { ConfigError } from "../config/located_error.ts";
import type { LoadedConfig } from "../config/load_config.ts";
import { checkTls } from "./certificates.ts";
import { type CommandArguments, CommandError, type CommandIo } from "./command.ts";
import { loadFromArguments } from "./config_flags.ts";

/** A note for the log, with its code where it has one. */
export interface SourceNote {
  readonly text: string;
  readonly code?: string;
}

export interface ServeSources extends LoadedConfig {
  readonly allNotes: readonly SourceNote[];
}

/**
 * @throws {ConfigError} with every error of the configuration
 * @throws {CommandError} when a program that is to be started is not there
 */
export async function readServeSources(
  io: CommandIo,
  args: CommandArguments,
  isServing = false,
): Promise<ServeSources> {
  const { runtime } = io;
  const loaded = await loadFromArguments(io, args, isServing);
  const { options, file, notes, tls } = loaded;
  const allNotes: readonly SourceNote[] = [
    ...notes.map((text) => ({ text })),
    ...anyFileRuns(options.sites).map((text) => ({ text, code: "php_runs_any_file" })),
  ];
  const { errors } = await checkTls(tls, file ?? "flags", runtime);
  if (errors.length > 0) throw new ConfigError(errors);
  const missing = await missingPrograms(options, runtime, file === undefined);
  if (missing.errors.length > 0) throw new CommandError(missing.errors.join("\nafcgi: "));
  return { ...loaded, allNotes };
}

/** A descriptor that a shell has handed over can be read once. */
const HANDED_OVER = /^\/(?:dev\/(?:stdin|fd\/\d+)|proc\/self\/fd\/\d+)$/;

/** Reads all of it again. @throws as {@link readServeSources} */
export async function readServeSourcesAgain(
  io: CommandIo,
  args: CommandArguments,
  file: string | undefined,
): Promise<ServeSources> {
  if (file !== undefined && HANDED_OVER.test(file)) {
    throw new CommandError(`Cannot read "${file}" twice (name a file with --config)`);
  }
  return await readServeSources(io, args, true);
}
