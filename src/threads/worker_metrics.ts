/** What metrics say of each thread: `afcgi_worker_*{worker}`, and of the slowest event loop. */
import { totalOfFamily } from "./merged_metrics.ts";

export interface WorkerNumbers {
  readonly name: string;
  readonly connections: number;
  /** How late its event loop was at most, in the last seconds. */
  readonly delayMs: number;
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

const FAMILIES: readonly Family[] = [
  {
    name: "afcgi_worker_connections",
    help: "Connections of clients that a thread serves.",
    type: "gauge",
    read: ({ connections }) => connections,
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
    read: ({ delayMs }) => delayMs / 1000,
  },
  {
    name: "afcgi_worker_restarts_total",
    help: "Times that a thread died, or stood still, and was started again.",
    type: "counter",
    read: ({ restarts }) => restarts,
  },
];

/** `mainDelayMs`: that of the main thread. */
export function workerMetrics(workers: readonly WorkerNumbers[], mainDelayMs: number): string {
  const lines = FAMILIES.flatMap(({ name, help, type, read }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...workers.map((worker) => `${name}{worker="${worker.name}"} ${read(worker)}`),
  ]);
  const slowestMs = Math.max(mainDelayMs, ...workers.map(({ delayMs }) => delayMs));
  return [
    ...lines,
    "# HELP afcgi_event_loop_delay_seconds How late the slowest event loop was, in the last 15 s.",
    "# TYPE afcgi_event_loop_delay_seconds gauge",
    `afcgi_event_loop_delay_seconds ${slowestMs / 1000}`,
    "",
  ].join("\n");
}
