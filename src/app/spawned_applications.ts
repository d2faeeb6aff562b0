/**
 * The applications that afcgi starts itself, put together with their upstreams, the log and the
 * metrics. Without any, nothing here costs anything.
 */
import type { StderrBudget } from "../upstream/stderr_budget.ts";
import type { Logger } from "../observe/logger.ts";
import type { Counter, MetricsRegistry } from "../observe/metrics.ts";
import { formatAddress } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { SpawnedApplication } from "../spawn/application.ts";
import type { SpawnObserver, SpawnTarget } from "../spawn/deps.ts";
import { FpmMessages, isFpmNotice } from "../spawn/fpm_messages.ts";
import { commandKind, connectionsMax, type SpawnOptions } from "../spawn/options.ts";
import type { Worker, WorkerState } from "../spawn/worker.ts";
import type { UpstreamOptions } from "../upstream/options.ts";
import type { Upstream } from "../upstream/upstream.ts";

export interface SpawnedApplicationsDeps {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  /** Of those that there are; entries are added here. */
  readonly fpmMessages: FpmMessagesByUpstream;
  /** How much of their output is logged. */
  readonly stderr: StderrBudget;
}

/** What every php-fpm that is spawned logs, by the upstream's name. */
export type FpmMessagesByUpstream = Map<string, FpmMessages>;

/** States as the metric names them, those of workers that may yet take requests. */
const STATES: readonly WorkerState[] = ["starting", "listening", "waiting", "draining"];

/** An application, with the upstream that its workers are servers of now. */
export interface SpawnedPart {
  readonly application: SpawnedApplication;
  readonly target: SwitchedTarget;
}

/** All that there are, whichever configuration they belong to. */
export class SpawnedApplications {
  readonly #deps: SpawnedApplicationsDeps;
  /** Those of the configuration that serves. */
  #current: readonly SpawnedPart[] = [];
  #observer: SpawnLog | undefined;

  constructor(deps: SpawnedApplicationsDeps) {
    this.#deps = deps;
  }

  /** Made before its upstream, for lines of its requests go there first. */
  expect({ command, upstream }: SpawnOptions): void {
    const { fpmMessages, runtime } = this.#deps;
    if (commandKind(command) !== "php-fpm" || fpmMessages.has(upstream)) return;
    fpmMessages.set(upstream, new FpmMessages(runtime.clock));
  }

  create(options: SpawnOptions, upstream: Upstream, drainMs: number): SpawnedPart {
    const { runtime } = this.#deps;
    const observer = this.#observer ??= this.#register();
    const target = new SwitchedTarget(upstream);
    return {
      application: new SpawnedApplication(options, { runtime, observer, target, drainMs }),
      target,
    };
  }

  /** Once, before the first application is started. */
  async prepare(): Promise<void> {
    const { spawner } = this.#deps.runtime;
    await spawner.reapOrphans();
    await spawner.removeLeftDirectories();
  }

  /** Those of the configuration that serves from now on. */
  use(parts: readonly SpawnedPart[]): void {
    this.#current = parts;
    const { fpmMessages } = this.#deps;
    for (const [upstream, messages] of fpmMessages) {
      if (parts.some(({ application }) => application.options.upstream === upstream)) continue;
      messages.flush();
      fpmMessages.delete(upstream);
    }
  }

  /** One by one, but for those that are new anyway; resolves to whether there are any. */
  async replaceWorkers(isNew: (part: SpawnedPart) => boolean = () => false): Promise<boolean> {
    const parts = this.#current.filter((part) => !isNew(part));
    if (parts.length === 0) return this.#current.length > 0;
    const { logger } = this.#deps;
    logger.info("replacing workers");
    await Promise.all(parts.map(({ application }) => application.replaceWorkers()));
    logger.info("workers replaced");
    return true;
  }

  /** Says what was held back, once all have ended. */
  tellHeld(): void {
    for (const messages of this.#deps.fpmMessages.values()) messages.flush();
  }

  /** For `/status`; undefined for an upstream that is not spawned. */
  statusOf(upstream: string): object | undefined {
    const part = this.#current.find(({ application }) => application.options.upstream === upstream);
    return part && {
      // Arguments may hold what only the application shall know.
      program: part.application.options.command[0],
      workers: part.application.workers.map((worker) => ({
        server: formatAddress(worker.address),
        state: worker.state,
        pid: worker.pid,
        restarts: worker.restarts,
      })),
    };
  }

  #register(): SpawnLog {
    const { registry, logger, fpmMessages, stderr } = this.#deps;
    const restarts = registry.counter(
      "afcgi_spawn_restarts_total",
      "Times that a worker of a spawned application ended by itself, or could not be started.",
      ["upstream"],
    );
    registry.gauge(
      "afcgi_spawn_workers",
      "Workers of spawned applications; listening ones take requests.",
      ["upstream", "state"],
      () =>
        this.#current.flatMap(({ application: { options, workers } }) =>
          STATES.map((state) => ({
            labels: [options.upstream, state],
            value: workers.filter((worker) => worker.state === state).length,
          }))
        ),
    );
    return new SpawnLog(logger, restarts, fpmMessages, stderr);
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

/** The upstream of the configuration that serves, though the workers stay when another one does. */
export class SwitchedTarget implements SpawnTarget {
  #upstream: Upstream;

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  /** False where it is that one already. */
  switchTo(upstream: Upstream): boolean {
    const isOther = this.#upstream !== upstream;
    this.#upstream = upstream;
    return isOther;
  }

  useServers(addresses: Parameters<SpawnTarget["useServers"]>[0]): Promise<void> {
    return this.#upstream.useServers(
      addresses.map((address) => ({ address, weight: 1, backup: false })),
    );
  }

  requestsBegun(address: Parameters<SpawnTarget["requestsBegun"]>[0]): number {
    const name = formatAddress(address);
    return this.#upstream.servers.find((server) => server.address === name)?.requestsBegun ?? 0;
  }
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

  onDirectoryFailed(upstream: string, reason: string): void {
    const message = `Cannot make a directory for sockets, it is tried again: ${reason}`;
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
