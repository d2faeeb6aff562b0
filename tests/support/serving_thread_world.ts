/**
 * A thread that serves, told what to do by a main thread that is the test: all of the program runs in
 * memory, on sockets that a test hands in.
 */
import assert from "node:assert/strict";
import type { AppOptions } from "../../src/app/options.ts";
import { type Address, formatAddress } from "../../src/runtime/address.ts";
import type { SocketListenOptions } from "../../src/runtime/callback_socket.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { ownerOf } from "../../src/shared/owners.ts";
import { createProcessMemory, processPlaces } from "../../src/shared/process_memory.ts";
import {
  createUpstreamMemory,
  type UpstreamMemory,
  upstreamPlaces,
} from "../../src/shared/upstream_memory.ts";
import type { FromThread, Present, ThreadConfig, ToThread } from "../../src/threads/messages.ts";
import { serveInThread } from "../../src/threads/serving_thread.ts";
import { gatewayAppOptions } from "./gateway.ts";
import { until, untilIdle } from "./idle.ts";
import { MemoryRuntime } from "./memory/memory.ts";
import { MemoryCallbackSocket } from "./memory_callback_socket.ts";

export const AT: Address = { transport: "tcp", host: "127.0.0.1", port: 8080 };
export const LISTENER = "tcp://127.0.0.1:8080";
export const APPLICATION: Address = { transport: "unix", path: "/run/app.sock" };
export const THREAD = 1;
export const NOTHING_NEW: Present = { servers: new Map(), news: [] };
export const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/** A client's socket of which is heard when it is gone. */
export class AdoptedSocket extends MemoryCallbackSocket {
  onGone: (() => void) | undefined;

  override close(): void {
    super.close();
    this.onGone?.();
    this.onGone = undefined;
  }
}

export class ServingWorld {
  readonly runtime = new MemoryRuntime();
  readonly said: FromThread[] = [];
  readonly process = createProcessMemory(2, 16, { low: 1, high: 2 });
  readonly closed: number[] = [];
  readonly #sockets = new Map<number, AdoptedSocket>();
  #tell!: (message: unknown) => void;
  #lastNumber = 0;
  #lastDescriptor = 0;
  #lastId = 0;

  /** Listeners that the thread takes clients of; one that is closed says so. */
  readonly adopters: { readonly options: SocketListenOptions; isClosed: boolean }[] = [];

  static async serving(options = optionsOf()): Promise<ServingWorld> {
    const world = ServingWorld.starting(options);
    await until(() => world.said.length > 0, "the thread's start");
    assert.deepEqual(world.said.map(({ kind }) => kind), ["ready"]);
    return world;
  }

  /** It was told to start, and has not said yet what became of it. */
  static starting(options = optionsOf(), memory?: UpstreamMemory): ServingWorld {
    const world = new ServingWorld();
    const adopt = (listening: SocketListenOptions, descriptor: number, onGone: () => void) => {
      const socket = world.#sockets.get(descriptor)!;
      socket.onGone = onGone;
      socket.events = listening.onSocket(socket);
    };
    const runtime: Runtime = {
      ...world.runtime,
      openPrivateDirectory: (path) => world.runtime.openPrivateDirectory(path),
      listenInherited: (descriptor) => world.runtime.listenInherited(descriptor),
      listenSockets: (listening) => world.runtime.listenSockets(listening),
      collectGarbage: () => world.runtime.collectGarbage(),
      adoptSockets: (listening) => {
        const adopter = { options: listening, isClosed: false };
        world.adopters.push(adopter);
        return Promise.resolve({
          adopt: (descriptor, onGone) => adopt(listening, descriptor, onGone),
          configureTls: () => {},
          close: () => void (adopter.isClosed = true),
        });
      },
      closeDescriptor: (descriptor) => void world.closed.push(descriptor),
    };
    serveInThread(runtime, {
      send: (message) => void world.said.push(message as FromThread),
      listen: (received) => world.#tell = received,
    });
    const config = world.config(options, memory);
    const { process } = world;
    const owner = ownerOf(THREAD, 0);
    const present = NOTHING_NEW;
    const secret = new Uint8Array(32);
    const start = { kind: "start", thread: THREAD, owner, version: "1", process } as const;
    world.tell({ ...start, config, present, secret });
    return world;
  }

  config(options: AppOptions, memory = createUpstreamMemory(2, 1, 4)): ThreadConfig {
    return { options, upstreams: new Map([["app", memory]]) };
  }

  tell(message: ToThread): void {
    this.#tell(message);
  }

  /** A client that the main thread has accepted, and given to the thread. */
  open(listener = LISTENER): AdoptedSocket {
    const socket = new AdoptedSocket();
    const descriptor = ++this.#lastDescriptor;
    this.#sockets.set(descriptor, socket);
    Atomics.add(this.process.words, processPlaces(this.process).placed + THREAD, 1);
    this.tell({ kind: "connection", listener, descriptor, number: this.#lastNumber++ });
    return socket;
  }

  /** What it says to a new configuration; with its number. */
  async prepare(config: ThreadConfig): Promise<{ id: number; error: string | undefined }> {
    const id = ++this.#lastId;
    this.tell({ kind: "prepare", id, config });
    const isResponse = (message: FromThread) => message.kind === "prepared" && message.id === id;
    await until(() => this.said.some(isResponse), "the thread's response");
    const { error } = this.said.find(isResponse) as { error: string | undefined };
    return { id, error };
  }

  /** Words of shared memory that are not 0, but those that only ever grow. */
  held(memory?: UpstreamMemory): Record<string, number> {
    const { words } = this.process;
    const { placed, clients, spill, addresses } = processPlaces(this.process);
    const sum = (of: Int32Array, from: number, count: number) =>
      of.subarray(from, from + count).reduce((total, word) => total + word, 0);
    const held = {
      placed: sum(words, placed, 2),
      clients: sum(words, clients.at, 2),
      spill: sum(words, spill.at, 2),
      addresses: sum(words, addresses.at, words.length - addresses.at),
    };
    if (memory === undefined) return held;
    const { waiting, urgent, tunnels } = upstreamPlaces(memory);
    return {
      ...held,
      waiting: sum(memory.words, waiting, 2),
      urgent: sum(memory.words, urgent, 2),
      tunnels: sum(memory.words, tunnels, 2),
    };
  }

  /** The places of listeners that it takes clients of. */
  places(): string[] {
    return this.adopters.filter(({ isClosed }) => !isClosed)
      .map(({ options: { address } }) => formatAddress(address)).sort();
  }

  /** Prepares and commits. */
  async reload(options: AppOptions, memory?: UpstreamMemory): Promise<number> {
    const { id, error } = await this.prepare(this.config(options, memory));
    assert.equal(error, undefined);
    await this.commit(id);
    return id;
  }

  async commit(id: number): Promise<void> {
    const before = this.said.length;
    this.tell({ kind: "commit", id, present: NOTHING_NEW });
    const isDone = (message: FromThread) => message.kind === "committed" && message.id === id;
    await until(() => this.said.slice(before).some(isDone), "the commit");
  }

  async stop(): Promise<void> {
    this.tell({ kind: "stop", isTakenOver: false });
    for (let step = 0; !this.said.some(({ kind }) => kind === "stopped"); step++) {
      assert.ok(step < 100, "it stops");
      await untilIdle();
      this.runtime.clock.advance(1_000);
    }
    assert.equal(this.runtime.clock.timerCount, 0, "a timer is left");
  }
}

export function optionsOf(more: Partial<AppOptions> = {}): AppOptions {
  const listen = [{ address: AT, tls: undefined }];
  return { ...gatewayAppOptions({ listen }, APPLICATION), shutdownGraceMs: 1_000, ...more };
}
