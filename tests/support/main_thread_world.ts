/**
 * A main thread whose threads only remember what they were told, and a clock in memory. When the test
 * is over nothing is left: no timer, and no thread.
 */
import assert from "node:assert/strict";
import type { AppOptions } from "../../src/app/options.ts";
import { Logger } from "../../src/observe/logger.ts";
import type { Address } from "../../src/runtime/address.ts";
import type { SocketListenOptions, SocketTlsOptions } from "../../src/runtime/callback_socket.ts";
import type { ClientHello } from "../../src/runtime/client_hello.ts";
import type { ByteListener, PauseReason } from "../../src/runtime/listener.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { ThreadEvents } from "../../src/runtime/threads.ts";
import { takeGiven } from "../../src/shared/handover.ts";
import { run } from "../../src/shared/steps.ts";
import { processPlaces } from "../../src/shared/process_memory.ts";
import { MainThread } from "../../src/threads/main_thread.ts";
import type { FromThread, ToThread } from "../../src/threads/messages.ts";
import { RESTART_MIN_MS } from "../../src/threads/supervised_thread.ts";
import { UPSTREAM_DEFAULTS } from "../../src/upstream/options.ts";
import { untilIdle } from "./idle.ts";
import { MemoryRuntime, MemorySink } from "./memory/memory.ts";
import { atTestEnd } from "./world_test.ts";

export const COUNT = 2;
export const AT: Address = { transport: "tcp", host: "127.0.0.1", port: 8080 };
const SERVER: Address = { transport: "tcp", host: "127.0.0.1", port: 9000 };
export const HELLO = { protocols: [], serverName: "a.test" } as unknown as ClientHello;

export const OPTIONS = {
  listen: [],
  sites: [],
  upstreams: [{
    ...UPSTREAM_DEFAULTS,
    name: "app",
    servers: [{ address: SERVER, weight: 1, backup: false }],
  }],
} as unknown as AppOptions;

/** The message of a kind, also of one that has several. */
type Told<Message, Kind> = Message extends { readonly kind: infer Own }
  ? Kind extends Own ? Message : never
  : never;

/** One life of a thread: what it was told. */
export class RecordedThread {
  readonly told: ToThread[] = [];
  isEnded = false;
  commitsAtOnce = true;
  readonly events: ThreadEvents;

  constructor(events: ThreadEvents) {
    this.events = events;
  }

  /** What is committed serves at once, unless the test says when. */
  hears(message: ToThread): void {
    this.told.push(message);
    if (message.kind !== "commit" || !this.commitsAtOnce) return;
    queueMicrotask(() => this.says({ kind: "committed", id: message.id }));
  }

  says(message: FromThread): void {
    this.events.received(message);
  }

  /** Its event loop turns. */
  beats(): void {
    const { process, thread } = this.last("start");
    Atomics.add(process.words, processPlaces(process).beat + thread, 1);
  }

  /** Takes the last client that it was given. */
  takes(): void {
    const { process, thread } = this.last("start");
    const { number } = this.last("connection");
    assert.ok(run(process.words, takeGiven(processPlaces(process), thread, number)));
  }

  kinds(): string[] {
    return this.told.map(({ kind }) => kind);
  }

  /** The last message of the kind. */
  last<Kind extends ToThread["kind"]>(kind: Kind): Told<ToThread, Kind> {
    const found = this.told.findLast((message) => message.kind === kind);
    assert.ok(found, `it was told ${this.kinds()}`);
    return found as Told<ToThread, Kind>;
  }
}

/** A listener that says what holds it up. */
export class RecordedListener implements ByteListener {
  readonly address = AT;
  readonly paused = new Set<PauseReason>();
  isClosed = false;

  pause(reason: PauseReason): void {
    this.paused.add(reason);
  }

  resume(reason: PauseReason): void {
    this.paused.delete(reason);
  }

  close(): void {
    this.isClosed = true;
  }
}

export class MainThreadWorld {
  readonly runtime = new MemoryRuntime();
  readonly clock = this.runtime.clock;
  /** Every life of every thread, in the order of their starts. */
  readonly lives: RecordedThread[] = [];
  readonly listener = new RecordedListener();
  readonly closed: number[] = [];
  readonly errors = new MemorySink();
  readonly log = new MemorySink();
  readonly main: MainThread;
  /** Gives a client's descriptor to the main thread. */
  accept!: (descriptor: number) => void;
  #lastDescriptor = 0;

  constructor() {
    const { clock } = this;
    const runtime: Runtime = {
      ...this.runtime,
      openPrivateDirectory: (path) => this.runtime.openPrivateDirectory(path),
      listenInherited: (descriptor) => this.runtime.listenInherited(descriptor),
      listenSockets: (options) => this.runtime.listenSockets(options),
      collectGarbage: () => this.runtime.collectGarbage(),
      threads: {
        start: (events) => {
          const life = new RecordedThread(events);
          this.lives.push(life);
          return {
            send: (message) => life.hears(message as ToThread),
            end: () => void (life.isEnded = true),
          };
        },
      },
      acceptDescriptors: (_options, onDescriptor) => {
        this.accept = onDescriptor;
        return Promise.resolve(this.listener);
      },
      closeDescriptor: (descriptor) => void this.closed.push(descriptor),
    };
    this.main = new MainThread({
      runtime,
      logger: new Logger({ sink: this.log, clock, level: "info", format: "json" }),
      version: "1",
      count: COUNT,
      connectionsMax: 16,
      errorLog: this.errors,
    });
    atTestEnd(async () => {
      this.main.destroy();
      await untilIdle();
      // The lines of the log.
      clock.advance(0);
      assert.equal(clock.timerCount, 0, "a timer is left");
      assert.ok(this.lives.every(({ isEnded }) => isEnded), "a thread is left");
    });
  }

  /** All threads serve. */
  static async serving(): Promise<MainThreadWorld> {
    const world = new MainThreadWorld();
    const prepared = world.main.prepare(OPTIONS);
    for (const life of world.lives) life.says({ kind: "ready" });
    await (await prepared).commit();
    return world;
  }

  /** Every thread that serves takes it. */
  async reload(options: AppOptions): Promise<void> {
    const preparing = this.main.prepare(options);
    await untilIdle();
    for (const life of this.lives.filter(({ isEnded }) => !isEnded)) {
      life.says({ kind: "prepared", id: preparedId(life), error: undefined });
    }
    await (await preparing).commit();
  }

  async listen(tls?: Partial<SocketTlsOptions>): Promise<ByteListener> {
    const options = { address: AT, isSpread: true, ...(tls && { tls }) };
    return await this.main.runtime.listenSockets(options as SocketListenOptions);
  }

  /** A client connects; its descriptor. */
  connect(): number {
    this.accept(++this.#lastDescriptor);
    return this.#lastDescriptor;
  }

  /** Dies, and is started again and serves. */
  async restart(life: RecordedThread): Promise<RecordedThread> {
    life.events.died("killed");
    // One that dies again waits longer.
    this.clock.advance(4 * RESTART_MIN_MS);
    const next = this.lives.at(-1)!;
    next.says({ kind: "ready" });
    await untilIdle();
    return next;
  }

  logged(code: string): Record<string, unknown>[] {
    this.clock.advance(0);
    return this.log.text.split("\n").filter(Boolean).map((line) => JSON.parse(line))
      .filter((line) => line.code === code);
  }
}

export function preparedId(life: RecordedThread): number {
  return life.last("prepare").id;
}
