/** What is said of the whole process, from what each thread says of itself when it is asked. */
import type { AdminStatus, ProcessReports } from "../app/process_share.ts";
import { type ProcessMemory, processPlaces } from "../shared/process_memory.ts";
import { countsOf, mergeMetrics } from "./merged_metrics.ts";
import { mergeStatus } from "./merged_status.ts";
import type { ThreadReport } from "./messages.ts";
import { MAIN_THREAD } from "./shared_process.ts";
import type { SupervisedThread } from "./supervised_thread.ts";
import { workerMetrics } from "./worker_metrics.ts";

/** How often threads are asked though nobody wants to know: what a dead one had counted is told of then. */
export const KEPT_INTERVAL_MS = 15_000;

/** How long a thread may take for a question of the admin address. */
export const REPORT_TIMEOUT_MS = 1_000;

export class ThreadReports implements ProcessReports {
  readonly #memory: ProcessMemory;
  readonly #threads: readonly SupervisedThread[];
  readonly #nextId: () => number;
  /** What threads had counted that are dead. */
  #ofDead = "";

  /** @param nextId gives each question its number */
  constructor(memory: ProcessMemory, threads: readonly SupervisedThread[], nextId: () => number) {
    this.#memory = memory;
    this.#threads = threads;
    this.#nextId = nextId;
  }

  /** What a dead thread has counted stays counted: a sum must not go down. */
  bury(last: ThreadReport): void {
    this.#ofDead = mergeMetrics([this.#ofDead, countsOf(last.metrics)]);
  }

  /** Asks all of them, so that not much is unknown of one that dies. */
  async keep(): Promise<void> {
    await this.#reports();
  }

  async metrics(own: string): Promise<string> {
    const reports = await this.#reports();
    const texts = reports.map(({ report }) => report?.metrics ?? "");
    const workers = reports.map(({ thread }, index) => ({
      name: thread.name,
      connections: this.#connectionsOf(thread),
      delayMs: this.#delayMsOf(thread),
      restarts: thread.restarts,
      metrics: texts[index]!,
    }));
    return mergeMetrics([own, this.#ofDead, ...texts]) +
      workerMetrics(workers, this.#delayMsOf(undefined));
  }

  async status(own: AdminStatus): Promise<object> {
    const reports = await this.#reports();
    const workers = reports.map(({ thread, report }) => ({
      name: thread.name,
      state: thread.state,
      restarts: thread.restarts,
      connections: this.#connectionsOf(thread),
      event_loop_delay_ms: this.#delayMsOf(thread),
      http2: report?.status.http2,
      upstreams: report?.status.upstreams,
    }));
    const threads = reports.map(({ thread: { name }, report }) => ({
      name,
      status: report?.status,
    }));
    return { ...mergeStatus(own, threads), workers };
  }

  async #reports() {
    return await Promise.all(this.#threads.map(async (thread) => {
      const report = await thread.report(this.#nextId(), REPORT_TIMEOUT_MS);
      return { thread, report };
    }));
  }

  #connectionsOf({ index }: SupervisedThread): number {
    const { words } = this.#memory;
    return Math.max(0, Atomics.load(words, processPlaces(this.#memory).placed + index));
  }

  /** How late its event loop was; without a thread: this one's. */
  #delayMsOf(thread: SupervisedThread | undefined): number {
    const at = processPlaces(this.#memory).delay + (thread?.index ?? MAIN_THREAD);
    return Math.max(Atomics.load(this.#memory.words, at) / 1000, thread?.stillMs ?? 0);
  }
}
