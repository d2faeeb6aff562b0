/**
 * The end of a command that runs until it is told to stop. The first SIGTERM or SIGINT stops it in
 * peace: what is in flight finishes; so does SIGQUIT, with which the images of php-fpm are stopped. A
 * second one ends it at once, with status 1. SIGHUP, which would end a process that says nothing about
 * it, is handed on where somebody wants it, else refused in the log.
 */
import type { Logger } from "../observe/logger.ts";
import type { Process, Signal } from "../runtime/runtime.ts";
import { errorText, ExitStatus } from "./command.ts";

/** Listens for signals from its call on; resolves to the exit status. */
export function untilStopped(
  process: Process,
  logger: Logger,
  stop: () => Promise<void>,
  onHangup: () => Promise<boolean> = () => Promise.resolve(false),
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
    stop().then(
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
  process.onSignal("SIGHUP", async () => {
    if (await onHangup()) return;
    logger.warn("SIGHUP is ignored: restart to read the configuration again", { signal: "SIGHUP" });
  });
  return promise.finally(() => logger.flush());
}
