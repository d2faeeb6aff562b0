/** What is counted of Gemini: answers by site and code, and clients that got none. */
import type { Counter, MetricsRegistry } from "../observe/metrics.ts";

/** Why a connection ended without an answer. */
export type DropReason = "too_many_connections" | "handshake_failed" | "request_timeout";

export class GeminiMetrics {
  readonly #requests: Counter;
  readonly #dropped: Counter;

  constructor(registry: MetricsRegistry) {
    this.#requests = registry.counter(
      "afcgi_gemini_requests_total",
      "Gemini requests answered, by site and code.",
      ["site", "code"],
    );
    this.#dropped = registry.counter(
      "afcgi_gemini_dropped_total",
      "Gemini connections that ended without an answer, by reason.",
      ["reason"],
    );
  }

  onAnswer(site: string, code: number): void {
    this.#requests.add([site, String(code)]);
  }

  onDropped(reason: DropReason): void {
    this.#dropped.add([reason]);
  }
}
