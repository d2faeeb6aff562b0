/**
 * What is counted of HTTP requests: `afcgi_http_requests_total` and
 * `afcgi_http_request_duration_seconds`.
 */
import type { Counter, Histogram, MetricsRegistry } from "../observe/metrics.ts";

const BOUNDS_S = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Methods that become a label as they are: a client must not be able to invent series. */
const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
]);

export class HttpMetrics {
  readonly #requests: Counter;
  readonly #durations: Histogram;

  constructor(registry: MetricsRegistry) {
    this.#requests = registry.counter(
      "afcgi_http_requests_total",
      "Requests answered, by site, method and status.",
      ["site", "method", "code"],
    );
    this.#durations = registry.histogram(
      "afcgi_http_request_duration_seconds",
      "Time from a request's head to the end of its answer.",
      BOUNDS_S,
    );
  }

  onAnswer(site: string, method: string, status: number, durationS: number): void {
    this.#requests.add([site, METHODS.has(method) ? method : "other", String(status)]);
    this.#durations.observe(durationS);
  }
}
