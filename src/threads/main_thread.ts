/**
 * The main thread: accepts clients and gives each to the thread that has fewest, holds certificates,
 * writes logs, and looks after the threads. One that dies or stands still is buried (what it held is
 * free again), told in the log, and started again with a back-off.
 *
 * The App of this thread is as it would be alone, with two differences: its listeners of HTTP give
 * their clients away, and what it prepares threads prepare as well.
 */
import { pause } from "../app/grace.ts";
import type { StderrLine } from "../app/passed_stderr.ts";
import type { AdminStatus, Followers } from "../app/process_share.ts";
import type { AppOptions } from "../app/options.ts";
import type { PreparedReload } from "../app/reload.ts";
import { LimitedLog } from "../observe/limited_log.ts";
import type { Logger } from "../observe/logger.ts";
import type { TimerId } from "../runtime/clock.ts";
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
import type {
  FromThread,
  LogName,
  News,
  Present,
  ThreadConfig,
  ThreadReport,
  ToThread,
} from "./messages.ts";
import { Placement } from "./placement.ts";
import { MAIN_THREAD, SharedProcess } from "./shared_process.ts";
import { SpreadListeners } from "./spread_listeners.ts";
import {
  LATE_LOOKS,
  LOOK_INTERVAL_MS,
  SupervisedThread,
  type ThreadName,
} from "./supervised_thread.ts";
import { threadOptions } from "./thread_options.ts";
import { KEPT_INTERVAL_MS, ThreadReports } from "./thread_reports.ts";
import { UpstreamMemories } from "./upstream_memories.ts";

/** How often it is looked whether threads have taken what they were given, when all is to end. */
const UNTAKEN_LOOK_MS = 10;

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

export class MainThread implements Followers {
  readonly share: SharedProcess;
  /** For lines that several threads may say. */
  readonly limited: LimitedLog;
  readonly #deps: MainThreadDeps;
  readonly #memory: ProcessMemory;
  /** For digests of passwords. */
  readonly #secret = crypto.getRandomValues(new Uint8Array(32));
  readonly #upstreams: UpstreamMemories;
  readonly #threads: readonly SupervisedThread[];
  readonly #placement: Placement;
  readonly #reports: ThreadReports;
  readonly #listeners: SpreadListeners;
  readonly #servers = new Map<string, readonly ServerOptions[]>();
  /** Servers that are down. */
  readonly #news = new Map<string, News>();
  /** Threads that have started with a configuration that was replaced meanwhile. */
  readonly #comingBack = new Set<Promise<void>>();
  #accessLog: TextSink | undefined;
  #takeStderr: (line: StderrLine) => void = () => {};
  #lastId = 0;
  #looks = 0;
  #config: ThreadConfig | undefined;
  #timer: TimerId | undefined;
  #isOver = false;
  #isDestroyed = false;

  constructor(deps: MainThreadDeps) {
    this.#deps = deps;
    const { runtime, runtime: { clock }, count, connectionsMax } = deps;
    this.limited = new LimitedLog(deps.logger, clock);
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
      secret: this.#secret,
      tellPassword: (digest) => this.#tellOthers({ kind: "password", digest }, MAIN_THREAD),
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
    this.#listeners = new SpreadListeners(runtime, (connection) => {
      if (this.#isOver) runtime.closeDescriptor?.(connection.descriptor);
      else this.#placement.place(connection);
      this.share.placed();
    });
  }

  /** What the App of this thread runs on. */
  get runtime(): Runtime {
    const { runtime } = this.#deps;
    return {
      ...runtime,
      listenSockets: (options) =>
        options.isSpread ? this.#listeners.listen(options) : runtime.listenSockets(options),
    };
  }

  get isServing(): boolean {
    return this.#isOver || this.#threads.some(({ isReady, isLate }) => isReady && !isLate);
  }

  async prepare(options: AppOptions): Promise<PreparedReload> {
    const config = this.#configOf(options);
    if (this.#config === undefined) return await this.#begin(config);
    if (this.#comingBack.size > 0) await Promise.all(this.#comingBack);
    const id = ++this.#lastId;
    const threads = this.#threads.filter(({ isReady }) => isReady);
    const lives = new Map(threads.map((thread) => [thread, thread.life]));
    try {
      await Promise.all(threads.map((thread) => thread.prepare(id, config)));
    } catch (error) {
      for (const thread of threads) thread.send({ kind: "discard", id });
      this.#upstreams.discard();
      throw error;
    }
    return {
      commit: async () => {
        this.#use(config);
        const present = this.#present();
        await Promise.all(
          this.#threads.filter((thread) => lives.get(thread) === thread.life)
            .map((thread) => thread.commit(id, config, present)),
        );
        await Promise.all(this.#comingBack);
        await Promise.all(this.#threads.map((thread) => this.#bringUpToDate(thread)));
      },
      discard: () => {
        for (const thread of threads) thread.send({ kind: "discard", id });
        this.#upstreams.discard();
        return Promise.resolve();
      },
    };
  }

  hearStderr(take: (line: StderrLine) => void): void {
    this.#takeStderr = take;
  }

  /** Where access lines of threads go from now on. */
  useAccessLog(sink: TextSink | undefined): void {
    this.#accessLog = sink;
  }

  /** Threads that stop take nothing new, so what was accepted is theirs first. */
  async stop(isTakenOver: boolean): Promise<void> {
    this.#isOver = true;
    if (this.#placement.hasUntaken) await this.#untilTaken();
    this.#placement.close();
    await Promise.all(this.#threads.map((thread) => thread.stop(isTakenOver)));
  }

  destroy(): void {
    this.#isOver = this.#isDestroyed = true;
    if (this.#timer !== undefined) this.#deps.runtime.clock.clearTimer(this.#timer);
    this.#placement.close();
    for (const thread of this.#threads) thread.end();
    this.share.close();
  }

  /** Of a thread that stands still others take it, once that is known. */
  async #untilTaken(): Promise<void> {
    const { runtime: { clock } } = this.#deps;
    const untilMs = clock.nowMs() + (LATE_LOOKS + 1) * LOOK_INTERVAL_MS;
    while (!this.#isDestroyed && this.#placement.hasUntaken && clock.nowMs() < untilMs) {
      await pause(clock, UNTAKEN_LOOK_MS);
    }
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
    await Promise.all(this.#threads.map((thread) => thread.start()));
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
    const known = new Set(this.#upstreams.all.map(({ id }) => id));
    for (const [key, { upstream }] of this.#news) if (!known.has(upstream)) this.#news.delete(key);
  }

  #configOf(options: AppOptions): ThreadConfig {
    return {
      options: threadOptions(options),
      upstreams: new Map(options.upstreams.map((one) => [one.name, this.#upstreams.of(one)])),
    };
  }

  #present(): Present {
    return { servers: this.#servers, news: [...this.#news.values()] };
  }

  /**
   * A thread that was started with another configuration than the one that serves gets that: a reload
   * may be committed while it starts.
   */
  async #bringUpToDate(thread: SupervisedThread): Promise<void> {
    while (thread.isReady && thread.config !== this.#config) {
      const config = this.#config!;
      const id = ++this.#lastId;
      try {
        await thread.prepare(id, config);
        await thread.commit(id, config, this.#present());
      } catch (error) {
        thread.fail(error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** A thread that died serves again. */
  #isBack(index: number): void {
    const thread = this.#threads[index - 1]!;
    if (thread.config === this.#config) return this.#placement.add(index);
    const { life } = thread;
    const coming = this.#bringUpToDate(thread).then(() => {
      this.#comingBack.delete(coming);
      if (thread.isReady && thread.life === life) this.#placement.add(index);
    });
    this.#comingBack.add(coming);
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
      secret: this.#secret,
      received: (message) => this.#received(index, message),
      onGone: (last) => this.#bury(index, last),
      onBack: () => this.#isBack(index),
      config: () => ({ config: this.#config!, present: this.#present() }),
    });
  }

  /** A thread is dead: what it held is free, and whoever waits for that looks. */
  #bury(index: number, last: ThreadReport | undefined): void {
    if (last !== undefined) this.#reports.bury(last);
    this.#placement.remove(index);
    this.#upstreams.bury(index);
    this.#listeners.release(index);
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
    if (++this.#looks % (KEPT_INTERVAL_MS / LOOK_INTERVAL_MS) === 0) void this.#reports.keep();
    this.#lookLater();
  }

  #received(index: number, message: FromThread): void {
    switch (message.kind) {
      case "log":
        return this.#write(message.log, message.text);
      case "password":
        return this.#tellOthers(message, index);
      case "limited":
        return this.limited.take(message.line);
      case "stderr":
        return message.lines.forEach(this.#takeStderr);
      case "identify":
        return void this.#identify(index, message);
      case "news":
        this.share.hear(message);
        return this.#spreadNews(message, index);
      case "pause":
      case "resume":
        return this.#listeners.hear(index, message);
      default:
        return;
    }
  }

  #write(log: LogName, text: string): void {
    const sink = log === "access" ? this.#accessLog : this.#deps.errorLog;
    sink?.write(text);
  }

  #spreadNews({ upstream, server, news }: News, from: number): void {
    const key = JSON.stringify([upstream, server]);
    if (news === "down") this.#news.set(key, { upstream, server, news });
    // Of a server that nobody knows to be down that is no news.
    else if (news === "up" && !this.#news.delete(key)) return;
    this.#tellOthers({ kind: "news", upstream, server, news }, from);
  }

  #tellOthers(message: ToThread, from: number): void {
    for (const thread of this.#threads) if (thread.index !== from) thread.send(message);
  }

  async #supply(upstream: string, servers: readonly ServerOptions[]): Promise<void> {
    this.#servers.set(upstream, servers);
    const id = ++this.#lastId;
    await Promise.all(this.#threads.map((thread) => thread.supply(id, upstream, servers)));
  }

  async #identify(
    index: number,
    question: Extract<FromThread, { readonly kind: "identify" }>,
  ): Promise<void> {
    this.#threads[index - 1]!.send(await this.#listeners.identify(question));
  }
}
