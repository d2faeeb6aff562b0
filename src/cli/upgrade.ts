/**
 * Another version in our place (SIGUSR2): the executable at our path is started anew on the same
 * sockets; when it serves, we finish what we have and end. Until then, and if it never serves, we go
 * on as if nothing had happened.
 */
import type { RunningApp } from "../app/app.ts";
import { LISTENERS_VARIABLE } from "../app/inherited_sockets.ts";
import type { Logger } from "../observe/logger.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { FIRST_FREE_DESCRIPTOR, type Successor } from "../runtime/spawner.ts";
import { errorText } from "./command.ts";

/** Names the descriptor on which the new process says that it serves. */
export const READY_VARIABLE = "AFCGI_READY_FD";

export interface UpgradeDeps {
  readonly runtime: Pick<Runtime, "process" | "spawner" | "clock">;
  readonly logger: Logger;
  readonly app: Pick<RunningApp, "sockets" | "stop">;
  /** How long the new process may take. */
  readonly graceMs: () => number;
  /** The new process serves; called before we stop. */
  readonly onTakenOver: (pid: number) => Promise<void>;
}

/** As process 1 our end is everybody's. */
const INIT_PID = 1;

export class Upgrade {
  readonly #deps: UpgradeDeps;
  #isUnderWay = false;

  constructor(deps: UpgradeDeps) {
    this.#deps = deps;
  }

  /** Resolves to whether another process serves now; then we are to stop. */
  async begin(): Promise<boolean> {
    const { logger } = this.#deps;
    const why = this.#isUnderWay ? "one is under way already" : this.#whyNot();
    if (why !== undefined) {
      logger.warn(`Cannot upgrade: ${why}`, { signal: "SIGUSR2", code: "upgrade_failed" });
      return false;
    }
    this.#isUnderWay = true;
    try {
      return await this.#handOver(this.#deps.app.sockets()!);
    } catch (error) {
      logger.error(`Cannot upgrade: ${errorText(error)}`, { code: "upgrade_failed" });
      return false;
    } finally {
      this.#isUnderWay = false;
    }
  }

  #whyNot(): string | undefined {
    const { runtime: { process }, app } = this.#deps;
    if (process.pid === INIT_PID) {
      return "we are process 1, with which everything would end (replace the container)";
    }
    if (app.sockets() !== undefined) return undefined;
    return "sockets cannot be handed over on this runtime (use the executable)";
  }

  async #handOver(sockets: ReadonlyMap<string, number>): Promise<boolean> {
    const { runtime: { spawner }, logger, graceMs, onTakenOver } = this.#deps;
    const keys = [...sockets.keys()];
    const listeners = keys.map((key, index) => [key, FIRST_FREE_DESCRIPTOR + index]);
    const successor = await spawner.startSuccessor({
      env: {
        [LISTENERS_VARIABLE]: JSON.stringify(Object.fromEntries(listeners)),
        LISTEN_PID: undefined,
        LISTEN_FDS: undefined,
        LISTEN_FDNAMES: undefined,
        WATCHDOG_PID: undefined,
      },
      descriptors: [...sockets.values()],
      readyVariable: READY_VARIABLE,
    });
    const { pid } = successor;
    logger.info("upgrading: a new process starts", { pid, signal: "SIGUSR2" });
    const isReady = await this.#within(successor, graceMs());
    successor.release();
    if (!isReady) {
      successor.kill();
      logger.error("Cannot upgrade: the new process did not get ready; this one goes on", {
        pid,
        code: "upgrade_failed",
      });
      return false;
    }
    await onTakenOver(pid);
    logger.info("upgraded: the new process serves, this one ends", { pid, code: "upgraded" });
    return true;
  }

  async #within({ ready }: Successor, limitMs: number): Promise<boolean> {
    const { clock } = this.#deps.runtime;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = clock.setTimer(() => resolve(false), limitMs);
    const isReady = await Promise.race([ready, promise]);
    clock.clearTimer(timer);
    return isReady;
  }
}

/** As the new process: says that we serve, to who started us for that. */
export function sayThatWeServe({ process, spawner }: Pick<Runtime, "process" | "spawner">): void {
  const descriptor = Number(process.env(READY_VARIABLE) || "NaN");
  if (Number.isSafeInteger(descriptor)) spawner.sayReady(descriptor);
}
