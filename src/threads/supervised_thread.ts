/**
 * One thread, looked after:
 *
 *     stopped ──start──► starting ──ready──► serving ──stop──► stopping ──► stopped
 *                           ▲  │ died           │ died, or stuck
 *                           │  ▼                ▼
 *                           └─────────────── waiting (for its back-off)
 */
import type { Logger } from "../observe/logger.ts";
import { nextState, type Transitions } from "../protocol/transitions.ts";
import type { TimerId } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Thread } from "../runtime/threads.ts";
import { ownerOf } from "../shared/owners.ts";
import { leaveProcess, type ProcessMemory, processPlaces } from "../shared/process_memory.ts";
import { run } from "../shared/steps.ts";
import type { ServerOptions } from "../upstream/options.ts";
import type { FromThread, Present, ThreadConfig, ThreadReport, ToThread } from "./messages.ts";

export type ThreadName = `worker-${number}`;

export type ThreadState = "stopped" | "starting" | "serving" | "waiting" | "stopping";
export type ThreadEvent = "start" | "ready" | "died" | "stop";

export const THREAD_TRANSITIONS: Transitions<ThreadState, ThreadEvent> = {
  stopped: { start: "starting", stop: "stopped", died: "stopped" },
  starting: { ready: "serving", died: "waiting", stop: "stopping" },
  serving: { died: "waiting", stop: "stopping" },
  waiting: { start: "starting", stop: "stopped", died: "waiting" },
  stopping: { died: "stopped", ready: "stopping", stop: "stopping" },
};

/** How often threads are looked at. */
export const LOOK_INTERVAL_MS = 1_000;
/** A thread whose event loop has not turned for so many looks is ended. */
export const STUCK_LOOKS = 10;
/** For so many: it gets no new clients. */
export const LATE_LOOKS = 2;
/** The wait before a dead thread is started again; doubled each time, and short again after a while. */
export const RESTART_MIN_MS = 100;
export const RESTART_MAX_MS = 30_000;
/** Who has served so long is no thread that dies of its start. */
export const GOOD_LIFE_MS = 60_000;

export interface SupervisedThreadDeps {
  readonly runtime: Pick<Runtime, "threads" | "clock">;
  readonly logger: Logger;
  readonly version: string;
  readonly index: number;
  readonly name: ThreadName;
  readonly memory: ProcessMemory;
  /** For digests of passwords. */
  readonly secret: Uint8Array<ArrayBuffer>;
  /** What is no answer of its own. */
  readonly received: (message: FromThread) => void;
  /** It is dead, and nothing of it runs any more; this is what it said last. */
  readonly onGone: (last: ThreadReport | undefined) => void;
  /** It serves again. */
  readonly onBack: () => void;
  /** What it is started with. */
  readonly config: () => { readonly config: ThreadConfig; readonly present: Present };
}

export class SupervisedThread {
  readonly index: number;
  readonly name: ThreadName;
  restarts = 0;
  readonly #deps: SupervisedThreadDeps;
  #state: ThreadState = "stopped";
  /** The configuration that it has, or that it is started with. */
  #config: ThreadConfig | undefined;
  #thread: Thread | undefined;
  #life = 0;
  #started: PromiseWithResolvers<void> | undefined;
  #stopped: PromiseWithResolvers<void> | undefined;
  /** Who waits for which of its messages, by their numbers. */
  readonly #waiting = new Map<number, (message: FromThread | undefined) => void>();
  /** The last one of this life. */
  #lastReport: ThreadReport | undefined;
  #beat = -1;
  #sameBeats = 0;
  #backOffMs = RESTART_MIN_MS;
  /** Infinity while it does not. */
  #servesSinceMs = Infinity;
  #timer: TimerId | undefined;

  constructor(deps: SupervisedThreadDeps) {
    this.#deps = deps;
    this.index = deps.index;
    this.name = deps.name;
  }

  get state(): ThreadState {
    return this.#state;
  }

  get isReady(): boolean {
    return this.#state === "serving";
  }

  get config(): ThreadConfig | undefined {
    return this.#config;
  }

  /** Counts its starts. */
  get life(): number {
    return this.#life;
  }

  /** Its event loop has not turned for a while; who has a choice leaves it alone. */
  get isLate(): boolean {
    return this.#sameBeats >= LATE_LOOKS;
  }

  /** How long its event loop has not turned, as far as looks have seen it. */
  get stillMs(): number {
    return this.#sameBeats * LOOK_INTERVAL_MS;
  }

  /** Resolves when it serves. @throws when it cannot, the first time */
  async start(): Promise<void> {
    this.#started = Promise.withResolvers<void>();
    this.#launch();
    await this.#started.promise;
    this.#started = undefined;
  }

  send(message: ToThread): void {
    this.#thread?.send(message);
  }

  /** @throws as the thread says */
  async prepare(id: number, config: ThreadConfig): Promise<void> {
    const message = await this.#ask(id, { kind: "prepare", id, config });
    if (message?.kind === "prepared" && message.error !== undefined) throw new Error(message.error);
  }

  /** Resolves when what it has prepared serves, or the thread is dead. */
  async commit(id: number, config: ThreadConfig, present: Present): Promise<void> {
    this.#config = config;
    await this.#ask(id, { kind: "commit", id, present });
  }

  /** It is of no use: it is ended, and started again. */
  fail(reason: string): void {
    this.#died(reason);
  }

  /** Resolves when it has no requests left at servers that are gone. */
  async supply(id: number, upstream: string, servers: readonly ServerOptions[]): Promise<void> {
    await this.#ask(id, { kind: "servers", id, upstream, servers });
  }

  /** What it says of itself; what it said last, where it does not in time. */
  async report(id: number, timeoutMs: number): Promise<ThreadReport | undefined> {
    if (!this.isReady) return undefined;
    const { clock } = this.#deps.runtime;
    const timer = clock.setTimer(() => this.#answer(id, undefined), timeoutMs);
    const message = await this.#ask(id, { kind: "question", id });
    clock.clearTimer(timer);
    if (message?.kind === "response") this.#lastReport = message;
    return this.#lastReport;
  }

  /** Looks whether its event loop has turned since the last look. */
  look(): void {
    if (this.#state !== "serving" && this.#state !== "stopping") return;
    const { memory } = this.#deps;
    const beat = Atomics.load(memory.words, processPlaces(memory).beat + this.index);
    this.#sameBeats = beat === this.#beat ? this.#sameBeats + 1 : 0;
    this.#beat = beat;
    if (this.#sameBeats < STUCK_LOOKS) return;
    this.#died(`its event loop has stood still for ${STUCK_LOOKS} s`);
  }

  /** Resolves when it has finished what was in flight, or is dead. */
  async stop(isTakenOver: boolean): Promise<void> {
    if (this.#stopped !== undefined) return await this.#stopped.promise;
    this.#stopped = Promise.withResolvers<void>();
    this.#move("stop");
    this.#stopTimer();
    if (this.#thread === undefined) this.#stopped.resolve();
    else this.send({ kind: "stop", isTakenOver });
    await this.#stopped.promise;
  }

  /** Ends it at once. */
  end(): void {
    this.#move("stop");
    this.#stopTimer();
    this.#thread?.end();
    this.#thread = undefined;
    this.#stopped?.resolve();
    for (const id of [...this.#waiting.keys()]) this.#answer(id, undefined);
  }

  #launch(): void {
    this.#move("start");
    const { runtime: { threads }, version, index, memory, secret } = this.#deps;
    const { config, present } = this.#deps.config();
    this.#config = config;
    // What the life before it has counted while it was dying.
    if (this.#life > 0) run(memory.words, leaveProcess(memory, index));
    const owner = ownerOf(index, this.#life++);
    this.#servesSinceMs = Infinity;
    const thread = this.#thread = threads!.start({
      received: (message) => {
        if (this.#thread === thread) this.#received(message as FromThread);
      },
      died: (reason) => {
        if (this.#thread === thread) this.#died(reason);
      },
    });
    thread.send({
      kind: "start",
      thread: index,
      owner,
      version,
      process: memory,
      config,
      present,
      secret,
    });
  }

  #received(message: FromThread): void {
    switch (message.kind) {
      case "ready":
        return this.#ready();
      case "failed":
        return this.#died(message.reason);
      case "stopped":
        this.#thread?.end();
        this.#thread = undefined;
        return this.#stopped?.resolve();
      case "response":
      case "prepared":
      case "committed":
      case "supplied":
        return this.#answer(message.id, message);
      default:
        return this.#deps.received(message);
    }
  }

  #ready(): void {
    this.#move("ready");
    this.#servesSinceMs = this.#deps.runtime.clock.nowMs();
    if (this.#started !== undefined) this.#started.resolve();
    else if (this.#state === "serving") this.#deps.onBack();
  }

  #died(reason: string): void {
    const { logger, memory, runtime: { clock }, onGone } = this.#deps;
    this.#thread?.end();
    this.#thread = undefined;
    this.#sameBeats = 0;
    run(memory.words, leaveProcess(memory, this.index));
    onGone(this.#lastReport);
    this.#lastReport = undefined;
    for (const id of [...this.#waiting.keys()]) this.#answer(id, undefined);
    const wasStopping = this.#state === "stopping";
    this.#move("died");
    this.#stopped?.resolve();
    if (this.#started !== undefined) return this.#started.reject(new Error(reason));
    const told = { code: "thread_died", worker: this.name };
    if (wasStopping) {
      logger.error(`Thread ${this.name} has died: ${reason}; its connections are cut`, told);
    }
    if (this.#state !== "waiting") return;
    if (clock.nowMs() - this.#servesSinceMs > GOOD_LIFE_MS) this.#backOffMs = RESTART_MIN_MS;
    const restartMs = this.#backOffMs;
    this.#backOffMs = Math.min(2 * restartMs, RESTART_MAX_MS);
    this.restarts++;
    logger.error(`Thread ${this.name} has died: ${reason}; it is started again`, {
      ...told,
      restart_ms: restartMs,
    });
    this.#timer = clock.setTimer(() => this.#launch(), restartMs);
  }

  #ask(id: number, message: ToThread): Promise<FromThread | undefined> {
    return new Promise((resolve) => {
      if (this.#thread === undefined) return resolve(undefined);
      this.#waiting.set(id, resolve);
      this.send(message);
    });
  }

  #answer(id: number, message: FromThread | undefined): void {
    this.#waiting.get(id)?.(message);
    this.#waiting.delete(id);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#deps.runtime.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #move(event: ThreadEvent): void {
    this.#state = nextState(THREAD_TRANSITIONS, this.#state, event, "a thread");
  }
}
