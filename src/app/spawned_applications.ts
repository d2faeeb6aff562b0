/**
 * The applications that afcgi starts itself, put together with their upstreams, the log and the
 * metrics. Without any, nothing here costs anything.
 */
import type { StderrBudget } from "../upstream/stderr_budget.ts";
import type { Logger } from "../observe/logger.ts";
import type { Counter, MetricsRegistry } from "../observe/metrics.ts";
import { formatAddress } from "../runtime/address.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { SpawnedApplication, type SpawnObserver, type SpawnTarget } from "../spawn/application.ts";
import { FpmMessages, isFpmNotice } from "../spawn/fpm_messages.ts";
import { commandKind, connectionsMax, type SpawnOptions } from "../spawn/options.ts";
import type { Worker, WorkerState } from "../spawn/worker.ts";
import type { UpstreamOptions } from "../upstream/options.ts";
import type { Upstream } from "../upstream/upstream.ts";

export interface SpawnedApplicationsDeps {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  readonly upstreams: readonly Upstream[];
  readonly drainMs: number;
  /** See {@link fpmMessagesOf}. */
  readonly fpmMessages: FpmMessagesByUpstream;
  /** How much of their output is logged. */
  readonly stderr: StderrBudget;
}

/** What every php-fpm that is spawned logs, by the upstream's name. */
export type FpmMessagesByUpstream = ReadonlyMap<string, FpmMessages>;

/** Made before the upstreams, for lines of their requests go there first. */
export function fpmMessagesOf(
  spawns: readonly SpawnOptions[],
  clock: Clock,
): FpmMessagesByUpstream {
  const ofFpm = spawns.filter(({ command }) => commandKind(command) === "php-fpm");
  return new Map(ofFpm.map(({ upstream }) => [upstream, new FpmMessages(clock)]));
}

/** States as the metric names them, those of workers that may yet take requests. */
const STATES: readonly WorkerState[] = ["starting", "listening", "waiting", "draining"];

export class SpawnedApplications {
  readonly #applications: readonly SpawnedApplication[] = [];
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #fpmMessages: FpmMessagesByUpstream;

  constructor(options: readonly SpawnOptions[], deps: SpawnedApplicationsDeps) {
    const { runtime, logger, registry, upstreams, drainMs, fpmMessages, stderr } = deps;
    this.#runtime = runtime;
    this.#logger = logger;
    this.#fpmMessages = fpmMessages;
    if (options.length === 0) return;
    const restarts = registry.counter(
      "afcgi_spawn_restarts_total",
      "Times that a worker of a spawned application ended by itself, or could not be started.",
      ["upstream"],
    );
    const observer = new SpawnLog(logger, restarts, fpmMessages, stderr);
    this.#applications = options.map((one) => {
      const upstream = upstreams.find(({ options }) => options.name === one.upstream)!;
      const target = targetOf(upstream);
      return new SpawnedApplication(one, { runtime, observer, target, drainMs });
    });
    registry.gauge(
      "afcgi_spawn_workers",
      "Workers of spawned applications; listening ones take requests.",
      ["upstream", "state"],
      () =>
        this.#applications.flatMap(({ options, workers }) =>
          STATES.map((state) => ({
            labels: [options.upstream, state],
            value: workers.filter((worker) => worker.state === state).length,
          }))
        ),
    );
  }

  /** @throws {SpawnError} when one could never start */
  async start(): Promise<void> {
    if (this.#applications.length === 0) return;
    await this.#runtime.spawner.reapOrphans();
    await this.#runtime.spawner.removeLeftDirectories();
    for (const application of this.#applications) await application.start();
  }

  /** One by one; resolves to whether there are any. */
  async replaceWorkers(): Promise<boolean> {
    if (this.#applications.length === 0) return false;
    this.#logger.info("replacing workers");
    await Promise.all(this.#applications.map((application) => application.replaceWorkers()));
    this.#logger.info("workers replaced");
    return true;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#applications.map((application) => application.stop()));
    this.#tellHeld();
  }

  kill(): void {
    for (const application of this.#applications) application.kill();
    this.#tellHeld();
  }

  #tellHeld(): void {
    for (const messages of this.#fpmMessages.values()) messages.flush();
  }

  /** For `/status`; undefined for an upstream that is not spawned. */
  statusOf(upstream: string): object | undefined {
    const application = this.#applications.find(({ options }) => options.upstream === upstream);
    return application && {
      // Arguments may hold what only the application shall know.
      program: application.options.command[0],
      workers: application.workers.map((worker) => ({
        server: formatAddress(worker.address),
        state: worker.state,
        pid: worker.pid,
        restarts: worker.restarts,
      })),
    };
  }
}

/** The upstream's options, with as many connections to each worker as it has use for. */
export function withSpawnedWorkers(
  upstream: UpstreamOptions,
  spawns: readonly SpawnOptions[],
  cpuCount: number,
): UpstreamOptions {
  const spawn = spawns.find((one) => one.upstream === upstream.name);
  if (spawn === undefined) return upstream;
  const { connections } = upstream;
  return { ...upstream, connections: { ...connections, max: connectionsMax(spawn, cpuCount) } };
}

function targetOf(upstream: Upstream): SpawnTarget {
  return {
    useServers: (addresses) =>
      upstream.useServers(addresses.map((address) => ({ address, weight: 1, backup: false }))),
    requestsBegun(address) {
      const name = formatAddress(address);
      return upstream.servers.find((server) => server.address === name)?.requestsBegun ?? 0;
    },
  };
}

/** What is said and counted of workers. */
class SpawnLog implements SpawnObserver {
  readonly #log: Logger;
  readonly #restarts: Counter;
  readonly #fpmMessages: FpmMessagesByUpstream;
  readonly #stderr: StderrBudget;

  constructor(
    log: Logger,
    restarts: Counter,
    fpmMessages: FpmMessagesByUpstream,
    stderr: StderrBudget,
  ) {
    this.#log = log;
    this.#restarts = restarts;
    this.#fpmMessages = fpmMessages;
    this.#stderr = stderr;
  }

  onState(upstream: string, worker: Worker): void {
    const { pid, state } = worker;
    this.#log.debug(`worker is ${state}`, { upstream, server: formatAddress(worker.address), pid });
  }

  onEnded(
    upstream: string,
    worker: Worker,
    reason: string,
    restartMs: number,
    isGood: boolean,
  ): void {
    this.#restarts.add([upstream]);
    const server = formatAddress(worker.address);
    if (isGood) {
      const message = `A worker has done its work: ${reason}; the next one starts`;
      return this.#log.info(message, { upstream, server, code: "worker_recycled" });
    }
    const message = `A worker is down: ${reason}; it is started again in ${restartMs} ms`;
    this.#log.error(message, { upstream, server, code: "worker_down", restart_ms: restartMs });
  }

  onNotReplaced(upstream: string, worker: Worker, reason: string): void {
    const server = formatAddress(worker.address);
    this.#log.error(`A worker stays, it cannot be replaced: ${reason}`, {
      upstream,
      server,
      code: "worker_not_replaced",
    });
  }

  onSocketsLost(upstream: string, path: string): void {
    const message = `Sockets in "${path}" were removed by somebody; their workers are replaced`;
    this.#log.error(message, { upstream, code: "worker_sockets_lost" });
  }

  leavesOut(upstream: string, bytes: Uint8Array, waitingLength: number): boolean {
    return this.#stderr.leavesOut(upstream, bytes, waitingLength);
  }

  onLine(upstream: string, pid: number | undefined, source: string, line: string): void {
    if (!this.#stderr.take(upstream, line)) return;
    const messages = source === "stderr" ? this.#fpmMessages.get(upstream) : undefined;
    const isFine = source === "stdout" || messages !== undefined && isFpmNotice(line);
    const tell = () => this.#log.log(isFine ? "info" : "warn", line, { upstream, pid, source });
    if (messages === undefined) tell();
    else messages.push(line, tell);
  }

  onRunsAsRoot(upstream: string): void {
    const message = "A spawned application runs as root (set spawn.user)";
    this.#log.warn(message, { upstream, code: "runs_as_root" });
  }
}
