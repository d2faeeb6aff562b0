/**
 * What lives as long as the process, whatever configuration it has: metrics, logs, the bounds of
 * clients' connections, what is counted of upstreams and listeners. What can be told of it changes
 * with each generation that is committed (`configure`).
 */
import { GeminiMetrics } from "../gemini/gemini_metrics.ts";
import { HttpMetrics } from "../http/http_metrics.ts";
import type { RequestContext } from "../http/request_context.ts";
import { RequestIdSource } from "../http/request_id.ts";
import { LimitedLog } from "../observe/limited_log.ts";
import type { Logger } from "../observe/logger.ts";
import { type Counter, MetricsRegistry } from "../observe/metrics.ts";
import type { OnHandshakeFailed, ProxyProtocol } from "../runtime/callback_socket.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TextSink } from "../runtime/text_sink.ts";
import { BufferMemory } from "../upstream/buffer_memory.ts";
import { GarbageWatch } from "./garbage.ts";
import { SpillSpace } from "../upstream/spill_space.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { gateOf } from "../passwords/verification_gate.ts";
import { onUnexpected } from "../runtime/unexpected.ts";
import { orderCounter, registerExpiry } from "./certificate_metrics.ts";
import type { Certificates } from "./certificates.ts";
import { CLIENT_DEFAULTS, ClientBounds } from "./client_bounds.ts";
import { logError } from "./error_log.ts";
import { Http2Clients } from "./http2.ts";
import { InheritedSockets } from "./inherited_sockets.ts";
import type { AppOptions } from "./options.ts";
import type { Parts } from "./parts.ts";
import type { StderrLine } from "./passed_stderr.ts";
import { registerProcessMetrics } from "./process_metrics.ts";
import type { Followers, ProcessReports, ProcessShare } from "./process_share.ts";
import type { LoadedOptions, ReloadResult } from "./reload.ts";
import { watchProxies } from "./proxy_protocol.ts";
import { type FpmMessagesByUpstream, SpawnedApplications } from "./spawned_applications.ts";
import { watchHandshakes } from "./tls_handshakes.ts";
import { logUnexpected } from "./unexpected_log.ts";
import { registerUpstreamGauges, stderrBudget, UpstreamMetrics } from "./upstream_metrics.ts";

export interface ProcessDeps {
  readonly runtime: Runtime;
  /** For everything but access lines. */
  readonly logger: Logger;
  /** For lines that other threads may say as well; left out: there are none. */
  readonly limited?: LimitedLog;
  /** For access lines of every configuration; left out: `openAccessLog` gives one. */
  readonly accessSink?: TextSink;
  /** Opens where `log.access` says; undefined: no lines are written. @throws as it fails */
  readonly openAccessLog?: (target: string) => Promise<TextSink | undefined>;
  readonly version: string;
  /** Left out: there is no other thread. */
  readonly share?: ProcessShare;
  /** Threads that serve, of which this one is the main one. */
  readonly followers?: Followers;
  /** What says how the process is; left out: `followers` do, or this thread alone. */
  readonly reports?: ProcessReports;
  /** Whether another thread holds all certificates and says which a handshake gets. */
  readonly certificatesAreElsewhere?: boolean;
  /** Reads the configuration again; left out: it cannot be. @throws with a line for each error */
  readonly load?: () => Promise<LoadedOptions>;
  /** Takes lines of STDERR that may be logged; left out: they are logged here. */
  readonly passStderr?: (line: StderrLine) => void;
  /** A reload begins, or is over; it waits for the call. */
  readonly onReload?: (result: ReloadResult | undefined) => Promise<void>;
}

const NOTHING_GIVEN = { pid: 0, env: () => undefined };

/** The configuration that serves, as far as metrics look at it and the next one shares with it. */
export interface CurrentGeneration {
  readonly upstreams: readonly Upstream[];
  readonly certificates: Pick<Certificates, "held">;
  readonly accessLog: Logger | undefined;
  readonly parts: Parts;
}

export class ProcessParts {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly version: string;
  readonly deps: ProcessDeps;
  readonly registry = new MetricsRegistry();
  readonly limited: LimitedLog;
  readonly requestIds = new RequestIdSource();
  readonly httpMetrics: HttpMetrics;
  readonly observer: UpstreamMetrics;
  readonly space: SpillSpace;
  readonly memory: BufferMemory;
  readonly spawned: SpawnedApplications;
  readonly http2: Http2Clients;
  readonly clients: ClientBounds;
  readonly onError: (error: unknown, context: RequestContext) => void;
  readonly onHandshakeFailed: OnHandshakeFailed;
  readonly proxyProtocol: (networks: readonly string[]) => ProxyProtocol;
  readonly inherited: InheritedSockets;
  readonly fpmMessages: FpmMessagesByUpstream = new Map();
  readonly #endUnexpected: () => void;
  readonly #garbage: GarbageWatch;
  #geminiMetrics: GeminiMetrics | undefined;
  #orders: Counter | undefined;
  /** The one that serves. */
  current: CurrentGeneration | undefined;

  constructor(options: AppOptions, deps: ProcessDeps) {
    const { runtime, logger, version } = deps;
    const { clock } = runtime;
    this.deps = deps;
    this.runtime = runtime;
    this.logger = logger;
    this.version = version;
    // Sockets are the main thread's: another one would close those that it has not taken yet.
    const isMain = !deps.certificatesAreElsewhere;
    if (deps.share !== undefined) gateOf(clock).join(deps.share.passwords);
    this.inherited = new InheritedSockets(isMain ? runtime.process : NOTHING_GIVEN);
    const limited = this.limited = deps.limited ?? new LimitedLog(logger, clock);
    this.#endUnexpected = onUnexpected(logUnexpected(limited));
    this.onError = (error, context) => logError({ logger, limited }, error, context);
    const { registry } = this;
    registerProcessMetrics(registry, runtime, version);
    this.httpMetrics = new HttpMetrics(registry);
    this.onHandshakeFailed = watchHandshakes(registry, limited);
    this.proxyProtocol = watchProxies(registry, limited);
    const stderr = stderrBudget(registry, logger, clock, deps.share?.stderr);
    const logs = { logger, limited, passStderr: deps.passStderr };
    this.observer = new UpstreamMetrics(registry, logs, this.fpmMessages, stderr);
    deps.followers?.hearStderr(this.observer.takeStderr);
    this.space = new SpillSpace(
      clock,
      options.spillTotalMax,
      (cause) => this.observer.onSpillStuck(cause),
      deps.share?.space,
    );
    this.#garbage = new GarbageWatch(runtime);
    this.memory = new BufferMemory(
      options.bufferMemoryMax,
      () => this.observer.onMemoryFull(),
      deps.share?.memory,
      (isOver) => this.#garbage.passed(isOver),
    );
    this.#registerGauges();
    this.spawned = new SpawnedApplications({
      runtime,
      logger,
      registry,
      fpmMessages: this.fpmMessages,
      stderr,
    });
    registerExpiry(registry, clock, () => this.current?.certificates.held() ?? []);
    this.http2 = new Http2Clients(registry, limited, options.http2Limits);
    const { clients = CLIENT_DEFAULTS } = options;
    const share = deps.share?.clients;
    this.clients = new ClientBounds(clients, options, {
      runtime,
      registry,
      logger,
      limited,
      share,
      isMain,
    });
  }

  get orders(): Counter {
    return this.#orders ??= orderCounter(this.registry);
  }

  get geminiMetrics(): GeminiMetrics {
    return this.#geminiMetrics ??= new GeminiMetrics(this.registry);
  }

  /** What the options say of it holds from now on. */
  configure(options: AppOptions): void {
    this.logger.configure(options.log);
    this.clients.configure(options.clients ?? CLIENT_DEFAULTS, options);
    this.http2.configure(options.http2Limits);
    this.space.configure(options.spillTotalMax);
    this.memory.configure(options.bufferMemoryMax);
  }

  close(): void {
    this.clients.stop();
    this.#garbage.stop();
    this.#endUnexpected();
  }

  #registerGauges(): void {
    const { registry, logger, space, memory } = this;
    registry.gauge(
      "afcgi_spill_space_bytes",
      "Bytes of all temporary files; limits.spill_total is their limit.",
      ["of"],
      () => [{ labels: ["used"], value: space.used }, { labels: ["limit"], value: space.max }],
    );
    registry.gauge(
      "afcgi_buffer_memory_bytes",
      "Bytes that buffers of all requests hold in memory; limits.memory is their limit.",
      ["of"],
      () => [{ labels: ["used"], value: memory.used }, { labels: ["limit"], value: memory.max }],
    );
    registry.number(
      "afcgi_buffer_memory_waiting",
      "Requests whose bodies are not read until buffers hold less than limits.memory.",
      () => memory.waiting,
    );
    registerUpstreamGauges(registry, () => this.current?.upstreams ?? []);
    registry.gauge(
      "afcgi_log_lines_lost",
      "Lines of a log that were lost because nobody took them.",
      ["log"],
      () => [
        { labels: ["access"], value: this.current?.accessLog?.lostLines ?? 0 },
        { labels: ["error"], value: logger.lostLines },
      ],
    );
  }
}
