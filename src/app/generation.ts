/**
 * One configuration at work: its upstreams and applications, sites, certificates and logs, and what
 * it makes of a request at each of its listeners. What has not changed since the generation before is
 * shared with it (`parts.ts`). It knows no listener but its address; `app.ts` puts the two together.
 */
import { type AdminDeps, createAdmin } from "../http/admin.ts";
import { createGateway } from "../http/gateway.ts";
import { OpenCount } from "../http/open_count.ts";
import { CONNECTION_TIMEOUTS, type ServerChanges, type ServerOptions } from "../http1/server.ts";
import { Logger } from "../observe/logger.ts";
import { nextState } from "../protocol/transitions.ts";
import { storeDirectory } from "../certificates/store_directory.ts";
import type { Address } from "../runtime/address.ts";
import type { Identify } from "../runtime/callback_socket.ts";
import type { TextSink } from "../runtime/text_sink.ts";
import type { UpstreamOptions } from "../upstream/options.ts";
import { Upstream } from "../upstream/upstream.ts";
import { ADMIN_LIMITS } from "./admin_limits.ts";
import { Certificates } from "./certificates.ts";
import { CLIENT_DEFAULTS } from "./client_bounds.ts";
import { fingerprint } from "./fingerprint.ts";
import { type GeminiAppDeps, geminiDepsOf } from "./gemini.ts";
import { type GenerationPlace, placesOf } from "./generation_places.ts";
import { type CompiledSite, compileSites, siteTable } from "./generation_sites.ts";
import {
  GENERATION_TRANSITIONS,
  type GenerationEvent,
  type GenerationState,
} from "./generation_state.ts";
import type { Http3Place } from "./http3.ts";
import { advertised, http3Handler, http3Names } from "./http3_handler.ts";
import { type Http3Listening, http3PortFinder } from "./http3_port.ts";
import type { AppOptions, ListenOptions } from "./options.ts";
import { CLOSING_ORDER, Parts } from "./parts.ts";
import type { ProcessParts } from "./process_parts.ts";
import { Readiness } from "./readiness.ts";
import { listenerInfo, tlsPort } from "./sites.ts";
import { untilUp } from "./spawned_up.ts";
import { type SpawnedPart, withSpawnedWorkers } from "./spawned_applications.ts";
import { withAuthorities } from "./upstream_tls.ts";

const CLOSED_AT_STOP = CLOSING_ORDER.filter((kind) => kind !== "log");

type Handler = ServerOptions["handler"];

/** What the admin address asks of the whole program. */
export interface AdminCalls {
  readonly isReady: () => boolean;
  readonly reload: AdminDeps["reload"];
}

export class Generation {
  readonly options: AppOptions;
  /** Requests that have begun with it, and whose responses have not gone. */
  readonly open = new OpenCount();
  /** Where it listens, with what is said of it there. */
  readonly places: readonly GenerationPlace[];
  /** Those in force, in the order of the places. */
  readonly addresses: (Address | undefined)[] = [];
  readonly upstreams: Upstream[] = [];
  /** As they are to be, in the order of the upstreams. */
  readonly upstreamOptions: UpstreamOptions[] = [];
  readonly spawned: SpawnedPart[] = [];
  readonly certificates: Certificates;
  accessLog: Logger | undefined;
  readonly #process: ProcessParts;
  readonly parts: Parts;
  #sites: readonly CompiledSite[] = [];
  /** Applications that the generation before does not have. */
  readonly #newSpawned = new Set<SpawnedPart>();
  /** Who a listener with HTTP/3 is, by its place's index. */
  readonly #identify = new Map<number, Identify>();
  readonly #begun = Promise.withResolvers<void>();
  readonly #accessSinks: TextSink[] = [];
  #state: GenerationState = "preparing";

  constructor(options: AppOptions, process: ProcessParts) {
    this.options = options;
    this.#process = process;
    this.parts = new Parts(process.current?.parts);
    const { runtime, logger } = process;
    const { acme, store, user } = options;
    this.places = placesOf(options.listen, process.inherited);
    const onChange = () => process.deps.share?.certificatesChanged();
    this.certificates = new Certificates({
      runtime,
      logger,
      store: storeDirectory(store, runtime.process),
      owner: user === undefined ? undefined : runtime.spawner.findUser(user),
      parts: this.parts,
      automaticKey: fingerprint({ acme, store, user }),
      onChange,
      areElsewhere: process.deps.certificatesAreElsewhere,
      openAutomatic: async (sites) => {
        const { openAcme, openChallenges } = await import("./acme.ts");
        return process.deps.certificatesAreElsewhere
          ? openChallenges(options, process)
          : await openAcme(options, sites, process, onChange);
      },
    });
  }

  get state(): GenerationState {
    return this.#state;
  }

  /**
   * Opens everything but listeners.
   *
   * @throws as what could not be opened says; then `discard` closes the rest
   */
  async prepare(): Promise<void> {
    await this.#openAccessLog();
    for (const { name } of this.options.upstreams) await this.#openUpstream(name);
    for (const { upstream } of this.options.spawns ?? []) await this.#createSpawned(upstream);
  }

  /** Starts the applications that are new. @throws {SpawnError} */
  async startSpawned(): Promise<void> {
    for (const { application } of this.#newSpawned) await application.start();
  }

  /** Waits until the new applications take requests. @throws {SpawnError} when one does not */
  async untilSpawned(): Promise<void> {
    const { clock } = this.#process.runtime;
    await Promise.all([...this.#newSpawned].map(({ application }) => untilUp(application, clock)));
  }

  /** @throws {ListenError} when certificates cannot be used */
  async openSites(): Promise<void> {
    await this.certificates.open(this.options);
    this.#sites = compileSites(this.options, {
      process: this.#process,
      upstreams: this.upstreams,
      authorities: this.certificates.authorities,
    });
  }

  /** From now on it serves. */
  commit(): void {
    this.#move("commit");
    this.parts.settle();
    const { spawned, deps: { followers } } = this.#process;
    followers?.useAccessLog(this.#accessSinks[0]);
    for (const [index, upstream] of this.upstreams.entries()) {
      const { servers, supplied } = this.upstreamOptions[index]!;
      const isSame = fingerprint(servers) === fingerprint(upstream.options.servers);
      if (!supplied && !isSame) upstream.configureServers(servers);
    }
    spawned.use(this.spawned);
    for (const { application, target } of this.spawned) {
      const { upstream } = application.options;
      if (target.switchTo(this.#upstreamOf(upstream))) application.supply();
    }
    this.#begun.resolve();
    this.certificates.start();
  }

  /** It will never serve: closes what only it has. */
  async discard(): Promise<void> {
    this.#move("discard");
    this.#begun.resolve();
    await this.parts.release();
  }

  /** Another one serves. Resolves when its last request has ended and what only it had is closed. */
  async drain(listenersGone: Promise<unknown>): Promise<void> {
    this.#move("replace");
    await listenersGone;
    await this.open.idle();
    // A stop has taken over.
    if (this.#state !== "draining") return;
    this.#move("drained");
    await this.parts.release();
  }

  /** The process stops: requests that wait for the commit wait no longer. */
  stop(): void {
    this.#move("stop");
    this.#begun.resolve();
  }

  /** Cuts its requests that are left and closes all but logs, which take what is said of those. */
  async end(): Promise<void> {
    this.#move("drained");
    await this.parts.release(CLOSED_AT_STOP);
  }

  async flushLogs(): Promise<void> {
    await this.accessLog?.flush();
  }

  /** Cuts its applications and upstreams at once. */
  destroy(): void {
    for (const { application } of this.spawned) application.kill();
    for (const upstream of this.upstreams) void upstream.drain(0);
    this.#begun.resolve();
    void this.parts.release(CLOSED_AT_STOP);
  }

  /** Opens log files anew. @throws when one cannot be opened; the one before stays */
  reopenLogs(): void {
    for (const sink of this.#accessSinks) sink.reopen?.();
  }

  /** Whether the application was not there before this generation. */
  isNew(part: SpawnedPart): boolean {
    return this.#newSpawned.has(part);
  }

  /** What a listener does, by its place. @throws {ListenError} */
  async changesFor(index: number): Promise<ServerChanges> {
    const process = this.#process;
    const { tls, http2, http3, proxyProtocol } = this.places[index]!.listen;
    const { httpTimeouts, limits, clients = CLIENT_DEFAULTS } = this.options;
    const serverTls = tls &&
      await this.certificates.serverTls(tls, process.onHandshakeFailed);
    if (http3 && serverTls) this.#identify.set(index, serverTls.identify);
    return {
      requestHeadersLengthMax: limits.requestHeaderMax,
      requestsMax: clients.requestsPerConnectionMax,
      ...(httpTimeouts && { timeouts: httpTimeouts }),
      ...(http2 !== false && { openHttp2: process.http2.open }),
      ...(serverTls && { tls: serverTls }),
      proxyProtocol: proxyProtocol && process.proxyProtocol(proxyProtocol),
      handler: this.#isHttp3Wanted
        ? advertised(this.#handler(index), http3PortFinder(index, this.#http3Listening))
        : this.#handler(index),
    };
  }

  /** What it wants of HTTP/3, once its listeners are open. */
  http3Places(): readonly Http3Place[] {
    const { httpTimeouts = CONNECTION_TIMEOUTS, sites } = this.options;
    const { runtime: { clock }, memory } = this.#process;
    return [...this.#identify].flatMap(([index, identify]): Http3Place[] => {
      const address = this.addresses[index];
      if (address?.transport !== "tcp") return [];
      const handler = http3Handler(this.#handler(index), { clock, memory, timeouts: httpTimeouts });
      return [{
        address,
        idleMs: httpTimeouts.idleMs,
        handler,
        names: http3Names(sites),
        identify,
      }];
    });
  }

  get #isHttp3Wanted(): boolean {
    return this.#listen.some(({ http3 }) => http3);
  }

  readonly #http3Listening: Http3Listening = {
    places: () => this.#identify.keys(),
    addressOf: (place) => this.addresses[place],
    sitesOf: (place) => siteTable(this.#sites, this.places[place]!.listen.address),
  };

  adminChanges(kind: "admin" | "health", { isReady, reload }: AdminCalls): ServerChanges {
    const { runtime, version, registry, http2, spawned, deps } = this.#process;
    const reports = deps.followers ?? deps.reports;
    const { [kind]: address, adminHosts = [], readyWhen, limits } = this.options;
    const readiness = new Readiness(runtime, this.upstreams);
    const hosts = address?.transport === "tcp"
      ? [...adminHosts, address.host.toLowerCase()]
      : adminHosts;
    const handler = createAdmin({
      metrics: reports === undefined
        ? registry
        : { render: () => reports.metrics(registry.render()) },
      whole: reports && ((own) => reports.status(own)),
      upstreams: this.upstreams,
      version,
      hosts,
      isReady,
      reload,
      isForProbes: kind === "health",
      http2: () => http2.status,
      waitingFor: () => readiness.whatFor(readyWhen, deps.followers),
      spawned: (name) => spawned.statusOf(name),
    });
    return { ...ADMIN_LIMITS, requestHeadersLengthMax: limits.requestHeaderMax, handler };
  }

  geminiDeps(): GeminiAppDeps | undefined {
    return geminiDepsOf(this, this.#process);
  }

  get #listen(): readonly ListenOptions[] {
    return this.places.map(({ listen }) => listen);
  }

  #move(event: GenerationEvent): void {
    this.#state = nextState(GENERATION_TRANSITIONS, this.#state, event, "a configuration");
  }

  async #openAccessLog(): Promise<void> {
    const { deps: { accessSink, openAccessLog }, runtime } = this.#process;
    const { access, format } = this.options.log;
    if (accessSink === undefined && openAccessLog === undefined) return;
    const key = `access log ${access} ${format}`;
    const opened = await this.parts.share("log", key, async () => {
      const sink = accessSink ?? await openAccessLog!(access);
      if (sink === undefined) return undefined;
      const { clock } = runtime;
      return { sink, log: new Logger({ sink, clock, level: "info", format }) };
    }, async (closed) => {
      await closed?.log.flush();
      closed?.sink.close?.();
    });
    if (opened === undefined) return;
    this.accessLog = opened.log;
    this.#accessSinks.push(opened.sink);
  }

  async #openUpstream(name: string): Promise<void> {
    const { runtime, observer, space, memory, spawned } = this.#process;
    const { spawns = [], upstreams } = this.options;
    const spawn = spawns.find(({ upstream }) => upstream === name);
    if (spawn !== undefined) spawned.expect(spawn);
    const given = upstreams.find((upstream) => upstream.name === name)!;
    const checked = await withAuthorities(given, runtime.files);
    const options = withSpawnedWorkers(checked, spawns, runtime.process.cpuCount);
    // Its servers change without it.
    const key = `upstream ${name} ${fingerprint({ ...options, servers: undefined })}`;
    const make = () => {
      const share = this.#process.deps.share?.upstreamOf(options);
      return new Upstream(options, { runtime, observer, space, memory, share });
    };
    const end = (upstream: Upstream) => upstream.drain(0);
    this.upstreamOptions.push(options);
    this.upstreams.push(await this.parts.share("upstream", key, make, end));
  }

  async #createSpawned(name: string): Promise<void> {
    const options = this.options.spawns!.find(({ upstream }) => upstream === name)!;
    const upstream = this.#upstreamOf(name);
    const { shutdownGraceMs } = this.options;
    const key = `application ${name} ${fingerprint(options)}`;
    const isKept = this.parts.isKept(key);
    const part = await this.parts.share(
      "application",
      key,
      () => this.#process.spawned.create(options, upstream, shutdownGraceMs),
      ({ application }) => application.stop(),
    );
    this.spawned.push(part);
    if (!isKept) this.#newSpawned.add(part);
  }

  #upstreamOf(name: string): Upstream {
    return this.upstreams.find(({ options }) => options.name === name)!;
  }

  /** Requests that come before the commit wait for it. */
  #handler(index: number): Handler {
    let gateway: Handler | undefined;
    const { tls } = this.places[index]!.listen;
    return (request, peer) => {
      // With port 0 the port is known only now.
      gateway ??= this.#createGateway(index, tls);
      if (this.#state !== "preparing") return gateway(request, peer);
      const handle = gateway;
      return this.#begun.promise.then(() => handle(request, peer));
    };
  }

  #createGateway(index: number, tls: ListenOptions["tls"]): Handler {
    const { automatic } = this.certificates;
    const { runtime, requestIds, httpMetrics, logger, onError } = this.#process;
    const scheme = tls === undefined ? "http" : "https";
    return createGateway({
      clock: runtime.clock,
      sites: siteTable(this.#sites, this.places[index]!.listen.address),
      requestIds,
      metrics: httpMetrics,
      accessLog: this.accessLog,
      log: logger,
      onError,
      listener: listenerInfo(this.addresses[index]!, scheme),
      open: this.open,
      checkClient: this.certificates.clientCheck(tls),
      tlsPort: () => tlsPort(this.#listen, (place) => this.addresses[place]),
      answerChallenge: automatic && ((host, token) => automatic.answerChallenge(host, token)),
    });
  }
}
