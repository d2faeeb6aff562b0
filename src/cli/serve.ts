/** `afcgi serve`: the proxy, from a config file or from flags alone. */
import { type RunningApp, startApp } from "../app/app.ts";
import { anyFileRuns } from "../app/any_file_runs.ts";
import type { AppOptions } from "../app/options.ts";
import { missingPrograms } from "../app/preflight.ts";
import { Logger } from "../observe/logger.ts";
import { formatAddress } from "../runtime/address.ts";
import type { TextSink } from "../runtime/text_sink.ts";
import {
  type CommandArguments,
  type CommandDefinition,
  CommandError,
  type CommandIo,
  errorText,
  ExitStatus,
} from "./command.ts";
import { ConfigError } from "../config/located_error.ts";
import { checkPairs } from "./certificates.ts";
import { declareConfigFlags, loadFromArguments } from "./config_flags.ts";
import { untilStopped } from "./lifetime.ts";
import { PROGRAM_VERSION } from "./program_version.ts";

export const serveCommand: CommandDefinition = {
  name: "serve",
  summary: "serve HTTP, from a configuration file or from flags alone",
  declare: declareConfigFlags,
  run: serve,
};

async function serve(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const { options, file, preset, notes, pairs } = await loadFromArguments(io, args);
  runtime.process.unblockOutput();
  const logger = new Logger({
    sink: runtime.process.stderr,
    clock: runtime.clock,
    level: options.log.level,
    format: options.log.format,
  });
  for (const note of notes) logger.warn(note);
  for (const note of anyFileRuns(options.sites)) {
    logger.warn(note, { code: "php_runs_any_file" });
  }
  logger.debug("configuration read", { file });
  if (runtime.spawner.isRoot && options.user === undefined) {
    logger.warn("afcgi runs as root (name a user with user, or --user)", { code: "runs_as_root" });
  }
  if (preset !== undefined) {
    const { name, reason } = preset;
    logger.info("routes are those of a preset", { preset: name, reason });
  }
  const { errors } = await checkPairs(pairs, file ?? "flags", runtime);
  if (errors.length > 0) throw new ConfigError(errors);
  const missing = await missingPrograms(options, runtime, file === undefined);
  if (missing.errors.length > 0) throw new CommandError(missing.errors.join("\nafcgi: "));
  const accessSink = await openAccessLog(io, options.log.access);
  runtime.process.surviveExceptions();
  const app = await startApp(options, {
    runtime,
    logger,
    version: PROGRAM_VERSION,
    ...(accessSink === undefined ? {} : { accessSink }),
  });
  // Before the lines that scripts wait for: they may send a signal right after.
  const stopped = untilStopped(
    runtime.process,
    logger,
    () => app.stop(),
    { onHangup: () => app.replaceWorkers(), reopenLogs: () => accessSink?.reopen?.() },
  );
  logListeners(logger, app, options);
  const status = await stopped;
  // A second signal has cut the stop short: nothing that was spawned may stay.
  if (status !== ExitStatus.fine) app.destroy();
  await accessSink?.flush();
  return status;
}

async function openAccessLog(io: CommandIo, target: string): Promise<TextSink | undefined> {
  const { process, files } = io.runtime;
  if (target === "off") return undefined;
  if (target === "-") return process.stdout;
  try {
    return await files.appendStream(target);
  } catch (error) {
    throw new CommandError(`Cannot open access log "${target}": ${errorText(error)}`);
  }
}

/** A line for each listener, so that a script can wait for it; the admin's is the last. */
function logListeners(logger: Logger, app: RunningApp, options: AppOptions): void {
  app.addresses.forEach((address, index) => {
    const scheme = options.listen[index]?.tls === undefined ? "http" : "https";
    logger.info("listening", { address: formatAddress(address), scheme });
  });
  for (const address of app.geminiAddresses) {
    logger.info("listening", { address: formatAddress(address), scheme: "gemini" });
  }
  if (app.adminAddress === undefined) return;
  logger.info("listening", {
    address: formatAddress(app.adminAddress),
    scheme: "http",
    for: "admin",
  });
}
