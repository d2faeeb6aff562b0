/** `afcgi serve`: the proxy, from a config file or from flags alone. */
import { type RunningApp, startApp } from "../app/app.ts";
import { ConfigWatch } from "../app/config_watch.ts";
import { resolvePath } from "../config/paths.ts";
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
import { declareConfigFlags } from "./config_flags.ts";
import { createThreads } from "../threads/create_threads.ts";
import { LoneThread } from "../threads/lone_thread.ts";
import { untilStopped } from "./lifetime.ts";
import { PROGRAM_VERSION } from "./program_version.ts";
import { readServeSources, readServeSourcesAgain } from "./serve_sources.ts";
import { Service } from "./service.ts";
import { sayThatWeServe, Upgrade } from "./upgrade.ts";

export const serveCommand: CommandDefinition = {
  declare: (command) => {
    declareConfigFlags(command);
    command.option("--watch", "reload when the configuration file changes [AFCGI_WATCH]");
  },
  run: serve,
};

async function serve(io: CommandIo, args: CommandArguments): Promise<number> {
  const { runtime } = io;
  const { options, file, preset, allNotes } = await readServeSources(io, args);
  runtime.process.unblockOutput();
  const logger = new Logger({
    sink: runtime.process.stderr,
    clock: runtime.clock,
    level: options.log.level,
    format: options.log.format,
  });
  for (const { text, code } of allNotes) logger.warn(text, { code });
  logger.debug("configuration read", { file });
  if (runtime.spawner.isRoot && options.user === undefined) {
    logger.warn("afcgi runs as root (name a user with user, or --user)", { code: "runs_as_root" });
  }
  if (preset !== undefined) {
    const { name, reason } = preset;
    logger.info("routes are those of a preset", { preset: name, reason });
  }
  runtime.process.surviveExceptions();
  const load = async () => {
    const again = await readServeSourcesAgain(io, args, file);
    return { options: again.options, notes: again.allNotes.map(({ text }) => text) };
  };
  const threads = await createThreads(options, { runtime, logger, version: PROGRAM_VERSION });
  const service = new Service(runtime, () => threads?.isServing ?? true);
  const lone = threads === undefined ? new LoneThread(runtime.clock) : undefined;
  const app = await startApp(options, {
    runtime: threads?.runtime ?? runtime,
    logger,
    version: PROGRAM_VERSION,
    ...(threads && { share: threads.share, followers: threads, limited: threads.limited }),
    ...(lone && { reports: lone }),
    openAccessLog: (target) => openAccessLog(io, target),
    load,
    onReload: (result) => result === undefined ? service.reloading() : service.reloaded(result.ok),
  });
  const upgrade = new Upgrade({
    runtime,
    logger,
    app,
    graceMs: () => app.options.shutdownGraceMs,
    onTakenOver: (pid) => service.handOver(pid),
  });
  const watch = startWatch(io, args, file, (cause) => app.reload(cause));
  // Before the lines that scripts wait for: they may send a signal right after.
  const stopped = untilStopped(
    runtime.process,
    logger,
    async (isTakenOver) => {
      watch?.stop();
      if (!isTakenOver) await service.stopping();
      await app.stop(isTakenOver);
    },
    {
      onHangup: () => hangUp(app),
      reopenLogs: () => app.reopenLogs(),
      onUpgrade: () => upgrade.begin(),
    },
  );
  logListeners(logger, app);
  await service.ready();
  sayThatWeServe(runtime);
  const status = await stopped;
  service.close();
  lone?.close();
  // A second signal has cut the stop short: nothing that was spawned may stay.
  if (status !== ExitStatus.fine) app.destroy();
  return status;
}

/** Undefined where nobody asks for it, or flags are the whole configuration. */
function startWatch(
  { runtime: { clock, files, process } }: CommandIo,
  { options }: CommandArguments,
  file: string | undefined,
  reload: (cause: string) => Promise<unknown>,
): ConfigWatch | undefined {
  const variable = process.env("AFCGI_WATCH") ?? "";
  if (options["watch"] !== true && !/^(1|true|yes|on)$/i.test(variable)) return undefined;
  if (file === undefined) return undefined;
  const path = resolvePath(process.cwd(), file);
  return new ConfigWatch({ clock, files, path, onChange: () => void reload("watch") });
}

/** A reload; where it has gone well, spawned applications get new workers as well. */
async function hangUp(app: RunningApp): Promise<boolean> {
  const { ok } = await app.reload("SIGHUP");
  if (ok) await app.replaceWorkers();
  return true;
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
function logListeners(logger: Logger, app: RunningApp): void {
  app.addresses.forEach((address, index) => {
    logger.info("listening", { address: formatAddress(address), scheme: app.schemes[index] });
  });
  for (const address of app.geminiAddresses) {
    logger.info("listening", { address: formatAddress(address), scheme: "gemini" });
  }
  const others = [["health", app.healthAddress], ["admin", app.adminAddress]] as const;
  for (const [kind, address] of others) {
    if (address === undefined) continue;
    logger.info("listening", { address: formatAddress(address), scheme: "http", for: kind });
  }
}
