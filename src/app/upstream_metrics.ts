/**
 * What is counted and logged of upstreams: an observer for all of them, and gauges that look at them
 * when they are asked.
 */
import { type BudgetShare, StderrBudget } from "../upstream/stderr_budget.ts";
import type { LimitedLog } from "../observe/limited_log.ts";
import type { Logger } from "../observe/logger.ts";
import type { Counter, LabelledHistogram, MetricsRegistry, Sample } from "../observe/metrics.ts";
import type { Trait } from "../upstream/application_traits.ts";
import { errorText, type UpstreamErrorCode } from "../upstream/errors.ts";
import type { HealthResult } from "../upstream/health_check.ts";
import type { ObservedRequest, UpstreamFlaw, UpstreamObserver } from "../upstream/observer.ts";
import type { Lookup } from "../upstream/server_name.ts";
import type { ConnectionOptions, UpstreamOptions } from "../upstream/options.ts";
import type { Server } from "../upstream/server.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { Clock } from "../runtime/clock.ts";
import type { StderrLine } from "./passed_stderr.ts";
import type { FpmMessagesByUpstream } from "./spawned_applications.ts";

const STATES = ["connecting", "idle", "busy", "paused", "tunnel", "draining"] as const;

/** What is said of an application once it has shown it; `%` is a number. */
const TRAITS: Readonly<Record<Trait, string>> = {
  values_unanswered:
    "Connections are not kept: the application does not answer FCGI_GET_VALUES, and others may " +
    "wait while one is idle (connections.reuse: true keeps them)",
  died_when_asked:
    'The application ended when it was asked with FCGI_GET_VALUES: it is not asked again (multiplex: "off" never asks)',
  connections_not_kept:
    "Connections are not kept, nor shared: the application closes them after a response although " +
    "it was asked to keep them",
  workers_late:
    "Workers go on after their responses (as with fastcgi_finish_request): nothing is sent to one " +
    "that is not back",
  workers_found: "The application takes % connections at once, and no more for now",
};

/** How often at most a line says that temporary files cannot be written. */
const STUCK_LINE_INTERVAL_MS = 60_000;

/** Up to the queue's default limit, and one beyond it. */
const QUEUE_WAIT_BOUNDS_S = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What is said of upstreams goes there. */
export interface UpstreamLogs {
  readonly logger: Logger;
  readonly limited: LimitedLog;
  /** Takes lines of STDERR instead of the logger: another thread knows which of them are news. */
  readonly passStderr?: ((line: StderrLine) => void) | undefined;
}

export class UpstreamMetrics implements UpstreamObserver {
  readonly #log: Logger;
  readonly #limited: LimitedLog;
  readonly #passStderr: UpstreamLogs["passStderr"];
  readonly #fpmMessages: FpmMessagesByUpstream;
  readonly #flaws: Counter;
  readonly #stderr: StderrBudget;
  readonly #retries: Counter;
  readonly #errors: Counter;
  readonly #aborts: Counter;
  readonly #pauses: Counter;
  readonly #slowClients: Counter;
  readonly #queueRejected: Counter;
  readonly #queueWaits: LabelledHistogram;
  readonly #healthChecks: Counter;
  readonly #lookups: Counter;
  readonly #connects: Counter;
  readonly #spillsStuck: Counter;
  #spillBytes = 0;
  readonly #memoryFull: Counter;

  constructor(
    registry: MetricsRegistry,
    { logger, limited, passStderr }: UpstreamLogs,
    fpmMessages: FpmMessagesByUpstream,
    stderr: StderrBudget,
  ) {
    this.#log = logger;
    this.#passStderr = passStderr;
    this.#limited = limited;
    this.#fpmMessages = fpmMessages;
    this.#flaws = registry.counter(
      "afcgi_upstream_flaws_total",
      "Things that an application should not do and that were made good for it.",
      ["upstream", "code"],
    );
    this.#stderr = stderr;
    this.#retries = registry.counter(
      "afcgi_upstream_retries_total",
      "Requests sent again, by what had gone wrong.",
      ["upstream", "reason"],
    );
    this.#errors = registry.counter(
      "afcgi_upstream_errors_total",
      "Requests that got no response after all attempts.",
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
    this.#slowClients = registry.counter(
      "afcgi_upstream_slow_clients_total",
      "Responses cut because their slow clients held up other requests.",
      ["upstream"],
    );
    this.#connects = registry.counter(
      "afcgi_upstream_connects_total",
      "Connections that were made for requests.",
      ["upstream", "server"],
    );
    this.#queueRejected = registry.counter(
      "afcgi_upstream_queue_rejected_total",
      "Requests refused because the queue was full.",
      ["upstream"],
    );
    this.#healthChecks = registry.counter(
      "afcgi_upstream_health_checks_total",
      "Times that a server was asked how it is; full: its queue was, and nothing is known.",
      ["upstream", "result"],
    );
    this.#lookups = registry.counter(
      "afcgi_upstream_lookups_total",
      "Times that a name of a server was looked up.",
      ["upstream", "name", "result"],
    );
    this.#queueWaits = registry.labelledHistogram(
      "afcgi_upstream_queue_wait_seconds",
      "How long requests waited for room, of those that had to.",
      QUEUE_WAIT_BOUNDS_S,
      "upstream",
    );
    this.#memoryFull = registry.counter(
      "afcgi_buffer_memory_full_total",
      "Times that the body of a request had to wait because buffers held limits.memory.",
      [],
    );
    this.#spillsStuck = registry.counter(
      "afcgi_spill_stuck_total",
      "Times that temporary files could not be written, so that slow clients had to wait.",
      [],
    );
    registry.number(
      "afcgi_spill_bytes",
      "Bytes of responses in temporary files.",
      () => this.#spillBytes,
    );
  }

  onFlaw({ upstream, server, code, message, request }: UpstreamFlaw): void {
    this.#flaws.add([upstream, code]);
    this.#limited.log(`${code} ${upstream}`, "warn", message, {
      request_id: request?.requestId,
      upstream,
      server,
      connection: request?.connection,
      stream: request?.stream,
      code,
    });
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

  onSlowClient(upstream: string): void {
    this.#slowClients.add([upstream]);
  }

  onQueueRejected(upstream: string): void {
    this.#queueRejected.add([upstream]);
  }

  onQueueLeft(upstream: string, waitedMs: number): void {
    this.#queueWaits.series(upstream).observe(waitedMs / 1000);
  }

  onSpill(bytes: number): void {
    this.#spillBytes += bytes;
  }

  /** Without a cause all of `limits.spill_total` is used. */
  onSpillStuck(cause: unknown): void {
    this.#spillsStuck.add([]);
    const why = cause === undefined ? "limits.spill_total is used up" : errorText(cause);
    this.#sayStuck("spill_stuck", `Cannot write temporary files, slow clients wait: ${why}`);
  }

  onMemoryFull(): void {
    this.#memoryFull.add([]);
    const message = "Buffers hold more than limits.memory, bodies of new requests wait";
    this.#sayStuck("memory_full", message);
  }

  #sayStuck(code: string, message: string): void {
    this.#limited.log(code, "warn", message, { code }, STUCK_LINE_INTERVAL_MS);
  }

  onHealthCheck(upstream: string, server: string, result: HealthResult, changed: boolean): void {
    this.#healthChecks.add([upstream, result.kind]);
    if (!changed) return;
    if (result.kind === "failed") {
      this.#log.error(`Server is down: ${result.why}`, { upstream, server, code: "server_down" });
    } else this.#log.info("Server is up again", { upstream, server, code: "server_up" });
  }

  onLookup(upstream: string, name: string, { failure, isNews }: Lookup): void {
    this.#lookups.add([upstream, name, failure === undefined ? "passed" : "failed"]);
    if (!isNews) return;
    const kind = `lookup ${upstream} ${name}`;
    const fields = { upstream, name };
    if (failure === undefined) {
      return this.#limited.news(kind, "", "info", "Name can be looked up again", fields);
    }
    const message = `Cannot look up a name: ${failure}`;
    this.#limited.news(kind, failure, "error", message, { ...fields, code: "lookup_failed" });
  }

  onServersChanged(
    upstream: string,
    name: string,
    joined: readonly string[],
    left: readonly string[],
    servers: readonly string[],
  ): void {
    const fields = { upstream, name, joined: joined.join(" "), left: left.join(" ") };
    const state = servers.join(" ");
    const message = "Addresses of a name changed";
    this.#limited.news(`servers ${upstream} ${name}`, state, "info", message, fields);
  }

  onFailure(upstream: string, error: unknown): void {
    const fields = { code: "internal_error", upstream };
    this.#limited.log(`internal_error ${upstream}`, "error", errorText(error), fields);
  }

  onConnected(upstream: string, server: string): void {
    this.#connects.add([upstream, server]);
  }

  onTrait(upstream: string, server: string, trait: Trait, count: number | undefined): void {
    const text = TRAITS[trait].replace("%", String(count));
    // How its workers go about is nothing that somebody has to mend.
    const level = trait === "workers_late" || trait === "workers_found" ? "info" : "warn";
    this.#log.log(level, text, { upstream, server, code: trait });
  }

  leavesOutStderr(upstream: string, bytes: Uint8Array, waitingLength: number): boolean {
    return this.#stderr.leavesOut(upstream, bytes, waitingLength);
  }

  onStderrLine(line: string, request: ObservedRequest): void {
    const { upstream } = request;
    if (!this.#stderr.take(upstream, line)) return;
    const fields = {
      request_id: request.requestId,
      upstream,
      server: request.server,
      connection: request.connection,
      stream: request.stream,
      source: "stderr",
    };
    (this.#passStderr ?? this.takeStderr)({ upstream, text: line, fields });
  }

  /** A line that may be logged, of this thread or passed on by another one. */
  readonly takeStderr = ({ upstream, text, fields }: StderrLine): void => {
    if (this.#fpmMessages.get(upstream)?.isNews(text) !== false) this.#log.warn(text, fields);
  };
}

/** What becomes of lines that are too many: a count, and a line of their own once a second. */
export function stderrBudget(
  registry: MetricsRegistry,
  log: Logger,
  clock: Clock,
  share?: BudgetShare,
): StderrBudget {
  const counter = registry.counter(
    "afcgi_upstream_stderr_left_out_total",
    "Bytes of standard error that were too many to be logged.",
    ["upstream"],
  );
  return new StderrBudget(clock, (upstream, lines, bytes) => {
    counter.add([upstream], bytes);
    const message = "An application writes more to its standard error than is logged";
    log.warn(message, { upstream, lines, bytes, code: "stderr_left_out" });
  }, share);
}

/** Registers what is looked at rather than counted. */
export function registerUpstreamGauges(
  registry: MetricsRegistry,
  upstreams: () => readonly Upstream[],
): void {
  registry.gauge(
    "afcgi_upstream_connections",
    "Open connections to applications.",
    ["upstream", "server", "state"],
    () => upstreams().flatMap(connectionSamples),
  );
  const perServer = (
    name: string,
    help: string,
    read: (server: Server, options: UpstreamOptions) => number,
  ) =>
    registry.gauge(
      name,
      help,
      ["upstream", "server"],
      () =>
        upstreams().flatMap(({ options, servers }) =>
          servers.map((server) => ({
            labels: [options.name, server.address],
            value: read(server, options),
          }))
        ),
    );
  perServer(
    "afcgi_upstream_server_up",
    "1, or 0 for a server that is ejected after a failure or that health checks found down.",
    (server) => server.isUp && !server.isEjected ? 1 : 0,
  );
  perServer(
    "afcgi_upstream_streams",
    "Requests that an application is working on.",
    (server) => server.streams,
  );
  perServer(
    "afcgi_upstream_capacity",
    "Requests that may be worked on at once before others wait.",
    (server, { connections }) => capacityOf(connections, server),
  );
  registry.gauge(
    "afcgi_upstream_tunnels",
    "WebSockets through an HTTP upstream, those that are about to begin among them.",
    ["upstream"],
    () =>
      upstreams().filter(({ options }) => options.protocol === "http")
        .map(({ options, tunnelsOpen }) => ({ labels: [options.name], value: tunnelsOpen })),
  );
  registry.gauge(
    "afcgi_upstream_queue_length",
    "Requests that wait for room at an application.",
    ["upstream"],
    () =>
      upstreams().map(({ options, queueLength }) => ({
        labels: [options.name],
        value: queueLength,
      })),
  );
}

/** As long as an application was not asked whether it multiplexes, what is certain. */
function capacityOf({ streamsMax }: ConnectionOptions, server: Server): number {
  const { mode, connectionsMax } = server;
  return mode === "multiplexed" ? connectionsMax * streamsMax : connectionsMax;
}

function connectionSamples({ options, servers }: Upstream): Sample[] {
  return servers.flatMap((server) => {
    const counts = new Map<string, number>(STATES.map((state) => [state, 0]));
    for (const connection of server.connections) {
      const state = connection.state !== "open"
        ? connection.state
        : connection.isTunnel
        ? "tunnel"
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
