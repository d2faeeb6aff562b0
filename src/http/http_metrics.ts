/**
 * What is counted of HTTP requests: `afcgi_http_requests_total`,
 * `afcgi_http_protocol_requests_total`, `afcgi_http_request_duration_seconds` and `afcgi_http_forwarded_ignored_total`.
 */
import type { HttpProtocol } from "../runtime/connection.ts";
import type { Counter, CounterSeries, Histogram, MetricsRegistry } from "../observe/metrics.ts";

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
  readonly #forwardedIgnored: Counter;
  readonly #protocols: Readonly<Record<HttpProtocol, CounterSeries>>;
  /** Series by site, method and status: three look-ups instead of joining three texts. */
  readonly #known = new Map<string, Map<string, Map<number, CounterSeries>>>();

  constructor(registry: MetricsRegistry) {
    this.#requests = registry.counter(
      "afcgi_http_requests_total",
      "Requests answered, by site, method and status.",
      ["site", "method", "code"],
    );
    this.#durations = registry.histogram(
      "afcgi_http_request_duration_seconds",
      "Time from a request's header section to the end of its response.",
      BOUNDS_S,
    );
    const protocols = registry.counter(
      "afcgi_http_protocol_requests_total",
      "Requests answered, by the version that their client speaks.",
      ["protocol"],
    );
    this.#protocols = {
      "HTTP/1.0": protocols.series(["HTTP/1.0"]),
      "HTTP/1.1": protocols.series(["HTTP/1.1"]),
      "HTTP/2.0": protocols.series(["HTTP/2.0"]),
      "HTTP/3.0": protocols.series(["HTTP/3.0"]),
    };
    this.#forwardedIgnored = registry.counter(
      "afcgi_http_forwarded_ignored_total",
      "Requests of trusted proxies whose forwarding fields could not be read.",
      ["site"],
    );
  }

  onForwardedError(site: string): void {
    this.#forwardedIgnored.add([site]);
  }

  onResponse(
    site: string,
    method: string,
    status: number,
    durationS: number,
    protocol: HttpProtocol = "HTTP/1.1",
  ): void {
    this.#protocols[protocol].value++;
    const known = this.#known.get(site)?.get(method)?.get(status);
    (known ?? this.#learn(site, method, status)).value++;
    this.#durations.observe(durationS);
  }

  /** A request of which not even the method could be read. */
  onUnread(status: number): void {
    this.#requests.add(["", "other", String(status)]);
  }

  /** Finds the series; a method that every client may invent is not remembered. */
  #learn(site: string, method: string, status: number): CounterSeries {
    const isKnownMethod = METHODS.has(method);
    const labels = [site, isKnownMethod ? method : "other", String(status)];
    const series = this.#requests.series(labels);
    if (!isKnownMethod) return series;
    const methods = this.#known.get(site) ?? new Map<string, Map<number, CounterSeries>>();
    const statuses = methods.get(method) ?? new Map<number, CounterSeries>();
    this.#known.set(site, methods.set(method, statuses.set(status, series)));
    return series;
  }
}
