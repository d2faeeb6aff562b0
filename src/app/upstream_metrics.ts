/**
 * What is counted and logged of upstreams: an observer for all of them, and gauges that look at them
 * when they are asked.
 */
import type { Logger } from "../observe/logger.ts";
import type { Counter, MetricsRegistry, Sample } from "../observe/metrics.ts";
import type { UpstreamErrorCode } from "../upstream/errors.ts";
import type { ObservedRequest, UpstreamObserver } from "../upstream/observer.ts";
import type { Upstream } from "../upstream/upstream.ts";

/** States of connections as the metric names them. */
const STATES = ["connecting", "idle", "busy", "paused", "draining"] as const;

export class UpstreamMetrics implements UpstreamObserver {
  readonly #log: Logger;
  readonly #retries: Counter;
  readonly #errors: Counter;
  readonly #aborts: Counter;
  readonly #pauses: Counter;
  readonly #queueRejected: Counter;
  #spillBytes = 0;

  constructor(registry: MetricsRegistry, log: Logger) {
    this.#log = log;
    this.#retries = registry.counter(
      "afcgi_upstream_retries_total",
      "Requests sent again, by what had gone wrong.",
      ["upstream", "reason"],
    );
    this.#errors = registry.counter(
      "afcgi_upstream_errors_total",
      "Requests that got no answer after all attempts.",
      ["upstream", "code"],
    );
    this.#aborts = registry.counter(
      "afcgi_upstream_aborts_total",
      "Requests that the application was told to give up.",
      ["upstream"],
    );
    this.#pauses = registry.counter(
      "afcgi_upstream_paused_total",
      "Times that a connection was not read for a slow client's sake.",
      ["upstream"],
    );
    this.#queueRejected = registry.counter(
      "afcgi_upstream_queue_rejected_total",
      "Requests refused because the queue was full.",
      ["upstream"],
    );
    registry.gauge("afcgi_spill_bytes", "Bytes of answers in temporary files.", [], () => [
      { labels: [], value: this.#spillBytes },
    ]);
  }

  onRetry(upstream: string, reason: UpstreamErrorCode): void {
    this.#retries.add([upstream, reason]);
  }

  onError(upstream: string, code: UpstreamErrorCode): void {
    this.#errors.add([upstream, code]);
  }

  onAborted(upstream: string): void {
    this.#aborts.add([upstream]);
  }

  onPaused(upstream: string): void {
    this.#pauses.add([upstream]);
  }

  onQueueRejected(upstream: string): void {
    this.#queueRejected.add([upstream]);
  }

  onSpill(bytes: number): void {
    this.#spillBytes += bytes;
  }

  onStderrLine(line: string, request: ObservedRequest): void {
    this.#log.warn(line, {
      request_id: request.requestId,
      upstream: request.upstream,
      server: request.server,
      connection: request.connection,
      stream: request.stream,
      source: "stderr",
    });
  }
}

/** Registers what is looked at rather than counted. */
export function registerUpstreamGauges(
  registry: MetricsRegistry,
  upstreams: readonly Upstream[],
): void {
  registry.gauge(
    "afcgi_upstream_connections",
    "Open connections to applications.",
    ["upstream", "server", "state"],
    () => upstreams.flatMap(connectionSamples),
  );
  registry.gauge(
    "afcgi_upstream_streams",
    "Requests that an application is working on.",
    ["upstream", "server"],
    () =>
      upstreams.flatMap(({ options, servers }) =>
        servers.map((server) => ({ labels: [options.name, server.address], value: server.streams }))
      ),
  );
  registry.gauge(
    "afcgi_upstream_queue_length",
    "Requests that wait for room at an application.",
    ["upstream"],
    () =>
      upstreams.map(({ options, queueLength }) => ({ labels: [options.name], value: queueLength })),
  );
}

function connectionSamples({ options, servers }: Upstream): Sample[] {
  return servers.flatMap((server) => {
    const counts = new Map<string, number>(STATES.map((state) => [state, 0]));
    for (const connection of server.connections) {
      const state = connection.state !== "open"
        ? connection.state
        : connection.isPaused
        ? "paused"
        : connection.streams > 0
        ? "busy"
        : "idle";
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    return [...counts].map(([state, value]) => ({
      labels: [options.name, server.address, state],
      value,
    }));
  });
}
