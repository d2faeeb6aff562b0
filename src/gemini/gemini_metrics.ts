/** What is counted of Gemini: responses by site and code, and clients that got none. */
import type { Counter, MetricsRegistry } from "../observe/metrics.ts";

/** Why a connection ended without a response. */
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
      "Gemini connections that ended without a response, by reason.",
      ["reason"],
    );
  }

  onReply(site: string, code: number): void {
    this.#requests.add([site, String(code)]);
  }

  onDropped(reason: DropReason): void {
    this.#dropped.add([reason]);
  }
}
