/**
 * A thread that serves: runs the whole program on the configuration that the main thread sends, with
 * sockets that the main thread accepts, and without what is the main thread's alone (admin address,
 * applications, certificates, health checks, log files).
 */
import { type RunningApp, startApp } from "../app/app.ts";
import { PassedStderr } from "../app/passed_stderr.ts";
import type { PreparedReload } from "../app/reload.ts";
import { type LimitedLine, LimitedLog } from "../observe/limited_log.ts";
import { Logger } from "../observe/logger.ts";
import type { SocketListenOptions } from "../runtime/callback_socket.ts";
import type { ByteListener, PauseReason } from "../runtime/listener.ts";
import type { SocketAdopter } from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ThreadParent } from "../runtime/threads.ts";
import { takeGiven } from "../shared/handover.ts";
import { type ProcessPlaces, processPlaces } from "../shared/process_memory.ts";
import { run } from "../shared/steps.ts";
import type { UpstreamMemory } from "../shared/upstream_memory.ts";
import type { FromThread, Present, StartMessage, ThreadConfig, ToThread } from "./messages.ts";
import { RemoteCertificates } from "./remote_certificates.ts";
import { SharedProcess } from "./shared_process.ts";
import { listenerKey } from "./spread_listeners.ts";
import { threadLog } from "./thread_logs.ts";

const NO_DESCRIPTOR = -1;

/** Does what the main thread says, from now on. */
export function serveInThread(runtime: Runtime, parent: ThreadParent): void {
  let thread: ServingThread | undefined;
  parent.listen((message) => {
    const told = message as ToThread;
    if (told.kind === "start") thread = new ServingThread(runtime, parent, told);
    else thread?.hear(told);
  });
}

class ServingThread {
  readonly #runtime: Runtime;
  readonly #start: StartMessage;
  readonly #send: (message: FromThread) => void;
  readonly #shared: SharedProcess;
  readonly #places: ProcessPlaces;
  readonly #certificates: RemoteCertificates;
  readonly #stderr: PassedStderr;
  readonly #adopters = new Map<string, SocketAdopter>();
  readonly #prepared = new Map<number, PreparedReload>();
  /** What it was told while it started. */
  readonly #early: Extract<ToThread, { readonly kind: "news" | "servers" }>[] = [];
  #memories: ReadonlyMap<string, UpstreamMemory>;
  #app: RunningApp | undefined;

  constructor(runtime: Runtime, parent: ThreadParent, start: StartMessage) {
    this.#runtime = runtime;
    this.#start = start;
    this.#send = (message) => parent.send(message);
    this.#memories = start.config.upstreams;
    this.#places = processPlaces(start.process);
    this.#stderr = new PassedStderr(
      runtime.clock,
      (lines) => this.#send({ kind: "stderr", lines }),
    );
    this.#shared = new SharedProcess({
      memory: start.process,
      thread: start.thread,
      owner: start.owner,
      clock: runtime.clock,
      memoryOf: ({ name }) => this.#memories.get(name)!,
      tell: (news) => this.#send({ kind: "news", ...news }),
      secret: start.secret,
      tellPassword: (digest) => this.#send({ kind: "password", digest }),
    });
    const version = () => this.#shared.certificatesVersion;
    this.#certificates = new RemoteCertificates(this.#send, runtime.clock, version);
    void this.#run(start);
  }

  hear(message: ToThread): void {
    switch (message.kind) {
      case "start":
        return;
      case "connection":
        return this.#adopt(message);
      case "identity":
        return this.#certificates.hear(message);
      case "news":
        return this.#app === undefined
          ? void this.#early.push(message)
          : this.#shared.hear(message);
      case "password":
        return this.#shared.hearPassword(message.digest);
      case "servers":
        return void this.#useServers(message);
      case "question":
        return this.#answer(message.id);
      case "prepare":
        return void this.#prepare(message.id, message.config);
      case "commit":
        return void this.#commit(message.id, message.present);
      case "discard":
        return void this.#prepared.get(message.id)?.discard();
      case "stop":
        return void this.#stop(message.isTakenOver);
    }
  }

  async #run({ config, present }: StartMessage): Promise<void> {
    const { clock, process } = this.#runtime;
    const { level, format } = config.options.log;
    process.surviveExceptions();
    const sink = threadLog("error", this.#send);
    const logger = new Logger({ sink, clock, level, format });
    const pass = (line: LimitedLine) => this.#send({ kind: "limited", line });
    const passStderr = this.#stderr.push;
    try {
      this.#app = await startApp(config.options, {
        runtime: { ...this.#runtime, listenSockets: (options) => this.#listen(options) },
        logger,
        limited: new LimitedLog(logger, clock, pass),
        openAccessLog: (target) =>
          Promise.resolve(target === "off" ? undefined : threadLog("access", this.#send)),
        version: this.#start.version,
        share: this.#shared,
        certificatesAreElsewhere: true,
        passStderr,
      });
      this.#catchUp(present);
      for (const message of this.#early.splice(0)) this.hear(message);
      this.#send({ kind: "ready" });
    } catch (error) {
      this.#send({ kind: "failed", reason: textOf(error) });
    }
  }

  /** What has happened before it came. */
  #catchUp({ servers, news }: Present): void {
    for (const [upstream, addresses] of servers) void this.#app!.useServers(upstream, addresses);
    for (const one of news) this.#shared.hear(one);
  }

  async #listen(options: SocketListenOptions): Promise<ByteListener> {
    const { address, tls } = options;
    const listener = listenerKey(address, tls !== undefined);
    const identified = tls && {
      ...tls,
      identify: this.#certificates.identify.bind(this.#certificates, listener),
    };
    const adopter = await this.#runtime.adoptSockets!({
      ...options,
      ...(identified && { tls: identified }),
    });
    this.#adopters.set(listener, adopter);
    return {
      address,
      // The main thread has the socket: a listener that changes its TLS needs none here.
      duplicate: () => NO_DESCRIPTOR,
      pause: (reason) => this.#tellPause("pause", listener, reason),
      resume: (reason) => this.#tellPause("resume", listener, reason),
      configureTls: ({ identify: _, ...changes }) => adopter.configureTls(changes),
      close: () => {
        if (this.#adopters.get(listener) === adopter) this.#adopters.delete(listener);
        adopter.close();
      },
    };
  }

  /** Until a configuration is committed the main thread accepts nothing for it. */
  #tellPause(kind: "pause" | "resume", listener: string, reason: PauseReason): void {
    if (reason !== "preparing") this.#send({ kind, listener, reason });
  }

  #adopt(
    { listener, descriptor, number }: Extract<ToThread, { readonly kind: "connection" }>,
  ): void {
    const { words } = this.#start.process;
    const { thread } = this.#start;
    // Another thread has it: this one stood still.
    if (!run(words, takeGiven(this.#places, thread, number))) return;
    const adopter = this.#adopters.get(listener);
    const onGone = () => this.#shared.gone();
    if (adopter !== undefined) return adopter.adopt(descriptor, onGone);
    // A listener that was closed meanwhile.
    onGone();
    this.#runtime.closeDescriptor?.(descriptor);
  }

  async #useServers(message: Extract<ToThread, { readonly kind: "servers" }>): Promise<void> {
    if (this.#app === undefined) return void this.#early.push(message);
    const { id, upstream, servers } = message;
    await this.#app.useServers(upstream, servers);
    this.#send({ kind: "supplied", id });
  }

  #answer(id: number): void {
    const report = this.#app?.report();
    if (report !== undefined) this.#send({ kind: "response", id, ...report });
  }

  async #prepare(id: number, config: ThreadConfig): Promise<void> {
    const before = this.#memories;
    this.#memories = config.upstreams;
    try {
      const prepared = await this.#app!.prepare(config.options);
      this.#prepared.set(id, {
        commit: async () => {
          this.#prepared.delete(id);
          await prepared.commit();
          this.#certificates.forget();
          this.#shared.keep([...before.values(), ...config.upstreams.values()]);
        },
        discard: async () => {
          this.#prepared.delete(id);
          this.#memories = before;
          await prepared.discard();
        },
      });
      this.#send({ kind: "prepared", id, error: undefined });
    } catch (error) {
      this.#memories = before;
      this.#send({ kind: "prepared", id, error: textOf(error) });
    }
  }

  /** Says so when it is done: what is told of a reload is true in every thread then. */
  async #commit(id: number, present: Present): Promise<void> {
    await this.#prepared.get(id)?.commit();
    this.#catchUp(present);
    this.#send({ kind: "committed", id });
  }

  async #stop(isTakenOver: boolean): Promise<void> {
    await this.#app?.stop(isTakenOver);
    this.#stderr.flush();
    this.#shared.close();
    this.#send({ kind: "stopped" });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
