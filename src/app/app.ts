/**
 * Runs a configuration, and another one after it: what lives as long as the process, the generation
 * that serves, and those before it whose requests have yet to end. Stopping goes the other way round:
 * not ready, listeners stop and finish what is in flight, upstreams drain, the rest is cut when the
 * grace is over.
 */
import { type HttpListener, serveHttp1, type ServerOptions } from "../http1/server.ts";
import { createRefusals } from "../http/unread_request.ts";
import type { Address } from "../runtime/address.ts";
import { closeInherited } from "../runtime/inherited_socket.ts";
import { ListenError } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { AdminListeners } from "./admin_listeners.ts";
import type { ServerOptions as UpstreamServer } from "../upstream/options.ts";
import { becomeUser, withSocketOwner } from "./app_user.ts";
import { followerOptions, reportOf, supplyServers, type ThreadReport } from "./followers.ts";
import { GeminiListeners, type GeminiPlan } from "./gemini.ts";
import { Generation } from "./generation.ts";
import { pause, withinGrace } from "./grace.ts";
import { Http3Listeners, type Http3Plan, missingHttp3 } from "./http3.ts";
import { HttpListeners, type HttpPlan, type Served } from "./http_listeners.ts";
import type { AppOptions } from "./options.ts";
import { type ProcessDeps, ProcessParts } from "./process_parts.ts";
import { type PreparedReload, Reloader, type ReloadResult } from "./reload.ts";
import type { RunningApp } from "./running_app.ts";

export type AppDeps = ProcessDeps;

export type { RunningApp } from "./running_app.ts";

/** Starts everything; when a part cannot start, those before it are stopped again. */
export async function startApp(options: AppOptions, deps: AppDeps): Promise<RunningApp> {
  const app = new App(options, deps);
  try {
    await app.start(options);
    return app;
  } catch (error) {
    app.destroy();
    throw error;
  }
}

class App implements RunningApp {
  readonly #process: ProcessParts;
  readonly #reloader: Reloader;
  readonly #http: HttpListeners;
  readonly #http3: Http3Listeners;
  readonly #gemini: GeminiListeners;
  readonly #admin = new AdminListeners({
    isReady: () => this.#isReady,
    reload: () => this.reload("admin"),
  });
  #current: Generation | undefined;
  /** One that is not committed yet. */
  #preparing: Generation | undefined;
  /** Those whose last requests have yet to end. */
  readonly #draining = new Set<Generation>();
  #geminiAddresses: readonly Address[] = [];
  #isReady = false;
  #turn: Promise<unknown> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  #hasSpawned = false;

  constructor(options: AppOptions, deps: AppDeps) {
    this.#process = new ProcessParts(options, deps);
    const { runtime: { clock }, logger, registry } = this.#process;
    const { load = cannotLoad, onReload } = deps;
    this.#reloader = new Reloader(options, { load, app: this, logger, registry, clock, onReload });
    this.#http = new HttpListeners(this.#process.clients, this.#process.inherited);
    this.#http3 = new Http3Listeners(this.#process);
    this.#gemini = new GeminiListeners(this.#process.clients, this.#process.inherited);
  }

  get addresses(): readonly Address[] {
    return (this.#current?.addresses ?? []).filter((address) => address !== undefined);
  }

  get schemes(): readonly ("http" | "https")[] {
    return (this.#current?.places ?? []).map(({ isTls }) => isTls ? "https" : "http");
  }

  get geminiAddresses(): readonly Address[] {
    return this.#geminiAddresses;
  }

  get options(): AppOptions {
    return this.#current!.options;
  }

  get adminAddress(): Address | undefined {
    return this.#admin.addressOf("admin");
  }

  get healthAddress(): Address | undefined {
    return this.#admin.addressOf("health");
  }

  async start(options: AppOptions): Promise<void> {
    const { runtime: { spawner }, clients } = this.#process;
    const { user, spawns = [] } = options;
    const prepared = await this.#prepare(options, async (generation) => {
      await this.#openAdmin(generation);
      clients.start();
      // What is started before would be out of reach afterwards: it could not be ended.
      if (user !== undefined) {
        await becomeUser(user, spawner);
        await this.#startSpawned(generation);
      }
      // PHP's mail() wants a program with the setgid bit.
      if (spawns.length === 0) await spawner.forbidNewPrivileges();
    });
    await prepared.commit();
    for (const descriptor of this.#process.inherited.takeRest()) closeInherited(descriptor);
    this.#isReady = true;
  }

  prepare(options: AppOptions): Promise<PreparedReload> {
    return this.#prepare(options, () => Promise.resolve());
  }

  reload(cause: string): Promise<ReloadResult> {
    return this.#reloader.reload(cause);
  }

  sockets(): ReadonlyMap<string, number> | undefined {
    const http = this.#http.descriptors();
    const gemini = this.#gemini.descriptors();
    const admin = this.#admin.descriptors();
    if (http === undefined || gemini === undefined || admin === undefined) return undefined;
    return new Map([...http, ...gemini, ...admin]);
  }

  stop(isTakenOver = false): Promise<void> {
    return this.#stopped ??= this.#stop(isTakenOver);
  }

  replaceWorkers(): Promise<boolean> {
    const current = this.#current;
    return this.#process.spawned.replaceWorkers((part) => current?.isNew(part) ?? false);
  }

  useServers(name: string, servers: readonly UpstreamServer[]): Promise<void> {
    return supplyServers(this.#generations(), name, servers);
  }

  report(): ThreadReport {
    return reportOf(this.#process, this.#current?.upstreams ?? []);
  }

  reopenLogs(): void {
    for (const generation of this.#generations()) generation.reopenLogs();
  }

  destroy(): void {
    this.#http.destroy();
    this.#http3.destroy();
    this.#gemini.destroy();
    this.#admin.destroy();
    this.#process.deps.followers?.destroy();
    for (const generation of this.#generations()) generation.destroy();
    this.#process.spawned.tellHeld();
    this.#process.close();
  }

  #generations(): Generation[] {
    const last = [this.#preparing, this.#current].filter((one) => one !== undefined);
    return [...this.#draining, ...last];
  }

  /** `finish` is what else can fail, once all is open. */
  async #prepare(
    options: AppOptions,
    finish: (generation: Generation) => Promise<void>,
  ): Promise<PreparedReload> {
    const before = this.#turn;
    const turn = Promise.withResolvers<void>();
    this.#turn = turn.promise;
    await before;
    if (this.#stopped !== undefined) {
      turn.resolve();
      throw new Error("Cannot take another configuration: afcgi is stopping");
    }
    const generation = this.#preparing = new Generation(options, this.#process);
    let http: HttpPlan | undefined;
    let http3: Http3Plan | undefined;
    let gemini: GeminiPlan | undefined;
    let followers: PreparedReload | undefined;
    const end = () => {
      this.#preparing = undefined;
      turn.resolve();
    };
    const discard = async () => {
      http?.discard();
      http3?.discard();
      gemini?.discard();
      await followers?.discard();
      await generation.discard();
      end();
    };
    try {
      refuseMissing(this.#process.runtime, options);
      await generation.prepare();
      const startsLater = this.#current === undefined && options.user !== undefined;
      if (!startsLater) await this.#startSpawned(generation);
      await generation.openSites();
      http = await this.#http.prepare(this.#served(generation));
      // Of several threads the main one serves it, and all tell clients of it.
      const places = this.#process.deps.certificatesAreElsewhere ? [] : generation.http3Places();
      http3 = await this.#http3.prepare(places);
      gemini = await this.#gemini.prepare(options.gemini?.sites ?? [], generation.geminiDeps());
      followers = await this.#process.deps.followers?.prepare(followerOptions(generation));
      await finish(generation);
      if (this.#current !== undefined) await generation.untilSpawned();
    } catch (error) {
      await discard();
      throw error;
    }
    const plans = { http, http3, gemini };
    const commit = async () => {
      // A stop that has begun meanwhile is about what serves.
      if (this.#stopped !== undefined) return await discard();
      this.#commit(generation, plans);
      await followers?.commit();
      end();
    };
    return { commit, discard };
  }

  #commit(generation: Generation, { http, http3, gemini }: Plans): void {
    const before = this.#current;
    this.#process.configure(generation.options);
    generation.commit();
    this.#current = this.#process.current = generation;
    this.#geminiAddresses = gemini.addresses;
    this.#admin.configure(generation);
    const gone = Promise.all([http.commit(), http3.commit(), gemini.commit()]);
    if (before === undefined) return;
    this.#draining.add(before);
    this.#boundDraining();
    void before.drain(gone).then(() => this.#draining.delete(before));
  }

  /** Requests may be without end, and who reloads without end must not gather what they hold. */
  #boundDraining(): void {
    if (this.#draining.size <= DRAINING_MAX) return;
    const [oldest] = this.#draining;
    if (oldest === undefined) return;
    this.#draining.delete(oldest);
    this.#process.logger.warn("Requests that began many configurations ago are cut", {
      code: "configuration_cut",
      requests: oldest.open.count,
    });
    oldest.stop();
    void oldest.end();
  }

  #served(generation: Generation): Served {
    return {
      places: generation.places,
      changesFor: (index) => generation.changesFor(index),
      open: (changes, address, descriptor) =>
        this.#serveHttp(generation, { ...changes, address, descriptor }),
      addresses: generation.addresses,
    };
  }

  async #startSpawned(generation: Generation): Promise<void> {
    if (generation.spawned.length > 0 && !this.#hasSpawned) {
      await this.#process.spawned.prepare();
      this.#hasSpawned = true;
    }
    await generation.startSpawned();
  }

  async #stop(isTakenOver: boolean): Promise<void> {
    this.#isReady = false;
    const { logger, runtime, spawned } = this.#process;
    const { shutdownGraceMs, shutdownDelayMs = 0 } = this.#current!.options;
    // Of several threads the main one says it.
    const tell = this.#process.deps.certificatesAreElsewhere ? "debug" : "info";
    logger.log(tell, "stopping", {
      grace_ms: shutdownGraceMs,
      delay_ms: shutdownDelayMs || undefined,
    });
    if (isTakenOver) this.#keepFiles();
    else if (shutdownDelayMs > 0) await pause(runtime.clock, shutdownDelayMs);
    const lingerMs = isTakenOver ? Math.min(TAKEN_OVER_LINGER_MS, shutdownGraceMs / 2) : 0;
    const generations = [...this.#draining, this.#current!]
      .filter(({ state }) => state !== "over");
    for (const generation of generations) generation.stop();
    // One that is being prepared is discarded.
    const listenersStopped = Promise.all([
      this.#http.stop(lingerMs),
      this.#http3.stop(),
      this.#gemini.stop(),
      this.#process.deps.followers?.stop(isTakenOver),
      this.#turn,
    ]);
    await withinGrace(listenersStopped, shutdownGraceMs, runtime.clock);
    // What is still open now has used up the grace.
    await Promise.all(generations.map((generation) => generation.end()));
    spawned.tellHeld();
    this.destroy();
    await Promise.all(generations.map((generation) => generation.flushLogs()));
    logger.log(tell, "stopped");
    await logger.flush();
  }

  /** The other process listens at the same paths. */
  #keepFiles(): void {
    this.#http.keepFiles();
    this.#admin.leave();
  }

  /** A unix socket is that user's whom we become, who could not remove it otherwise. */
  #owned(address: Address, { user }: AppOptions): Address {
    return withSocketOwner(address, this.#process.runtime.spawner.isRoot && user);
  }

  #serveHttp({ options }: Generation, server: ServerOptions): Promise<HttpListener> {
    const { runtime, logger, requestIds, httpMetrics, clients, memory } = this.#process;
    return serveHttp1(runtime, {
      ...server,
      isSpread: true,
      address: this.#owned(server.address, options),
      admission: clients.connections,
      memory,
      onRequestError: createRefusals({ requestIds, metrics: httpMetrics, log: logger }),
    });
  }

  async #openAdmin(generation: Generation): Promise<void> {
    const { runtime, inherited } = this.#process;
    const owned = (address: Address) => this.#owned(address, generation.options);
    await this.#admin.open(generation, { runtime, inherited, owned });
  }
}

/** What has been prepared of listeners. */
interface Plans {
  readonly http: HttpPlan;
  readonly http3: Http3Plan;
  readonly gemini: GeminiPlan;
}

/** Before anything is opened. @throws {ListenError} */
function refuseMissing(runtime: Runtime, options: AppOptions): void {
  const missing = missingHttp3(runtime, options);
  if (missing !== undefined) throw new ListenError(missing);
}

/** Configurations that have been replaced and whose requests have yet to end. */
export const DRAINING_MAX = 32;

/** How long an idle connection may begin one more request when another process has taken over. */
const TAKEN_OVER_LINGER_MS = 2_000;

function cannotLoad(): Promise<never> {
  return Promise.reject(new Error("Nobody has said where the configuration is read from"));
}
