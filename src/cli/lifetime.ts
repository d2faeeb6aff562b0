/**
 * The end of a command that runs until it is told to stop, and every other signal that people send to
 * a server. The first SIGTERM or SIGINT stops it in peace: what is in flight finishes; so does
 * SIGQUIT, with which the images of php-fpm are stopped. A second one ends it at once, with status 1.
 * SIGHUP is handed on where somebody wants it (a reload), and so is SIGUSR2 (an upgrade); SIGUSR1
 * opens log files anew. What means something to
 * other servers only is told in the log and changes nothing, for most signals end a process that says
 * nothing about them.
 */
import type { Logger } from "../observe/logger.ts";
import type { Process, Signal } from "../runtime/process.ts";
import { errorText, ExitStatus } from "./command.ts";

/** What signals lead to, beside the end. */
export interface SignalHandlers {
  /** Resolves to whether there was something to do. */
  readonly onHangup?: () => Promise<boolean>;
  readonly reopenLogs?: () => void;
  /** SIGUSR2; resolves to whether another process has taken over, so that we stop. */
  readonly onUpgrade?: () => Promise<boolean>;
}

/** Listens for signals from its call on; resolves to the exit status. */
export function untilStopped(
  process: Process,
  logger: Logger,
  stop: (isTakenOver: boolean) => Promise<void>,
  { onHangup = () => Promise.resolve(false), reopenLogs = () => {}, onUpgrade }: SignalHandlers =
    {},
): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let stopping = false;
  const onSignal = (signal: Signal) => {
    if (stopping) {
      logger.warn("stopped at once", { signal });
      return resolve(ExitStatus.failed);
    }
    stopping = true;
    logger.info("signal received", { signal });
    end(false);
  };
  const end = (isTakenOver: boolean) => {
    stopping = true;
    stop(isTakenOver).then(
      () => resolve(ExitStatus.fine),
      (error) => {
        logger.error("could not stop", { error: errorText(error) });
        resolve(ExitStatus.failed);
      },
    );
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
    process.onSignal(signal, () => onSignal(signal));
  }
  const reopen = (signal: Signal) => {
    try {
      reopenLogs();
      logger.info("log files are open anew", { signal });
    } catch (error) {
      logger.error("cannot open a log file anew; the one before stays", {
        signal,
        error: errorText(error),
      });
    }
  };
  process.onSignal("SIGHUP", async () => {
    reopen("SIGHUP");
    if (stopping || await onHangup()) return;
    logger.warn("SIGHUP is ignored: there is nothing to read again", { signal: "SIGHUP" });
  });
  process.onSignal("SIGUSR1", () => reopen("SIGUSR1"));
  process.onSignal("SIGUSR2", async () => {
    if (onUpgrade === undefined || stopping) {
      const message = "SIGUSR2 is ignored: restart to run another executable";
      return logger.warn(message, { signal: "SIGUSR2" });
    }
    if (await onUpgrade() && !stopping) end(true);
  });
  // nginx's for "no more workers". Terminals send it whenever their window changes.
  process.onSignal("SIGWINCH", () => logger.debug("SIGWINCH is ignored", { signal: "SIGWINCH" }));
  return promise.finally(() => logger.flush());
}
