/**
 * Puts the parts together and runs them: upstreams, sites, listeners, admin. Stopping goes the other
 * way round: not ready, listeners stop and finish what is in flight, upstreams drain, the rest is
 * cut when the grace is over.
 */
import { storeFolder } from "../certificates/store_folder.ts";
import { ForwardedWarnings } from "../http/forwarded_warnings.ts";
import { GeminiMetrics } from "../gemini/gemini_metrics.ts";
import { openAcme } from "./acme.ts";
import { ADMIN_LIMITS, adminAdmission } from "./admin_limits.ts";
import { createAdmin } from "../http/admin.ts";
import { createGateway, type GatewaySite } from "../http/gateway.ts";
import type { ListenerInfo, RequestContext } from "../http/request_context.ts";
import { HttpMetrics } from "../http/http_metrics.ts";
import { RequestIdSource } from "../http/request_id.ts";
import { createRefusals } from "../http/unread_request.ts";
import { type HttpListener, serveHttp1, type ServerOptions } from "../http1/server.ts";
import { LimitedLog } from "../observe/limited_log.ts";
import { Logger } from "../observe/logger.ts";
import { MetricsRegistry } from "../observe/metrics.ts";
import { SiteTable } from "../routing/site_table.ts";
import type { Address } from "../runtime/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TextSink } from "../runtime/text_sink.ts";
import type { OnHandshakeFailed, ProxyProtocol } from "../runtime/callback_socket.ts";
import { rememberSymlinks } from "../static/symlink_memory.ts";
import { SpillSpace } from "../upstream/spill_space.ts";
import { Upstream } from "../upstream/upstream.ts";
import { CLIENT_DEFAULTS, ClientBounds } from "./client_bounds.ts";
import { logError, logScriptError } from "./error_log.ts";
import { becomeUser, withSocketOwner } from "./app_user.ts";
import { Certificates } from "./certificates.ts";
import { GeminiListeners } from "./gemini.ts";
import { Http2Clients } from "./http2.ts";
import { withinGrace } from "./grace.ts";
import type { AppOptions, ListenOptions } from "./options.ts";
import { registerProcessMetrics } from "./process_metrics.ts";
import { Readiness } from "./readiness.ts";
import { compileGatewaySite, listenerInfo, serverSoftware, tlsPort } from "./sites.ts";
import { fpmMessagesOf, SpawnedApplications, withSpawnedWorkers } from "./spawned_applications.ts";
import { watchProxies } from "./proxy_protocol.ts";
import { watchHandshakes } from "./tls_handshakes.ts";
import { logUnexpected } from "./unexpected_log.ts";
import { registerUpstreamGauges, stderrBudget, UpstreamMetrics } from "./upstream_metrics.ts";
import { onUnexpected } from "../runtime/unexpected.ts";

export interface AppDeps {
  readonly runtime: Runtime;
  /** For everything but access lines. */
  readonly logger: Logger;
  /** For access lines; undefined: none are written. */
  readonly accessSink?: TextSink;
  readonly version: string;
}

export interface RunningApp {
  readonly addresses: readonly Address[];
  readonly geminiAddresses: readonly Address[];
  readonly adminAddress: Address | undefined;
  /** Takes nothing new, finishes what is in flight within the grace, cuts the rest. */
  stop(): Promise<void>;
  /** Spawned applications get new workers, one by one; resolves to whether there are any. */
  replaceWorkers(): Promise<boolean>;
  /** Cuts everything at once. */
  destroy(): void;
}

/** Starts everything; when a part cannot start, those before it are stopped again. */
export async function startApp(options: AppOptions, deps: AppDeps): Promise<RunningApp> {
  const app = new App(options, deps);
  try {
    await app.start();
    return app;
  } catch (error) {
    app.destroy();
    throw error;
  }
}

class App implements RunningApp {
  readonly #options: AppOptions;
  readonly #deps: AppDeps;
  readonly #upstreams: readonly Upstream[];
  readonly #spawned: SpawnedApplications;
  readonly #registry = new MetricsRegistry();
  readonly #httpMetrics: HttpMetrics;
  readonly #sites = new SiteTable<GatewaySite>();
  readonly #requestIds = new RequestIdSource();
  readonly #accessLog: Logger | undefined;
  readonly #onError: (error: unknown, context: RequestContext) => void;
  readonly #onHandshakeFailed: OnHandshakeFailed;
  readonly #proxyProtocol: (networks: readonly string[]) => ProxyProtocol;
  readonly #certificates: Certificates;
  readonly #clients: ClientBounds;
  readonly #http2: Http2Clients;
  readonly #listeners: HttpListener[] = [];
  #gemini: GeminiListeners | undefined;
  #admin: HttpListener | undefined;
  #isReady = false;
  /** Nothing is answered before we are who we are to be. */
  readonly #ready = Promise.withResolvers<void>();
  #stopped: Promise<void> | undefined;
  readonly #endUnexpected: () => void;

  constructor(options: AppOptions, deps: AppDeps) {
    this.#options = options;
    this.#deps = deps;
    const { runtime, logger, accessSink, version } = deps;
    this.#accessLog = accessSink && new Logger({
      sink: accessSink,
      clock: runtime.clock,
      level: "info",
      format: options.log.format,
    });
    const limited = new LimitedLog(logger, runtime.clock);
    this.#endUnexpected = onUnexpected(logUnexpected(limited));
    this.#onError = (error, context) => logError({ logger, limited }, error, context);
    registerProcessMetrics(this.#registry, runtime, version);
    this.#httpMetrics = new HttpMetrics(this.#registry);
    this.#onHandshakeFailed = watchHandshakes(this.#registry, limited);
    this.#proxyProtocol = watchProxies(this.#registry, limited);
    const { upstreams, spawns = [] } = options;
    const fpmMessages = fpmMessagesOf(spawns, runtime.clock);
    const stderr = stderrBudget(this.#registry, logger, runtime.clock);
    const observer = new UpstreamMetrics(
      this.#registry,
      { logger, limited },
      fpmMessages,
      stderr,
    );
    const { clock } = runtime;
    const space = new SpillSpace(clock, options.spillTotalMax, (cause) => {
      observer.onSpillStuck(cause, clock.nowMs());
    });
    this.#registry.gauge(
      "afcgi_spill_space_bytes",
      "Bytes of all temporary files; limits.spill_total is their limit.",
      ["of"],
      () => [{ labels: ["used"], value: space.used }, { labels: ["limit"], value: space.max }],
    );
    this.#upstreams = upstreams.map((upstream) =>
      new Upstream(withSpawnedWorkers(upstream, spawns, runtime.process.cpuCount), {
        runtime,
        observer,
        space,
      })
    );
    registerUpstreamGauges(this.#registry, this.#upstreams);
    this.#registry.gauge(
      "afcgi_log_lines_lost",
      "Lines of a log that were lost because nobody took them.",
      ["log"],
      () => [
        { labels: ["access"], value: this.#accessLog?.lostLines ?? 0 },
        { labels: ["error"], value: logger.lostLines },
      ],
    );
    this.#spawned = new SpawnedApplications(spawns, {
      runtime,
      logger,
      registry: this.#registry,
      upstreams: this.#upstreams,
      drainMs: options.shutdownGraceMs,
      fpmMessages,
      stderr,
    });
    this.#certificates = new Certificates({
      runtime,
      logger,
      store: storeFolder(options.store, runtime.process),
      openAutomatic: (sites) => openAcme(options, sites, { ...deps, registry: this.#registry }),
    });
    this.#certificates.registerExpiry(this.#registry);
    this.#http2 = new Http2Clients(this.#registry, limited, options.http2Limits);
    this.#clients = new ClientBounds(options.clients ?? CLIENT_DEFAULTS, options, {
      runtime,
      registry: this.#registry,
      logger,
      limited,
    });
    this.#compileSites();
  }

  get addresses(): readonly Address[] {
    return this.#listeners.map(({ address }) => address);
  }

  get geminiAddresses(): readonly Address[] {
    return this.#gemini?.addresses ?? [];
  }

  get adminAddress(): Address | undefined {
    return this.#admin?.address;
  }

  async start(): Promise<void> {
    const { user, spawns = [] } = this.#options;
    // What is started before would be out of reach afterwards: it could not be ended.
    if (user === undefined) await this.#spawned.start();
    await this.#certificates.open(this.#options);
    for (const listen of this.#options.listen) await this.#listen(listen);
    await this.#listenGemini();
    await this.#listenAdmin();
    this.#clients.start();
    if (user !== undefined) {
      await becomeUser(user, this.#deps.runtime.spawner);
      await this.#spawned.start();
    }
    // PHP's mail() wants a program with the setgid bit.
    if (spawns.length === 0) await this.#deps.runtime.spawner.forbidNewPrivileges();
    this.#isReady = true;
    this.#ready.resolve();
    this.#certificates.start();
  }

  stop(): Promise<void> {
    return this.#stopped ??= this.#stop();
  }

  replaceWorkers(): Promise<boolean> {
    return this.#spawned.replaceWorkers();
  }

  destroy(): void {
    this.#spawned.kill();
    this.#certificates.close();
    this.#clients.stop();
    for (const listener of this.#listeners) listener.destroy();
    this.#gemini?.destroy();
    this.#admin?.destroy();
    for (const upstream of this.#upstreams) void upstream.drain(0);
    this.#endUnexpected();
  }

  /** At once but for the moments of a start. */
  #readyOrStopping(): Promise<void> {
    return this.#stopped === undefined ? this.#ready.promise : Promise.resolve();
  }

  async #stop(): Promise<void> {
    this.#isReady = false;
    const { logger } = this.#deps;
    const { shutdownGraceMs } = this.#options;
    logger.info("stopping", { grace_ms: shutdownGraceMs });
    const listenersStopped = Promise.all([
      ...this.#listeners.map((listener) => listener.stop()),
      this.#gemini?.stop(),
    ]);
    await withinGrace(listenersStopped, shutdownGraceMs, this.#deps.runtime.clock);
    // What is still open now has used up the grace.
    await Promise.all(this.#upstreams.map((upstream) => upstream.drain(0)));
    await this.#spawned.stop();
    this.destroy();
    await this.#accessLog?.flush();
    logger.info("stopped");
    await logger.flush();
  }

  #compileSites(): void {
    const { runtime, logger, version } = this.#deps;
    const files = rememberSymlinks(runtime.files, runtime.clock);
    const upstreams = new Map(this.#upstreams.map((upstream) => [upstream.options.name, upstream]));
    const forwardedWarnings = new ForwardedWarnings(logger, runtime.clock);
    const { limits } = this.#options;
    for (const site of this.#options.sites) {
      const compiled = compileGatewaySite(site, {
        runtime: {
          files,
          clock: runtime.clock,
          createCompressor: (options) => runtime.createCompressor(options),
        },
        upstreams,
        limits,
        authorities: this.#certificates.authorities,
        serverSoftware: serverSoftware(version),
        followSymlinks: (path) => runtime.files.realPath(path),
        onError: this.#onError,
        onForwardedError: (name, context, error) => {
          this.#httpMetrics.onForwardedError(name);
          forwardedWarnings.warn(name, context, error);
        },
        onScriptError: (params, context) => logScriptError(logger, runtime.files, params, context),
      });
      this.#sites.add(site.hosts, compiled);
    }
  }

  async #listen(listen: ListenOptions): Promise<void> {
    const { tls } = listen;
    const serverTls = tls && await this.#certificates.serverTls(tls, this.#onHandshakeFailed);
    const scheme = tls === undefined ? "http" : "https";
    let gateway: ReturnType<typeof createGateway> | undefined;
    const listener = await this.#serveHttp({
      address: this.#owned(listen.address),
      requestHeadersLengthMax: this.#options.limits.requestHeaderMax,
      ...(listen.http2 !== false && { openHttp2: this.#http2.open }),
      ...(serverTls && { tls: serverTls }),
      proxyProtocol: listen.proxyProtocol && this.#proxyProtocol(listen.proxyProtocol),
      handler: (request, peer) => {
        // With port 0 the port is known only now.
        gateway ??= this.#createGateway(listenerInfo(listener.address, scheme), tls);
        if (this.#isReady) return gateway(request, peer);
        const handle = gateway;
        return this.#readyOrStopping().then(() => handle(request, peer));
      },
    });
    this.#listeners.push(listener);
    this.#clients.add(listener);
  }

  /** A unix socket is that user's whom we become, who could not remove it otherwise. */
  #owned(address: Address): Address {
    return withSocketOwner(address, this.#deps.runtime.spawner.isRoot && this.#options.user);
  }

  #serveHttp(options: ServerOptions): Promise<HttpListener> {
    const { runtime, logger } = this.#deps;
    const { httpTimeouts, clients = CLIENT_DEFAULTS } = this.#options;
    return serveHttp1(runtime, {
      ...options,
      admission: this.#clients.connections,
      requestsMax: clients.requestsPerConnectionMax,
      ...(httpTimeouts && { timeouts: httpTimeouts }),
      onRequestError: createRefusals({
        requestIds: this.#requestIds,
        metrics: this.#httpMetrics,
        log: logger,
      }),
    });
  }

  async #listenGemini(): Promise<void> {
    const { gemini } = this.#options;
    if (gemini === undefined) return;
    const { runtime, logger, version } = this.#deps;
    this.#gemini = new GeminiListeners({
      runtime,
      limits: gemini.limits,
      metrics: new GeminiMetrics(this.#registry),
      log: logger,
      accessLog: this.#accessLog,
      nextRequestId: () => this.#requestIds.next(),
      upstreams: this.#upstreams,
      serverSoftware: serverSoftware(version),
      connections: this.#clients.connections,
    });
    await this.#gemini.start(gemini.sites);
    for (const listener of this.#gemini.listeners) this.#clients.add(listener);
  }

  async #listenAdmin(): Promise<void> {
    const { admin } = this.#options;
    if (admin === undefined) return;
    const { runtime, version } = this.#deps;
    const readiness = new Readiness(runtime, this.#upstreams);
    const handler = createAdmin({
      metrics: this.#registry,
      upstreams: this.#upstreams,
      version,
      hosts: this.#adminHosts(),
      isReady: () => this.#isReady,
      http2: () => this.#http2.status,
      ...(this.#options.readyWhen !== "listening" && {
        waitingFor: () => readiness.waitingFor(),
      }),
      spawned: (name) => this.#spawned.statusOf(name),
    });
    this.#admin = await serveHttp1(runtime, {
      address: this.#owned(admin),
      ...ADMIN_LIMITS,
      admission: adminAdmission(),
      requestHeadersLengthMax: this.#options.limits.requestHeaderMax,
      handler,
    });
  }

  #adminHosts(): readonly string[] {
    const { admin, adminHosts = [] } = this.#options;
    return admin?.transport === "tcp" ? [...adminHosts, admin.host.toLowerCase()] : adminHosts;
  }

  #createGateway(listener: ListenerInfo, tls: ListenOptions["tls"]) {
    const { automatic } = this.#certificates;
    return createGateway({
      clock: this.#deps.runtime.clock,
      sites: this.#sites,
      requestIds: this.#requestIds,
      metrics: this.#httpMetrics,
      accessLog: this.#accessLog,
      log: this.#deps.logger,
      onError: this.#onError,
      listener,
      checkClient: this.#certificates.clientCheck(tls),
      tlsPort: () => tlsPort(this.#options.listen, (index) => this.addresses[index]),
      answerChallenge: automatic && ((host, token) => automatic.answerChallenge(host, token)),
    });
  }
}
