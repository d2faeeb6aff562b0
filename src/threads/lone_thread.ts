/** The main thread where it is alone: it says of itself what threads are said to be and to do. */
import type { AdminStatus, ProcessReports } from "../app/process_share.ts";
import type { Clock } from "../runtime/clock.ts";
import { createWords } from "../shared/layout.ts";
import type { SharedWords } from "../shared/steps.ts";
import { Heartbeat } from "./heartbeat.ts";
import { totalOfFamily } from "./merged_metrics.ts";
import { workerMetrics } from "./worker_metrics.ts";

const NAME = "main";
const PLACES = { beat: 0, delay: 1 };

export class LoneThread implements ProcessReports {
  readonly #words: SharedWords = createWords(2);
  readonly #heartbeat: Heartbeat;

  constructor(clock: Pick<Clock, "nowMs" | "setTimer" | "clearTimer">) {
    this.#heartbeat = new Heartbeat(this.#words, PLACES, clock);
    this.#heartbeat.start();
  }

  metrics(own: string): Promise<string> {
    const worker = {
      name: NAME,
      connections: totalOfFamily(own, "afcgi_client_connections"),
      delayMs: this.#delayMs,
      restarts: 0,
      metrics: own,
    };
    return Promise.resolve(own + workerMetrics([worker], this.#delayMs));
  }

  status(own: AdminStatus): Promise<object> {
    const worker = {
      name: NAME,
      state: "serving",
      restarts: 0,
      event_loop_delay_ms: this.#delayMs,
    };
    return Promise.resolve({ ...own, workers: [worker] });
  }

  close(): void {
    this.#heartbeat.stop();
  }

  get #delayMs(): number {
    return this.#words[PLACES.delay]! / 1000;
  }
}
