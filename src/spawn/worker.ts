/**
 * One process of an application, started again whenever it ends, on the same socket.
 *
 *            ┌───────── its time is over, ended ────────┐
 *            ▼                                          │
 *        waiting ──────► starting ──────► listening ────┘
 *            │               │                │
 *            └──── stop() ───┴─── stop() ─────┴──► draining ──► stopped
 *
 * | state     | what holds                               | requests       |
 * | --------- | ---------------------------------------- | -------------- |
 * | starting  | the process is there, its socket may not | wait           |
 * | listening | somebody takes connections               | come           |
 * | waiting   | no process; the back-off's time runs     | wait           |
 * | draining  | the process was told to end              | go elsewhere   |
 * | stopped   | no process, and none of its group        | go elsewhere   |
 *
 * A socket on descriptor 0 is there before the process: its connections wait in the system's queue
 * while nobody runs, and the next process takes them. It does not know other workers, nor upstreams.
 */
import type { UnixAddress } from "../runtime/address.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ProcessEnd, SpawnedProcess, StopSignal } from "../runtime/spawner.ts";
import { errorText } from "../upstream/errors.ts";
import { BackOff } from "./back_off.ts";
import type { SpawnOptions } from "./options.ts";
import { reportIfOurs } from "../runtime/unexpected.ts";

export type WorkerState = "starting" | "listening" | "waiting" | "draining" | "stopped";

/** From one look whether it listens to the next. */
export const LISTENING_POLL_MS = 25;

export interface WorkerDeps {
  readonly runtime: Pick<Runtime, "clock" | "connect">;
  readonly options: Pick<SpawnOptions, "restart" | "startTimeoutMs" | "stopTimeoutMs">;
  readonly address: UnixAddress;
  /** Whether the socket is there before the process. */
  readonly inherits: boolean;
  readonly stopSignal: StopSignal;
  /** @throws {SpawnError} */
  readonly start: () => Promise<SpawnedProcess>;
  readonly onState: (worker: Worker) => void;
  /** Requests that its server has counted, in this run and maybe before. */
  readonly requestsBegun: () => number;
  /** It ended without having been told to, or could not be started; `isGood`: as it should. */
  readonly onEnded: (worker: Worker, reason: string, restartMs: number, isGood: boolean) => void;
}

export class Worker {
  readonly address: UnixAddress;
  readonly #deps: WorkerDeps;
  readonly #backOff: BackOff;
  readonly #clock: Clock;
  #state: WorkerState = "waiting";
  #process: SpawnedProcess | undefined;
  #restarts = 0;
  /** What the server had counted when this run began, and when the last one ended. */
  #begunBefore = 0;
  #begunAtEnd = Infinity;
  /** Requests of the run before this one. */
  #begunInLast = 0;
  #isEnding = false;
  /** A process that is there only later goes at once, too. */
  #isKilled = false;
  #run: Promise<void> | undefined;
  /** Cuts the wait that is under way. */
  #wake = (): void => {};

  constructor(deps: WorkerDeps) {
    const { backoffMs, backoffMaxMs } = deps.options.restart;
    this.#deps = deps;
    this.#clock = deps.runtime.clock;
    this.#backOff = new BackOff(backoffMs, backoffMaxMs);
    this.address = deps.address;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** Undefined while there is no process. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Times that it was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Starts it, and again whenever it ends. */
  begin(): void {
    this.#run ??= this.#keepRunning();
  }

  /** Tells the process to end, kills it when it does not; resolves when it has ended. */
  async stop(): Promise<void> {
    if (!this.#isEnding) {
      this.#isEnding = true;
      if (this.#process !== undefined) this.#tellToEnd(this.#process);
      this.#wake();
    }
    await this.#run;
    this.#enter("stopped");
  }

  /** Ends the process and all of its group at once. */
  kill(): void {
    this.#isEnding = true;
    this.#isKilled = true;
    this.#wake();
    this.#process?.killGroup();
  }

  /** Requests of this run: of the process that runs, or of the one that ran last. */
  get requestsBegun(): number {
    const begun = this.#deps.requestsBegun();
    // Of an upstream that takes the place of another it counts anew.
    return begun < this.#begunBefore ? begun : begun - this.#begunBefore;
  }

  /**
   * What begins from now on is this run's, and what another thread has begun since the last one ended:
   * it waits in the socket.
   */
  #noteBegun(): void {
    this.#begunBefore = Math.min(this.#begunAtEnd, this.#deps.requestsBegun());
  }

  async #keepRunning(): Promise<void> {
    while (!this.#isEnding) {
      const startedMs = this.#clock.nowMs();
      this.#noteBegun();
      const { reason, isGood: endedWell } = await this.#runOnce();
      if (this.#isEnding) return;
      const begun = this.requestsBegun;
      // What it served may have begun, and have waited in the socket, before the one before had ended.
      const hasServed = begun > 0 || this.#begunInLast > 0;
      this.#begunInLast = begun;
      this.#begunAtEnd = this.#deps.requestsBegun();
      // A socket that was there before the process says nothing about it.
      const isGood = endedWell && (hasServed || !this.#deps.inherits);
      const ranMs = this.#clock.nowMs() - startedMs;
      const restartMs = this.#backOff.next({ ranMs, isGood, hasServed });
      this.#deps.onEnded(this, reason, restartMs, isGood && restartMs === 0);
      this.#enter("waiting");
      await this.#sleep(restartMs);
      if (!this.#isEnding) this.#restarts++;
    }
  }

  /** One process from its start to its end; why it ended, and whether it should have. */
  async #runOnce(): Promise<{ readonly reason: string; readonly isGood: boolean }> {
    this.#enter("starting");
    let process: SpawnedProcess;
    try {
      process = await this.#deps.start();
    } catch (error) {
      reportIfOurs(error, "starting a worker");
      return { reason: errorText(error), isGood: false };
    }
    this.#process = process;
    if (this.#isKilled) process.killGroup();
    else if (this.#isEnding) this.#tellToEnd(process);
    const ended = process.ended.then((end) => {
      this.#process = undefined;
      // Children that it leaves behind would keep its socket.
      process.killGroup();
      this.#wake();
      return end;
    });
    const isListening = await this.#untilListening();
    if (isListening) {
      this.#enter("listening");
      this.#noteBegun();
    }
    const isLate = !isListening && this.#process !== undefined && !this.#isEnding;
    if (isLate) process.killGroup();
    const end = await ended;
    const { startTimeoutMs } = this.#deps.options;
    return {
      reason: isLate ? `did not listen within ${startTimeoutMs} ms` : endText(end),
      isGood: isListening && end.code === 0,
    };
  }

  /** False when the process ends before, or the time is over. */
  async #untilListening(): Promise<boolean> {
    const { inherits, options, runtime } = this.#deps;
    if (inherits) return this.#process !== undefined && !this.#isEnding;
    const deadlineMs = this.#clock.nowMs() + options.startTimeoutMs;
    while (this.#process !== undefined && !this.#isEnding) {
      try {
        (await runtime.connect(this.address)).destroy();
        return this.#process !== undefined && !this.#isEnding;
      } catch (error) {
        reportIfOurs(error, "waiting for a worker");
        if (this.#clock.nowMs() >= deadlineMs) return false;
        await this.#sleep(LISTENING_POLL_MS);
      }
    }
    return false;
  }

  #tellToEnd(process: SpawnedProcess): void {
    this.#enter("draining");
    process.signal(this.#deps.stopSignal);
    const timer = this.#clock.setTimer(() => process.killGroup(), this.#deps.options.stopTimeoutMs);
    void process.ended.then(() => this.#clock.clearTimer(timer));
  }

  #enter(state: WorkerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#deps.onState(this);
  }

  async #sleep(timeMs: number): Promise<void> {
    if (this.#isEnding || timeMs === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(resolve, timeMs);
    this.#wake = resolve;
    await promise;
    this.#wake = () => {};
    this.#clock.clearTimer(timer);
  }
}

function endText({ code, signal }: ProcessEnd): string {
  return signal === null ? `ended with status ${code}` : `was ended by ${signal}`;
}
