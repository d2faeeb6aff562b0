/**
 * The main thread: accepts clients and gives each to the thread that has fewest, holds certificates,
 * writes logs, and looks after the threads. One that dies or stands still is buried (what it held is
 * free again), told in the log, and started again with a back-off.
 *
 * The App of this thread is as it would be alone, with two differences: its listeners of HTTP give
 * their clients away, and what it prepares threads prepare as well.
 */
import type { AdminStatus, Followers } from "../app/process_share.ts";
import type { AppOptions } from "../app/options.ts";
import type { PreparedReload } from "../app/reload.ts";
import type { Logger } from "../observe/logger.ts";
import { formatAddress } from "../runtime/address.ts";
import type { Identify, SocketListenOptions } from "../runtime/callback_socket.ts";
import type { TimerId } from "../runtime/clock.ts";
import type { TlsIdentity } from "../runtime/connection.ts";
import type { ByteListener, PauseReason } from "../runtime/listener.ts";
import { ListenError } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { TextSink } from "../runtime/text_sink.ts";
import { ownerOf } from "../shared/owners.ts";
import {
  createProcessMemory,
  type ProcessMemory,
  processPlaces,
} from "../shared/process_memory.ts";
import { run } from "../shared/steps.ts";
import { sweepUpstream } from "../shared/upstream_memory.ts";
import type { ServerOptions } from "../upstream/options.ts";
import type { FromThread, LogName, News, ThreadConfig, ThreadReport } from "./messages.ts";
import { Placement } from "./placement.ts";
import { MAIN_THREAD, SharedProcess } from "./shared_process.ts";
import { LOOK_INTERVAL_MS, SupervisedThread, type ThreadName } from "./supervised_thread.ts";
import { threadOptions } from "./thread_options.ts";
import { ThreadReports } from "./thread_reports.ts";
import { UpstreamMemories } from "./upstream_memories.ts";

export interface MainThreadDeps {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly version: string;
  /** Threads that serve. */
  readonly count: number;
  /** Most clients that there may be, for the size of what counts them. */
  readonly connectionsMax: number;
  /** Where lines of threads go that are no access lines. */
  readonly errorLog: TextSink;
}

interface Spread {
  readonly listener: ByteListener;
  identify: Identify | undefined;
  /** Which threads have said why it should accept nothing. */
  readonly pauses: Map<PauseReason, Set<number>>;
}

export class MainThread implements Followers {
  readonly share: SharedProcess;
  readonly #deps: MainThreadDeps;
  readonly #memory: ProcessMemory;
  readonly #upstreams: UpstreamMemories;
  readonly #threads: readonly SupervisedThread[];
  readonly #placement: Placement;
  readonly #reports: ThreadReports;
  readonly #spread = new Map<string, Spread>();
  readonly #identityNumbers = new WeakMap<TlsIdentity, number>();
  readonly #servers = new Map<string, readonly ServerOptions[]>();
  readonly #news = new Map<string, News>();
  #accessLog: TextSink | undefined;
  #lastIdentity = 0;
  #lastId = 0;
  #config: ThreadConfig | undefined;
  #timer: TimerId | undefined;
  #isOver = false;

  constructor(deps: MainThreadDeps) {
    this.#deps = deps;
    const { runtime, runtime: { clock }, count, connectionsMax } = deps;
    const random = crypto.getRandomValues(new Uint32Array(2));
    const key = { low: random[0]!, high: random[1]! };
    const memory = this.#memory = createProcessMemory(count + 1, connectionsMax, key);
    this.#upstreams = new UpstreamMemories(count + 1);
    const owner = ownerOf(MAIN_THREAD, 0);
    this.share = new SharedProcess({
      memory,
      thread: MAIN_THREAD,
      owner,
      clock,
      memoryOf: (options) => this.#upstreams.of(options),
      tell: (news) => this.#spreadNews(news, MAIN_THREAD),
      supply: (upstream, servers) => this.#supply(upstream, servers),
    });
    this.#threads = Array.from({ length: count }, (_, index) => this.#createThread(index + 1));
    this.#reports = new ThreadReports(memory, this.#threads, () => ++this.#lastId);
    this.#placement = new Placement({
      words: memory.words,
      places: processPlaces(memory),
      give: (thread, connection) =>
        this.#threads[thread - 1]!.send({ kind: "connection", ...connection }),
      refuse: ({ descriptor }) => runtime.closeDescriptor?.(descriptor),
    });
  }

  /** What the App of this thread runs on. */
  get runtime(): Runtime {
    const { runtime } = this.#deps;
    return {
      ...runtime,
      listenSockets: (options) =>
        options.isSpread ? this.#listen(options) : runtime.listenSockets(options),
    };
  }

  get isServing(): boolean {
    return this.#isOver || this.#threads.some(({ isReady, isLate }) => isReady && !isLate);
  }

  async prepare(options: AppOptions): Promise<PreparedReload> {
    const config = this.#configOf(options);
    if (this.#config === undefined) return await this.#begin(config);
    const id = ++this.#lastId;
    const threads = this.#threads.filter(({ isReady }) => isReady);
    try {
      await Promise.all(threads.map((thread) => thread.prepare(id, config)));
    } catch (error) {
      for (const thread of threads) thread.send({ kind: "discard", id });
      this.#upstreams.discard();
      throw error;
    }
    return {
      commit: () => {
        this.#use(config);
        for (const thread of threads) thread.send({ kind: "commit", id });
        return Promise.resolve();
      },
      discard: () => {
        for (const thread of threads) thread.send({ kind: "discard", id });
        this.#upstreams.discard();
        return Promise.resolve();
      },
    };
  }

  /** Where access lines of threads go from now on. */
  useAccessLog(sink: TextSink | undefined): void {
    this.#accessLog = sink;
  }

  async stop(isTakenOver: boolean): Promise<void> {
    this.#isOver = true;
    this.#placement.close();
    await Promise.all(this.#threads.map((thread) => thread.stop(isTakenOver)));
  }

  destroy(): void {
    this.#isOver = true;
    if (this.#timer !== undefined) this.#deps.runtime.clock.clearTimer(this.#timer);
    this.#placement.close();
    for (const thread of this.#threads) thread.end();
    this.share.close();
  }

  metrics(own: string): Promise<string> {
    return this.#reports.metrics(own);
  }

  status(own: AdminStatus): Promise<object> {
    return this.#reports.status(own);
  }

  /** Starts the threads; their first configuration is at work when it is committed. */
  async #begin(config: ThreadConfig): Promise<PreparedReload> {
    this.#use(config);
    await Promise.all(this.#threads.map((thread) => thread.start(this.#startConfig())));
    return {
      commit: () => {
        for (const thread of this.#threads) this.#placement.add(thread.index);
        this.#lookLater();
        return Promise.resolve();
      },
      discard: () => {
        this.destroy();
        return Promise.resolve();
      },
    };
  }

  #use(config: ThreadConfig): void {
    this.#config = config;
    this.#upstreams.use(config.options.upstreams);
    this.share.keep(this.#upstreams.all);
  }

  #configOf(options: AppOptions): ThreadConfig {
    return {
      options: threadOptions(options, this.#deps.count),
      upstreams: new Map(options.upstreams.map((one) => [one.name, this.#upstreams.of(one)])),
      servers: new Map(),
      news: [],
    };
  }

  /** With what has happened since it was made. */
  #startConfig(): ThreadConfig {
    return { ...this.#config!, servers: this.#servers, news: [...this.#news.values()] };
  }

  #createThread(index: number): SupervisedThread {
    const { runtime, version, logger } = this.#deps;
    const name: ThreadName = `worker-${index}`;
    return new SupervisedThread({
      runtime,
      logger,
      version,
      index,
      name,
      memory: this.#memory,
      received: (message) => this.#received(index, message),
      onGone: (last) => this.#bury(index, last),
      onBack: () => this.#placement.add(index),
      config: () => this.#startConfig(),
    });
  }

  /** A thread is dead: what it held is free, and whoever waits for that looks. */
  #bury(index: number, last: ThreadReport | undefined): void {
    if (last !== undefined) this.#reports.bury(last);
    this.#placement.remove(index);
    this.#upstreams.bury(index);
    for (const spread of this.#spread.values()) this.#resumeAll(spread, index);
    this.#ringAll();
  }

  #ringAll(): void {
    for (let thread = 0; thread <= this.#threads.length; thread++) this.share.ring(thread);
  }

  #lookLater(): void {
    this.#timer = this.#deps.runtime.clock.setTimer(() => this.#look(), LOOK_INTERVAL_MS);
  }

  #look(): void {
    for (const thread of this.#threads) {
      thread.look();
      this.#placement.setLate(thread.index, thread.isLate);
    }
    // What was given to one that died just then.
    let found = false;
    for (const memory of this.#upstreams.all) {
      if (run(memory.words, sweepUpstream(memory))) found = true;
    }
    if (found) this.#ringAll();
    this.#lookLater();
  }

  #received(index: number, message: FromThread): void {
    switch (message.kind) {
      case "log":
        return this.#write(message.log, message.text);
      case "identify":
        return void this.#identify(index, message);
      case "news":
        this.share.hear(message);
        return this.#spreadNews(message, index);
      case "pause":
      case "resume":
        return this.#pause(index, message);
      default:
        return;
    }
  }

  #write(log: LogName, text: string): void {
    const sink = log === "access" ? this.#accessLog : this.#deps.errorLog;
    sink?.write(text);
  }

  #spreadNews({ upstream, server, news }: News, from: number): void {
    const kind = news === "down" || news === "up" ? "health" : "ejection";
    const key = JSON.stringify([upstream, server, kind]);
    if (news === "down") this.#news.set(key, { upstream, server, news });
    else this.#news.delete(key);
    for (const thread of this.#threads) {
      if (thread.index !== from) thread.send({ kind: "news", upstream, server, news });
    }
  }

  async #supply(upstream: string, servers: readonly ServerOptions[]): Promise<void> {
    this.#servers.set(upstream, servers);
    const id = ++this.#lastId;
    await Promise.all(this.#threads.map((thread) => thread.supply(id, upstream, servers)));
  }

  async #listen(options: SocketListenOptions): Promise<ByteListener> {
    const { runtime } = this.#deps;
    const { tls, address: { transport } } = options;
    if (tls !== undefined && transport !== "tcp") {
      const name = formatAddress(options.address);
      throw new ListenError(`Cannot listen with TLS on ${name}: use TCP`);
    }
    let key = "";
    const listener = await runtime.acceptDescriptors!(options, (descriptor) => {
      if (this.#isOver) runtime.closeDescriptor?.(descriptor);
      else this.#placement.place({ listener: key, descriptor });
    });
    key = formatAddress(listener.address);
    const spread: Spread = { listener, identify: tls?.identify, pauses: new Map() };
    this.#spread.set(key, spread);
    return {
      address: listener.address,
      get descriptor() {
        return listener.descriptor;
      },
      ...(listener.duplicate && { duplicate: () => listener.duplicate!() }),
      ...(listener.keepFile && { keepFile: () => listener.keepFile!() }),
      pause: (reason) => this.#pauseFor(spread, MAIN_THREAD, reason),
      resume: (reason) => this.#resumeFor(spread, MAIN_THREAD, reason),
      configureTls: (changes) => {
        spread.identify = changes.identify ?? spread.identify;
      },
      close: () => {
        if (this.#spread.get(key) === spread) this.#spread.delete(key);
        listener.close();
      },
    };
  }

  #pause(
    index: number,
    { kind, listener, reason }: Extract<FromThread, { readonly kind: "pause" | "resume" }>,
  ): void {
    const spread = this.#spread.get(listener);
    if (spread === undefined) return;
    if (kind === "pause") this.#pauseFor(spread, index, reason);
    else this.#resumeFor(spread, index, reason);
  }

  #pauseFor({ listener, pauses }: Spread, index: number, reason: PauseReason): void {
    const threads = pauses.get(reason) ?? new Set();
    threads.add(index);
    pauses.set(reason, threads);
    listener.pause?.(reason);
  }

  #resumeFor({ listener, pauses }: Spread, index: number, reason: PauseReason): void {
    const threads = pauses.get(reason);
    if (threads?.delete(index) && threads.size === 0) listener.resume?.(reason);
  }

  #resumeAll(spread: Spread, index: number): void {
    for (const reason of spread.pauses.keys()) this.#resumeFor(spread, index, reason);
  }

  async #identify(
    index: number,
    { id, listener, serverName, hello, localHost }: Extract<
      FromThread,
      { readonly kind: "identify" }
    >,
  ): Promise<void> {
    const thread = this.#threads[index - 1]!;
    const kind = "identity";
    try {
      const identity = await this.#spread.get(listener)?.identify?.(serverName, hello, localHost);
      const number = identity === undefined ? 0 : this.#numberOf(identity);
      thread.send({ kind, id, number, identity, error: undefined });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      thread.send({ kind, id, number: 0, identity: undefined, error: text });
    }
  }

  #numberOf(identity: TlsIdentity): number {
    const known = this.#identityNumbers.get(identity);
    if (known !== undefined) return known;
    this.#identityNumbers.set(identity, ++this.#lastIdentity);
    return this.#lastIdentity;
  }
}
