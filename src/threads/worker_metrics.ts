/** What metrics say of each thread: `afcgi_worker_*{worker}`, and of the slowest event loop. */
import type { ProcessPlaces } from "../shared/process_memory.ts";
import type { SharedWords } from "../shared/steps.ts";
import { totalOfFamily } from "./merged_metrics.ts";
import { MAIN_THREAD } from "./shared_process.ts";

export interface WorkerNumbers {
  readonly name: string;
  readonly index: number;
  readonly restarts: number;
  /** The thread's own text. */
  readonly metrics: string;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly read: (worker: WorkerNumbers) => number;
}

export function workerMetrics(
  words: SharedWords,
  { placed, delay }: Pick<ProcessPlaces, "placed" | "delay">,
  workers: readonly WorkerNumbers[],
): string {
  const word = (at: number) => Atomics.load(words, at);
  const families: readonly Family[] = [
    {
      name: "afcgi_worker_connections",
      help: "Connections of clients that a thread serves.",
      type: "gauge",
      read: ({ index }) => word(placed + index),
    },
    {
      name: "afcgi_worker_requests_total",
      help: "Requests that a thread has served.",
      type: "counter",
      read: ({ metrics }) => totalOfFamily(metrics, "afcgi_http_requests_total"),
    },
    {
      name: "afcgi_worker_event_loop_delay_seconds",
      help: "How late a thread's event loop was at most, in the last 15 seconds.",
      type: "gauge",
      read: ({ index }) => word(delay + index) / 1e6,
    },
    {
      name: "afcgi_worker_restarts_total",
      help: "Times that a thread died, or stood still, and was started again.",
      type: "counter",
      read: ({ restarts }) => restarts,
    },
  ];
  const lines = families.flatMap(({ name, help, type, read }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...workers.map((worker) => `${name}{worker="${worker.name}"} ${read(worker)}`),
  ]);
  const slowest = Math.max(...[MAIN_THREAD, ...workers.map(({ index }) => index)]
    .map((index) => word(delay + index)));
  return [
    ...lines,
    "# HELP afcgi_event_loop_delay_seconds How late the slowest event loop was, in the last 15 s.",
    "# TYPE afcgi_event_loop_delay_seconds gauge",
    `afcgi_event_loop_delay_seconds ${slowest / 1e6}`,
    "",
  ].join("\n");
}
