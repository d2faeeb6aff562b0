/**
 * afcgi as a service of systemd (`Type=notify` and `notify-reload`): says when it is ready, when it
 * reads its configuration again, when it stops, and, where a watchdog is asked for, that it lives.
 * Without `NOTIFY_SOCKET` nothing of this does anything.
 */
import type { Clock, TimerId } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";

export class Service {
  readonly #runtime: Pick<Runtime, "process" | "clock" | "serviceManager">;
  /** Undefined where nobody wants to hear. */
  readonly #socket: string | undefined;
  /** Whether somebody serves: without, the watchdog hears nothing. */
  readonly #isAlive: () => boolean;
  #timer: TimerId | undefined;

  constructor(
    runtime: Pick<Runtime, "process" | "clock" | "serviceManager">,
    isAlive: () => boolean = () => true,
  ) {
    this.#runtime = runtime;
    this.#isAlive = isAlive;
    this.#socket = runtime.process.env("NOTIFY_SOCKET") || undefined;
  }

  /** Everything is open; from now on the watchdog hears of us as well. */
  async ready(): Promise<void> {
    await this.#tell("READY=1\nSTATUS=Serving");
    if (this.#timer === undefined) this.#feedWatchdog();
  }

  async reloading(): Promise<void> {
    await this.#tell("RELOADING=1\nMONOTONIC_USEC=%now%\nSTATUS=Reading the configuration");
  }

  /** The reload is over, however it went. */
  async reloaded(isGood: boolean): Promise<void> {
    const status = isGood ? "Serving" : "Serving; the last reload failed";
    await this.#tell(`READY=1\nSTATUS=${status}`);
  }

  async stopping(): Promise<void> {
    await this.#tell("STOPPING=1\nSTATUS=Stopping");
  }

  /** Another process is the service from now on. */
  async handOver(pid: number): Promise<void> {
    await this.#tell(`MAINPID=${pid}`);
    this.close();
  }

  close(): void {
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
  }

  async #tell(text: string): Promise<void> {
    if (this.#socket === undefined) return;
    await this.#runtime.serviceManager?.notify(this.#socket, text);
  }

  /** Twice as often as it must: one late turn of the event loop is no death. */
  #feedWatchdog(): void {
    const intervalMs = watchdogMs(this.#runtime.process) / 2;
    if (this.#socket === undefined || !(intervalMs > 0)) return;
    const { clock }: { readonly clock: Clock } = this.#runtime;
    const feed = () => {
      if (this.#isAlive()) void this.#tell("WATCHDOG=1");
      this.#timer = clock.setTimer(feed, intervalMs);
    };
    feed();
  }
}

/** NaN where no watchdog is asked for, or that of another process. */
function watchdogMs(process: Runtime["process"]): number {
  const forPid = process.env("WATCHDOG_PID") || undefined;
  if (forPid !== undefined && Number(forPid) !== process.pid) return NaN;
  return Number(process.env("WATCHDOG_USEC") || "NaN") / 1000;
}
